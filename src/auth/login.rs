//! Signing in: a password becomes a login, and a login a token.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::company;
use entity::ids::{CompanyId, LoginId, UserId};
use entity::user::{Model, Role};

use super::token::Claims;
use super::{Guard, password};
use crate::error::ApiError;
use crate::store::Store;
use crate::store::people::UserError;

/// Somebody to be written down as a user.
pub struct NewUser {
    /// The address, as it was typed.
    pub email: String,
    /// The password.
    pub password: String,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// Admin or manager.
    pub role: Role,
}

/// An address as it is stored and compared.
#[must_use]
pub fn normal_email(typed: &str) -> String {
    typed.trim().to_lowercase()
}

/// Creates a user of `company`, which is created too if it has a name here. An address has one user
/// of a company, and who registers a new company has an address that nobody has.
pub async fn create(
    store: &Store,
    now: DateTime<Utc>,
    company: CompanyId,
    company_name: Option<String>,
    new: NewUser,
) -> Result<Model, ApiError> {
    let email = normal_email(&new.email);
    let within = company_name.is_none().then_some(company);
    // Before a password is hashed, which takes much longer.
    if store.is_email_taken(&email, within).await? {
        return Err(UserError::EmailTaken.into());
    }
    let password_hash = password::hash(new.password).await?;
    let now_ms = now.timestamp_millis();
    let user = Model {
        id: UserId::new(now, &mut rand::rng()),
        company_id: company,
        email,
        password_hash,
        first_name: new.first_name,
        last_name: new.last_name,
        role: new.role,
        token_epoch: 0,
        kept_login: None,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    };
    let company = company_name.map(|name| company::Model { id: company, name, created_at_ms: now_ms });
    Ok(store.create_user(company, user).await?)
}

impl Guard {
    /// The user of that address and password, in any company or in one. Takes as long for an address
    /// that nobody has.
    pub async fn check_password(
        &self,
        email: &str,
        password: &str,
        company: Option<CompanyId>,
    ) -> Result<Option<Model>, ApiError> {
        let users = self.store.users_by_email(&normal_email(email), company).await?;
        if users.is_empty() {
            password::verify(password, None).await?;
        }
        for user in users {
            if password::verify(password, Some(&user.password_hash)).await? {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    /// Signs a user in: a token, and how long it lasts.
    pub async fn sign_in(&self, user: &Model) -> Result<(String, Duration), ApiError> {
        let (now, lasts) = (self.clock.now(), self.keys.login);
        let claims = Claims {
            sub: user.id,
            jti: LoginId::new(now, &mut rand::rng()),
            epoch: user.token_epoch,
            iat: now.timestamp(),
            exp: (now + TimeDelta::from_std(lasts).unwrap_or_default()).timestamp(),
        };
        Ok((self.keys.sign(&claims).await?, lasts))
    }
}

impl From<UserError> for ApiError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::EmailTaken => {
                let message = "there is a user with that e-mail address".to_owned();
                Self::Conflict { code: "email_taken", message }
            }
            UserError::Outdated => {
                let message = "somebody else has changed this user meanwhile; look again".to_owned();
                Self::Conflict { code: "changed_meanwhile", message }
            }
            UserError::Store(error) => error.into(),
        }
    }
}
