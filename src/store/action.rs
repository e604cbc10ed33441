//! Who did what to which account: kept for ninety days, also when the account is gone.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use entity::action::{ActiveModel, Actor, Column, Deed, Entity, Model};
use entity::ids::{AccountId, ActionId, CompanyId};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::Value;

use super::{Store, StoreError};

/// How long an action is kept.
pub const KEPT: TimeDelta = TimeDelta::days(90);

/// Old rows that go with each new one: more than one, so that they grow fewer.
const CLEARED: u64 = 100;

/// What somebody did to an account.
#[derive(Debug, Clone)]
pub struct Action {
    /// Whose the account is.
    pub company: CompanyId,
    /// The account.
    pub account: AccountId,
    /// What.
    pub deed: Deed,
    /// Who.
    pub actor: Actor,
    /// The id of the user or key.
    pub actor_id: Option<String>,
    /// What the user or key is called.
    pub actor_name: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// What else there is to say, or null; never a secret.
    pub details: Value,
}

impl Action {
    /// By whoever has the account's link, or its phone.
    #[must_use]
    pub fn by_visitor(company: CompanyId, account: AccountId, deed: Deed) -> Self {
        let (actor_id, actor_name, address) = (None, None, None);
        Self { company, account, deed, actor: Actor::Visitor, actor_id, actor_name, address, details: Value::Null }
    }

    /// The row to be written, of what was done at `now`.
    pub(super) fn into_row(self, now: DateTime<Utc>) -> ActiveModel {
        let row = Model {
            id: ActionId::new(now, &mut rand::rng()),
            company_id: self.company,
            account_id: self.account,
            deed: self.deed,
            actor: self.actor,
            actor_id: self.actor_id,
            actor_name: self.actor_name,
            address: self.address.map(|address| address.to_string()),
            details: (!self.details.is_null()).then(|| self.details.to_string()),
            at_ms: now.timestamp_millis(),
        };
        row.into_active_model().reset_all()
    }
}

impl Store {
    /// Keeps what somebody did, and forgets some of what is too old.
    pub async fn record(&self, action: Action, now: DateTime<Utc>) -> Result<(), StoreError> {
        let (row, old) = (action.into_row(now), (now - KEPT).timestamp_millis());
        self.change(move |tx| {
            let row = row.clone();
            Box::pin(async move {
                row.insert(tx).await?;
                clear(tx, old).await.map(drop)
            })
        })
        .await
    }

    /// Forgets what is too old.
    pub async fn clear_actions(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let old = (now - KEPT).timestamp_millis();
        while self.change(move |tx| Box::pin(clear(tx, old))).await? == CLEARED {}
        Ok(())
    }

    /// A page of what was done to an account, the latest first, and how much there is in all.
    pub async fn actions(
        &self,
        company: CompanyId,
        account: AccountId,
        now: DateTime<Utc>,
        offset: u64,
        limit: u64,
    ) -> Result<(Vec<Model>, u64), StoreError> {
        let all = Entity::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::CompanyId.eq(company))
            .filter(Column::AtMs.gte((now - KEPT).timestamp_millis()));
        let total = all.clone().count(&self.reader).await?;
        Ok((all.order_by_desc(Column::Id).offset(offset).limit(limit).all(&self.reader).await?, total))
    }
}

async fn clear(tx: &sea_orm::DatabaseTransaction, before: i64) -> Result<u64, sea_orm::DbErr> {
    let old = Entity::find().filter(Column::AtMs.lt(before)).order_by_asc(Column::AtMs).limit(CLEARED);
    let ids: Vec<_> = old.all(tx).await?.into_iter().map(|row| row.id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(Entity::delete_many().filter(Column::Id.is_in(ids)).exec(tx).await?.rows_affected)
}
