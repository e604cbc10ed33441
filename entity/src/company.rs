//! A company: every row of the other tables belongs to one.

use sea_orm::entity::prelude::*;

use crate::ids::CompanyId;

/// One company.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "company")]
pub struct Model {
    /// Its id; `CompanyId::DEFAULT` is the built-in one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CompanyId,
    /// What people call it.
    pub name: String,
    /// When the row was made.
    pub created_at_ms: i64,
}

impl ActiveModelBehavior for ActiveModel {}
