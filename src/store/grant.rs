//! API keys, and managers' grants on accounts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ApiKeyId, CompanyId, UserId};
use entity::{account, api_key, grant};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};

use super::{Store, StoreError};

/// The use of a key is written down once in so many milliseconds.
const NOTED_MS: i64 = 60_000;

/// What a manager may do with one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// See it.
    pub can_read: bool,
    /// Send.
    pub can_write: bool,
    /// Rename and archive chats.
    pub can_manage_chats: bool,
}

impl Rights {
    /// What the grant says.
    #[must_use]
    pub fn of(grant: &grant::Model) -> Self {
        Self { can_read: grant.can_read, can_write: grant.can_write, can_manage_chats: grant.can_manage_chats }
    }
}

impl Store {
    /// The key of that digest; that it was used is noted.
    pub async fn use_api_key(&self, digest: &str, now: DateTime<Utc>) -> Result<Option<api_key::Model>, StoreError> {
        let found = api_key::Entity::find().filter(api_key::Column::Digest.eq(digest)).one(&self.reader).await?;
        let now = now.timestamp_millis();
        if let Some(key) = found.as_ref().filter(|key| key.last_used_at_ms.is_none_or(|at| now - at >= NOTED_MS)) {
            let sql = "UPDATE api_key SET last_used_at_ms = $2 WHERE id = $1";
            if let Err(error) = self.write_all(vec![self.sql(sql, [key.id.into(), now.into()])]).await {
                // It is good all the same.
                tracing::debug!(%error, "that a key was used is noted another time");
            }
        }
        Ok(found)
    }

    /// Creates a key. `None` if the account that it is for is gone.
    pub async fn create_api_key(&self, key: api_key::Model) -> Result<Option<api_key::Model>, StoreError> {
        self.change(move |tx| Box::pin(create_key(tx, key.clone()))).await
    }

    /// Creates a key for one account, in the place of those of the account that have its name; answers it and
    /// those. `None` if the account is gone.
    pub async fn replace_api_key(
        &self,
        key: api_key::Model,
    ) -> Result<Option<(api_key::Model, Vec<ApiKeyId>)>, StoreError> {
        self.change(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let same = api_key::Entity::delete_many()
                    .filter(api_key::Column::AccountId.eq(key.account_id))
                    .filter(api_key::Column::Name.eq(&key.name));
                let old = same.exec_with_returning(tx).await?;
                let made = create_key(tx, key).await?;
                Ok(made.map(|made| (made, old.into_iter().map(|key| key.id).collect())))
            })
        })
        .await
    }

    /// A page of the company's keys, oldest first, and how many there are.
    pub async fn list_api_keys(
        &self,
        company: CompanyId,
        offset: u64,
        limit: u64,
    ) -> Result<(Vec<api_key::Model>, u64), StoreError> {
        let all = api_key::Entity::find().filter(api_key::Column::CompanyId.eq(company));
        let total = all.clone().count(&self.reader).await?;
        let page = all.order_by_asc(api_key::Column::Id).offset(offset).limit(limit).all(&self.reader).await?;
        Ok((page, total))
    }

    /// Removes a key of the company; answers the one that was there.
    pub async fn delete_api_key(&self, company: CompanyId, id: ApiKeyId) -> Result<Option<api_key::Model>, StoreError> {
        let of_company = api_key::Column::CompanyId.eq(company);
        let deleted = self.change(move |tx| {
            let key = api_key::Entity::delete_many().filter(api_key::Column::Id.eq(id)).filter(of_company.clone());
            Box::pin(key.exec_with_returning(tx))
        });
        Ok(deleted.await?.pop())
    }

    /// What a manager may do, by account.
    pub async fn grants_of(&self, user: UserId) -> Result<HashMap<AccountId, Rights>, StoreError> {
        let grants = grant::Entity::find().filter(grant::Column::UserId.eq(user)).all(&self.reader).await?;
        Ok(grants.into_iter().map(|grant| (grant.account_id, Rights::of(&grant))).collect())
    }

    /// Who has a grant on the account, in the order they got it.
    pub async fn grants_on(&self, company: CompanyId, account: AccountId) -> Result<Vec<grant::Model>, StoreError> {
        let grants = grant::Entity::find()
            .filter(grant::Column::CompanyId.eq(company))
            .filter(grant::Column::AccountId.eq(account))
            .order_by_asc(grant::Column::Id);
        Ok(grants.all(&self.reader).await?)
    }

    /// Gives a grant, or changes the one there is.
    pub async fn put_grant(&self, grant: grant::Model) -> Result<grant::Model, StoreError> {
        use grant::Column;
        use sea_orm::sea_query::OnConflict;
        let changes =
            [Column::CanRead, Column::CanWrite, Column::CanManageChats, Column::GrantedBy, Column::GrantedAtMs];
        let row = grant.into_active_model().reset_all();
        self.change(move |tx| {
            let on_conflict =
                OnConflict::columns([Column::AccountId, Column::UserId]).update_columns(changes).to_owned();
            let insert = grant::Entity::insert(row.clone()).on_conflict(on_conflict);
            Box::pin(insert.exec_with_returning(tx))
        })
        .await
    }

    /// Takes a grant back, if it was there.
    pub async fn delete_grant(&self, account: AccountId, user: UserId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM account_grant WHERE account_id = $1 AND user_id = $2 RETURNING account_id";
        Ok(!self.write(self.sql(sql, [account.into(), user.into()])).await?.is_empty())
    }
}

async fn create_key(tx: &DatabaseTransaction, key: api_key::Model) -> Result<Option<api_key::Model>, DbErr> {
    if let Some(account) = key.account_id
        && account::Entity::find_by_id(account).lock_exclusive().one(tx).await?.is_none()
    {
        return Ok(None);
    }
    key.into_active_model().reset_all().insert(tx).await.map(Some)
}
