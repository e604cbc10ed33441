//! Accounts: their rows, and the ones in use kept in memory with their policy read.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use entity::account::{self, Entity, Model};
use entity::ids::{AccountId, CompanyId};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::{Store, StoreError, instant};
use crate::pacing::{Limits, Policy, Presets};

/// An account's row, with its limits read.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    row: Model,
    own_limits: Limits,
}

impl Deref for Account {
    type Target = Model;
    fn deref(&self) -> &Model {
        &self.row
    }
}

impl From<Model> for Account {
    fn from(row: Model) -> Self {
        let own_limits = row.limits.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        Self { row, own_limits }
    }
}

impl Account {
    /// The numbers that differ from the preset.
    #[must_use]
    pub fn own_limits(&self) -> &Limits {
        &self.own_limits
    }

    /// Its pacing rules.
    #[must_use]
    pub fn policy(&self, presets: &Presets) -> Policy {
        let warm_since = self.first_connected_at_ms.map(instant);
        Policy::new(presets, self.use_limits, &self.own_limits, warm_since)
            .or_else(|_| Policy::new(presets, self.use_limits, &Limits::default(), warm_since))
            .unwrap_or_else(|_| unreachable!("the presets were checked at the start"))
    }
}

/// The accounts in use. Written by this process alone, so it is never stale.
#[derive(Default)]
pub(super) struct Cache(RwLock<HashMap<AccountId, Arc<Account>>>);

impl Cache {
    fn get(&self, id: AccountId) -> Option<Arc<Account>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn put(&self, model: Model) -> Arc<Account> {
        let account = Arc::new(Account::from(model));
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(account.id, account.clone());
        account
    }

    fn remove(&self, id: AccountId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
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

impl Store {
    /// Creates an account.
    pub async fn create_account(&self, model: Model) -> Result<Arc<Account>, StoreError> {
        let model = model.into_active_model().reset_all().insert(&self.writer).await?;
        Ok(self.accounts.put(model))
    }

    /// The account, if the company has it.
    pub async fn find_account(&self, company: CompanyId, id: AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.account(id).await?.filter(|account| account.company_id == company))
    }

    /// The account, whosever it is: for the lanes and the public page.
    pub async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        if let Some(account) = self.accounts.get(id) {
            return Ok(Some(account));
        }
        Ok(Entity::find_by_id(id).one(&self.reader).await?.map(|model| self.accounts.put(model)))
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
        Ok((page.into_iter().map(Account::from).collect(), total))
    }

    /// The company's accounts that should be connected, of all of them or of those `granted`; so
    /// many at most.
    pub async fn accounts_in_use(
        &self,
        company: CompanyId,
        granted: Option<Vec<AccountId>>,
        most: u64,
    ) -> Result<Vec<Account>, StoreError> {
        let mut in_use = Entity::find()
            .filter(account::COLUMN.company_id.eq(company))
            .filter(account::COLUMN.should_connect.eq(true));
        if let Some(granted) = granted {
            in_use = in_use.filter(account::COLUMN.id.is_in(granted));
        }
        let found = in_use.order_by_asc(account::COLUMN.id).limit(most).all(&self.reader).await?;
        Ok(found.into_iter().map(Account::from).collect())
    }

    /// Every account that should be connected.
    pub async fn accounts_to_connect(&self) -> Result<Vec<Arc<Account>>, StoreError> {
        let all = Entity::find().filter(account::COLUMN.should_connect.eq(true)).all(&self.reader).await?;
        Ok(all.into_iter().map(|model| self.accounts.put(model)).collect())
    }

    /// Changes an account's row. `None` if it is gone.
    pub async fn change_account(
        &self,
        id: AccountId,
        change: impl FnOnce(&mut account::ActiveModel),
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let mut row = account::ActiveModel { id: Set(id), ..Default::default() };
        change(&mut row);
        match row.update(&self.writer).await {
            Ok(model) => Ok(Some(self.accounts.put(model))),
            Err(sea_orm::DbErr::RecordNotUpdated) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Raises the epochs of accounts about to get a lane, and answers the accounts.
    pub async fn raise_epochs(&self, ids: &[AccountId]) -> Result<Vec<Arc<Account>>, StoreError> {
        use sea_orm::sea_query::{Expr, ExprTrait};
        let mut raised = Vec::with_capacity(ids.len());
        for some in ids.chunks(1_000) {
            let rows = Entity::update_many()
                .col_expr(account::Column::Epoch, Expr::col(account::Column::Epoch).add(1))
                .filter(account::COLUMN.id.is_in(some.iter().copied()))
                .exec_with_returning(&self.writer)
                .await?;
            raised.extend(rows.into_iter().map(|model| self.accounts.put(model)));
        }
        Ok(raised)
    }

    /// Writes what connections taught, all in one transaction: after a restart thousands come at once.
    pub async fn connected(&self, accounts: &[(AccountId, Connected)]) -> Result<(), StoreError> {
        use sea_orm::TransactionTrait;
        let tx = self.writer.begin().await?;
        let mut rows = Vec::with_capacity(accounts.len());
        for (id, news) in accounts {
            let Some(old) = Entity::find_by_id(*id).one(&tx).await? else { continue };
            let at = news.at.timestamp_millis();
            let row = account::ActiveModel {
                id: Set(*id),
                phone_number: Set(news.phone_number.clone()),
                display_name: Set(news.display_name.clone()),
                pairing: Set(news.pairing.clone()),
                first_connected_at_ms: Set(old.first_connected_at_ms.or(Some(at))),
                connected_at_ms: Set(Some(at)),
                updated_at_ms: Set(at),
                error_code: Set(None),
                error_message: Set(None),
                error_at_ms: Set(None),
                ..Default::default()
            };
            rows.push(row.update(&tx).await?);
        }
        tx.commit().await?;
        for model in rows {
            self.accounts.put(model);
        }
        Ok(())
    }

    /// Removes an account and takes back what it had not sent; answers whether it was there.
    pub async fn delete_account(&self, id: AccountId) -> Result<bool, StoreError> {
        // Out of the cache first: who accepts from here on finds the account gone, and who was
        // accepting looks again after the commit.
        self.accounts.remove(id);
        let deleted = Entity::delete_by_id(id).exec(&self.writer).await?.rows_affected > 0;
        self.accounts.remove(id);
        self.cancel_all(id).await?;
        self.forget_chats(id).await?;
        Ok(deleted)
    }

    /// Takes back what accounts that no longer exist left behind in a crash.
    pub async fn cancel_orphans(&self) -> Result<(), StoreError> {
        let sql = "UPDATE message SET status = 'cancelled' WHERE status = 'queued' AND status IN ('queued', 'sending')
                   AND NOT EXISTS (SELECT 1 FROM account WHERE account.id = message.account_id)";
        Ok(self.writer.execute_raw(self.sql(sql, [])).await.map(drop)?)
    }
}
