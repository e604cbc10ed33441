//! A text that a company sends often, with `{{name}}` where something is filled in.

use std::fmt;

use sea_orm::entity::prelude::*;

use crate::ids::{CompanyId, TemplateId};

/// One template.
#[sea_orm::model]
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "template")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TemplateId,
    /// Whose it is.
    pub company_id: CompanyId,
    /// What people call it: one of that name in a company.
    pub name: String,
    /// The text.
    pub text: String,
    /// When it was made.
    pub created_at_ms: i64,
    /// When it was last changed.
    pub updated_at_ms: i64,
}

impl fmt::Debug for Model {
    /// Names the template and leaves out what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("template").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for ModelEx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("template").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ActiveModelBehavior for ActiveModel {}
