//! Accounts: their rows, and the ones in use kept in memory. Their secrets are sealed in the rows
//! and nowhere else.

use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::account::{self, Entity, Model};
use entity::ids::{AccountId, CompanyId};
use futures_util::future::BoxFuture;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::seal::Seal;
use super::{Store, StoreError, instant, secrets};
use crate::pacing::{Limits, Policy, Presets};

/// An account's row, with its limits read and its secrets opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    row: Model,
    own_limits: Limits,
    is_unreadable: bool,
}

impl Deref for Account {
    type Target = Model;
    fn deref(&self) -> &Model {
        &self.row
    }
}

impl Account {
    /// Reads a row.
    pub(super) fn open(seal: &Seal, mut row: Model) -> Self {
        let own_limits = row.limits.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let is_unreadable = !secrets::open_account(seal, &mut row);
        Self { row, own_limits, is_unreadable }
    }

    /// Whether some secret of its can't be opened, because the row was changed past this server.
    /// That secret counts as none, so the account must not connect: it would go past its proxy.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// The numbers that differ from the preset.
    #[must_use]
    pub fn own_limits(&self) -> &Limits {
        &self.own_limits
    }

    /// Its pacing rules.
    #[must_use]
    pub fn policy(&self, presets: &Presets) -> Policy {
        let warm_since = self.first_connected_at_ms.map(instant);
        let policy = Policy::new(presets, self.use_limits, &self.own_limits, warm_since)
            .or_else(|_| Policy::new(presets, self.use_limits, &Limits::default(), warm_since))
            .unwrap_or_else(|_| unreachable!("the presets were checked at the start"));
        Policy { typing: policy.typing && self.provider.shows_typing(), ..policy }
    }
}

/// What a connection taught about an account.
#[derive(Debug, Clone)]
pub struct Connected {
    /// The paired number, digits only.
    pub phone_number: Option<String>,
    /// The name the messenger shows.
    pub display_name: Option<String>,
    /// What to remember for the next connection, as JSON.
    pub pairing: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Says in an account's row what is wrong with it: a stable word, a sentence, since when; or that nothing is.
pub fn say_wrong(row: &mut account::ActiveModel, error: Option<(&str, &str, DateTime<Utc>)>) {
    row.error_code = Set(error.map(|(code, ..)| code.to_owned()));
    row.error_message = Set(error.map(|(_, message, _)| message.to_owned()));
    row.error_at_ms = Set(error.map(|(.., at)| at.timestamp_millis()));
}

impl Store {
    /// The account, if the company has it.
    pub async fn find_account(&self, company: CompanyId, id: AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.account(id).await?.filter(|account| account.company_id == company))
    }

    /// The account, whosever it is: for the lanes and the public page.
    pub async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        if let Some(account) = self.accounts.get(id) {
            return Ok(Some(account));
        }
        if self.accounts.is_unknown(id) {
            return Ok(None);
        }
        let version = self.accounts.version();
        let found = Entity::find_by_id(id).one(&self.reader).await?;
        if found.is_none() {
            self.accounts.keep_unknown(version, id);
        }
        Ok(found.map(|row| self.accounts.keep(version, Account::open(&self.seal, row))))
    }

    /// The account's row may have changed past this cache: it is read anew.
    pub fn forget_account(&self, id: AccountId) {
        self.accounts.remove(id);
    }

    /// The same for all accounts.
    pub fn forget_accounts(&self) {
        self.accounts.clear();
    }

    /// Runs a change of accounts' rows, and keeps the rows it answers in memory.
    pub(super) async fn keep_changed(
        &self,
        work: impl for<'t> Fn(&'t DatabaseTransaction) -> BoxFuture<'t, Result<Vec<Model>, DbErr>> + Send + Sync + 'static,
    ) -> Result<Vec<Arc<Account>>, StoreError> {
        let (cache, seal) = (self.accounts.clone(), self.seal.clone());
        let keep = move |accounts: &Vec<Arc<Account>>| accounts.iter().for_each(|account| cache.put(account));
        let opened = self.change_and(
            move |tx| {
                let (rows, seal) = (work(tx), seal.clone());
                Box::pin(async move {
                    let rows = rows.await?.into_iter();
                    Ok(rows.map(|row| Arc::new(Account::open(&seal, row))).collect())
                })
            },
            keep,
        );
        opened.await
    }

    /// A page of the company's accounts, oldest first, and how many there are; of all of them, or
    /// of those that are `visible`.
    pub async fn list_accounts(
        &self,
        company: CompanyId,
        visible: Option<Vec<AccountId>>,
        offset: u64,
        limit: u64,
    ) -> Result<(Vec<Account>, u64), StoreError> {
        let mut all = Entity::find().filter(account::COLUMN.company_id.eq(company));
        if let Some(visible) = visible {
            all = all.filter(account::COLUMN.id.is_in(visible));
        }
        let total = all.clone().count(&self.reader).await?;
        let page = all.order_by_asc(account::COLUMN.id).offset(offset).limit(limit).all(&self.reader).await?;
        Ok((page.into_iter().map(|row| Account::open(&self.seal, row)).collect(), total))
    }

    /// Changes an account's row. `None` if it is gone.
    pub async fn change_account(
        &self,
        id: AccountId,
        change: impl FnOnce(&mut account::ActiveModel),
    ) -> Result<Option<Arc<Account>>, StoreError> {
        self.change_row(id, None, change).await
    }

    /// The same, if it still has that epoch.
    pub async fn change_account_of(
        &self,
        id: AccountId,
        epoch: i64,
        change: impl FnOnce(&mut account::ActiveModel),
    ) -> Result<Option<Arc<Account>>, StoreError> {
        self.change_row(id, Some(epoch), change).await
    }

    async fn change_row(
        &self,
        id: AccountId,
        epoch: Option<i64>,
        change: impl FnOnce(&mut account::ActiveModel),
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let mut row = <account::ActiveModel as Default>::default();
        change(&mut row);
        secrets::seal_account(&self.seal, id, &mut row);
        let changed = self.keep_changed(move |tx| {
            let mut update = Entity::update_many().set(row.clone()).filter(account::COLUMN.id.eq(id));
            if let Some(epoch) = epoch {
                update = update.filter(account::COLUMN.epoch.eq(epoch));
            }
            Box::pin(update.exec_with_returning(tx))
        });
        Ok(changed.await?.pop())
    }

    /// Raises the epochs of accounts about to get a lane, and answers the accounts.
    pub async fn raise_epochs(&self, ids: &[AccountId]) -> Result<Vec<Arc<Account>>, StoreError> {
        let mut raised = Vec::with_capacity(ids.len());
        for some in ids.chunks(1_000) {
            let some = some.to_vec();
            raised.extend(self.keep_changed(move |tx| Box::pin(raise(tx, some.clone()))).await?);
        }
        Ok(raised)
    }

    /// Writes what connections taught, each opened by the lane of an epoch, all in one transaction: after a
    /// restart thousands come at once. Answers the accounts that still have that epoch and are to be connected.
    pub async fn connected(&self, accounts: &[(AccountId, i64, Connected)]) -> Result<Vec<Arc<Account>>, StoreError> {
        let mut accounts = accounts.to_vec();
        for (id, _, news) in &mut accounts {
            news.pairing = news.pairing.take().map(|text| secrets::seal_pairing(&self.seal, *id, &text));
        }
        self.keep_changed(move |tx| Box::pin(connect(tx, accounts.clone()))).await
    }
}

async fn raise(tx: &DatabaseTransaction, ids: Vec<AccountId>) -> Result<Vec<Model>, DbErr> {
    use sea_orm::sea_query::{Expr, ExprTrait};
    super::attempt::hold_epochs(tx).await?;
    let raise = Entity::update_many()
        .col_expr(account::Column::Epoch, Expr::col(account::Column::Epoch).add(1))
        .filter(account::COLUMN.id.is_in(ids));
    raise.exec_with_returning(tx).await
}

async fn connect(tx: &DatabaseTransaction, accounts: Vec<(AccountId, i64, Connected)>) -> Result<Vec<Model>, DbErr> {
    let mut rows = Vec::with_capacity(accounts.len());
    for (id, epoch, news) in accounts {
        // One that was disconnected meanwhile, or logged out, is not paired again by that.
        let wanted = Entity::find_by_id(id).filter(account::COLUMN.should_connect.eq(true));
        let own = wanted.filter(account::COLUMN.epoch.eq(epoch)).lock_exclusive();
        let Some(old) = own.one(tx).await? else { continue };
        let at = news.at.timestamp_millis();
        let mut row = account::ActiveModel {
            id: Set(id),
            phone_number: Set(news.phone_number),
            display_name: Set(news.display_name),
            pairing: Set(news.pairing),
            first_connected_at_ms: Set(old.first_connected_at_ms.or(Some(at))),
            connected_at_ms: Set(Some(at)),
            updated_at_ms: Set(at),
            ..Default::default()
        };
        say_wrong(&mut row, None);
        rows.push(row.update(tx).await?);
    }
    Ok(rows)
}
