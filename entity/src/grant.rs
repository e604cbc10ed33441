//! A grant: what a manager may do with an account.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, CompanyId, GrantId, UserId};

/// One grant.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_grant")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GrantId,
    /// Whose it is.
    pub company_id: CompanyId,
    /// On which account.
    pub account_id: AccountId,
    /// To whom.
    pub user_id: UserId,
    /// May see the account, its chats and messages.
    pub can_read: bool,
    /// May send.
    pub can_write: bool,
    /// May rename and archive chats.
    pub can_manage_chats: bool,
    /// Who gave it; none: somebody without a name (open mode, an API key).
    pub granted_by: Option<UserId>,
    /// When.
    pub granted_at_ms: i64,
}

impl ActiveModelBehavior for ActiveModel {}
