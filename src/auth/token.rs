//! Login tokens: JSON Web Tokens signed with HMAC-SHA-256.
//!
//! The keys are in the database, so that all nodes share them and none is in a configuration. The
//! newest signs; a new one is made when the newest is [`KEY_LIFE`] old, and an older one is
//! believed until the last token it signed has expired.

use std::sync::{PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{LoginId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::ApiError;
use crate::store::StoreError;
use crate::store::people::SigningKey;

/// How long a key signs.
pub const KEY_LIFE: TimeDelta = TimeDelta::days(30);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed in.
    pub sub: UserId,
    /// This login.
    pub jti: LoginId,
    /// The user's token epoch at the time.
    pub epoch: i32,
    /// When, in seconds since 1970.
    pub iat: i64,
    /// Until when, in seconds since 1970.
    pub exp: i64,
}

impl Claims {
    /// When the login ends by itself.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.exp, 0).unwrap_or_default()
    }
}

/// The keys this node knows, the newest first.
#[derive(Default)]
pub struct Keys(RwLock<Vec<SigningKey>>);

impl Keys {
    fn newest(&self) -> Option<SigningKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    fn find(&self, id: i64) -> Option<SigningKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().find(|key| key.id == id).cloned()
    }

    fn put(&self, keys: Vec<SigningKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

/// The keys as the database has them, without those that nobody's token can be of any more.
async fn reload(app: &App) -> Result<(), StoreError> {
    let dead = app.clock.now() - KEY_LIFE - TimeDelta::from_std(app.config.login).unwrap_or_default();
    app.keys.put(app.store.signing_keys(dead).await?);
    Ok(())
}

/// The key to sign with now: a new one, if it is time for one.
async fn present_key(app: &App) -> Result<SigningKey, StoreError> {
    let now = app.clock.now();
    let newest = || app.keys.newest().filter(|key| now - key.created_at < KEY_LIFE);
    if let Some(key) = newest() {
        return Ok(key);
    }
    reload(app).await?;
    if let Some(key) = newest() {
        return Ok(key);
    }
    let key = SigningKey::draw(now, &mut rand::rng());
    app.store.add_signing_key(&key).await?;
    reload(app).await?;
    Ok(key)
}

/// Signs a token that says `claims`.
pub async fn sign(app: &App, claims: &Claims) -> Result<String, ApiError> {
    let key = present_key(app).await?;
    let header = Header { kid: Some(key.id.to_string()), ..Header::new(Algorithm::HS256) };
    let token = encode(&header, claims, &EncodingKey::from_secret(key.secret.as_bytes()));
    token.map_err(|error| ApiError::Internal(error.into()))
}

/// What a token says, if it is one of ours and has not expired.
pub async fn read(app: &App, token: &str) -> Result<Option<Claims>, StoreError> {
    let Some(id) = decode_header(token).ok().and_then(|header| header.kid?.parse().ok()) else { return Ok(None) };
    let key = match app.keys.find(id) {
        Some(key) => key,
        None => {
            // Another node may have made it.
            reload(app).await?;
            match app.keys.find(id) {
                Some(key) => key,
                None => return Ok(None),
            }
        }
    };
    let mut rules = Validation::new(Algorithm::HS256);
    // Compared below with our own clock.
    rules.validate_exp = false;
    let claims = decode::<Claims>(token, &DecodingKey::from_secret(key.secret.as_bytes()), &rules);
    Ok(claims.ok().map(|read| read.claims).filter(|claims| claims.expires_at() > app.clock.now()))
}
