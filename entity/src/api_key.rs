//! An API key: what a company's programs show. The key itself is nowhere; its digest is.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, ApiKeyId, CompanyId};

crate::words! {
    /// What a key may do. Each includes the ones after it.
    Scope ("Scope") {
        /// Everything an admin may.
        All = "all",
        /// Send, and read.
        Send = "send",
        /// Read.
        Read = "read",
    }
}

/// One key.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    /// Whose it is.
    pub company_id: CompanyId,
    /// The account it is for; none: all of the company.
    pub account_id: Option<AccountId>,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// The SHA-256 of the key, in hexadecimal digits. The key has 256 random bits, which nobody
    /// guesses however fast the digest is.
    pub digest: String,
    /// When it was last shown, to the minute.
    pub last_used_at_ms: Option<i64>,
    /// When it was made.
    pub created_at_ms: i64,
}

impl ActiveModelBehavior for ActiveModel {}
