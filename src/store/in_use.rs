//! The accounts that should be connected: which they are, how many, and one more.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::account::{self, Entity, Provider};
use entity::ids::{AccountId, CompanyId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::account::Account;
use super::{Store, StoreError};

impl Store {
    /// The company's accounts that should be connected and have phone numbers for recipients, of all
    /// of them or of those `granted`; so many at most.
    pub async fn accounts_in_use(
        &self,
        company: CompanyId,
        granted: Option<Vec<AccountId>>,
        most: u64,
    ) -> Result<Vec<Account>, StoreError> {
        let mut in_use = Entity::find()
            .filter(account::COLUMN.company_id.eq(company))
            .filter(account::COLUMN.should_connect.eq(true))
            .filter(account::COLUMN.provider.is_in(Provider::ALL.into_iter().filter(|p| p.takes_phone_numbers())));
        if let Some(granted) = granted {
            in_use = in_use.filter(account::COLUMN.id.is_in(granted));
        }
        let found = in_use.order_by_asc(account::COLUMN.id).limit(most).all(&self.reader).await?;
        Ok(found.into_iter().map(|row| Account::open(&self.seal, row)).collect())
    }

    /// Every account that is to have a lane at a start: those that should be connected, and those
    /// that have something left in flight.
    pub async fn accounts_to_start(&self) -> Result<Vec<AccountId>, StoreError> {
        let sql = "SELECT id FROM account WHERE should_connect
                   OR id IN (SELECT account_id FROM message WHERE status = 'sending') ORDER BY id";
        let rows = self.reader.query_all_raw(self.sql(sql, [])).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }

    /// Every account, with the port of its own if it has one.
    pub async fn ports(&self) -> Result<Vec<(AccountId, Option<i32>)>, StoreError> {
        let rows = self.reader.query_all_raw(self.sql("SELECT id, port FROM account ORDER BY id", [])).await?;
        rows.iter().map(|row| Ok(row.try_get_many_by_index()?)).collect()
    }

    /// The port that an account was given last at its creation, as long as that is kept.
    pub async fn last_port(&self) -> Result<Option<u16>, StoreError> {
        let sql =
            "SELECT details FROM action WHERE deed = 'created' AND details LIKE '%\"port\":%' ORDER BY id DESC LIMIT 1";
        let Some(row) = self.reader.query_one_raw(self.sql(sql, [])).await? else { return Ok(None) };
        let details: String = row.try_get_by_index(0)?;
        let details: serde_json::Value = serde_json::from_str(&details).unwrap_or_default();
        Ok(details["port"].as_u64().and_then(|port| port.try_into().ok()))
    }

    /// Whether some account has that port.
    pub async fn has_port(&self, port: u16) -> Result<bool, StoreError> {
        let sql = self.sql("SELECT 1 FROM account WHERE port = $1", [i32::from(port).into()]);
        Ok(self.reader.query_one_raw(sql).await?.is_some())
    }

    /// How many of the company's accounts should be connected.
    pub async fn count_accounts_in_use(&self, company: CompanyId) -> Result<u64, StoreError> {
        self.count_of("SELECT COUNT(*) FROM account WHERE company_id = $1 AND should_connect", company.into()).await
    }

    /// Notes that an account should be connected, from now on and by whoever has the link to its
    /// page, unless its company has `most` others that should. `None` if it has, or the account is gone.
    pub async fn switch_on(
        &self,
        id: AccountId,
        most: Option<u64>,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let row = account::ActiveModel {
            should_connect: Set(true),
            may_pair: Set(true),
            updated_at_ms: Set(now.timestamp_millis()),
            ..Default::default()
        };
        let mut switch = Entity::update_many().set(row).filter(account::COLUMN.id.eq(id));
        if let Some(most) = most {
            let other = Alias::new("other");
            let others = Query::select()
                .expr(Expr::col((other.clone(), account::Column::Id)).count())
                .from_as(Entity, other.clone())
                .and_where(
                    Expr::col((other.clone(), account::Column::CompanyId))
                        .eq(Expr::col((Entity, account::Column::CompanyId))),
                )
                .and_where(Expr::col((other.clone(), account::Column::ShouldConnect)).eq(true))
                .and_where(Expr::col((other, account::Column::Id)).ne(id))
                .take();
            switch = switch.filter(Expr::val(i64::try_from(most).unwrap_or(i64::MAX)).gt(Expr::from(others)));
        }
        let switched = self.keep_changed(move |tx| Box::pin(switch.clone().exec_with_returning(tx)));
        Ok(switched.await?.pop())
    }
}
