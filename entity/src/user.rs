//! A user: a person who signs in, an admin or a manager of one company.

use std::fmt;

use sea_orm::entity::prelude::*;

use crate::ids::{CompanyId, LoginId, UserId};

crate::words! {
    /// What a user is in the company.
    Role ("Role") {
        /// May do everything in the company.
        Admin = "admin",
        /// Works with the accounts granted.
        Manager = "manager",
    }
}

/// One user.
#[sea_orm::model]
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// Whose it is.
    pub company_id: CompanyId,
    /// What the person signs in with, in lower case; one user of a company an address.
    pub email: String,
    /// The password as argon2 hashed it. Secret.
    pub password_hash: String,
    /// The person's first name.
    pub first_name: Option<String>,
    /// The person's last name.
    pub last_name: Option<String>,
    /// Admin or manager.
    pub role: Role,
    /// Raised to end every login: a token of a smaller one is refused …
    pub token_epoch: i32,
    /// … unless it is of this login: the one that ended the others.
    pub kept_login: Option<LoginId>,
    /// When the row was made.
    pub created_at_ms: i64,
    /// When it was last changed.
    pub updated_at_ms: i64,
}

impl Model {
    /// The name as people say it; the address of one who gave none.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<&str> = [&self.first_name, &self.last_name].into_iter().flatten().map(String::as_str).collect();
        if names.is_empty() { self.email.clone() } else { names.join(" ") }
    }
}

impl fmt::Debug for Model {
    /// Names the user and leaves out what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("user").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

impl fmt::Debug for ModelEx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("user").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ActiveModelBehavior for ActiveModel {}
