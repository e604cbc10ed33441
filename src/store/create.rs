//! Accounts come and go, each with the keys that are for it alone.

use std::sync::Arc;

use entity::account::{self, Entity, Model};
use entity::api_key;
use entity::ids::{AccountId, ApiKeyId};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};

use super::account::Account;
use super::action::Action;
use super::{Store, StoreError, instant, secrets};

impl Store {
    /// Creates an account, with a key that is for it alone if there is one, and keeps who did. `None` if it
    /// should be connected, and its company has `most` that should.
    pub async fn create_account(
        &self,
        model: Model,
        key: Option<api_key::Model>,
        by: Action,
        most: Option<u64>,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let (id, company, connects) = (model.id, model.company_id, model.should_connect);
        let most = most.filter(|_| connects);
        let action = by.into_row(instant(model.created_at_ms));
        let key = key.map(|key| key.into_active_model().reset_all());
        let mut row = model.into_active_model().reset_all();
        secrets::seal_account(&self.seal, id, &mut row);
        self.keep_changed(move |tx| {
            let (row, action, key) = (row.clone(), action.clone(), key.clone());
            Box::pin(async move {
                if let Some(most) = most {
                    let in_use = Entity::find().filter(account::COLUMN.company_id.eq(company));
                    if in_use.filter(account::COLUMN.should_connect.eq(true)).count(tx).await? >= most {
                        return Ok(Vec::new());
                    }
                }
                action.insert(tx).await?;
                if let Some(key) = key {
                    key.insert(tx).await?;
                }
                row.insert(tx).await.map(|model| vec![model])
            })
        })
        .await
        .map(|mut created| created.pop())
    }

    /// Removes an account with the keys that are for it alone; answers those. What else it leaves behind is
    /// for [`Self::clear_up`].
    pub async fn delete_account(&self, id: AccountId) -> Result<Vec<ApiKeyId>, StoreError> {
        let cache = self.accounts.clone();
        let delete = self.sql("DELETE FROM account WHERE id = $1", [id.into()]);
        let keys = self.sql("DELETE FROM api_key WHERE account_id = $1 RETURNING id", [id.into()]);
        let deleted = self.change_and(
            move |tx| {
                let (delete, keys) = (delete.clone(), keys.clone());
                Box::pin(async move {
                    tx.execute_raw(delete).await?;
                    tx.query_all_raw(keys).await
                })
            },
            move |_| cache.remove(id),
        );
        deleted.await?.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }
}
