//! Login tokens: JSON Web Tokens signed with HMAC-SHA-256.
//!
//! The keys are in the database, so that all nodes share them and none is in a configuration. The
//! newest signs; a new one is made when the newest is [`KEY_LIFE`] old, and an older one is
//! believed until the last token it signed has expired.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{LoginId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::ApiError;
use crate::store::people::SigningKey;
use crate::store::{Store, StoreError};

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

/// The keys this node knows.
pub(super) struct Keys {
    store: Arc<Store>,
    clock: Clock,
    /// How long a login lasts.
    pub(super) login: Duration,
    /// The newest first.
    known: RwLock<Vec<SigningKey>>,
}

impl Keys {
    /// Those of the database, for logins that last so long.
    pub(super) fn new(store: Arc<Store>, clock: Clock, login: Duration) -> Self {
        Self { store, clock, login, known: RwLock::default() }
    }

    fn newest(&self) -> Option<SigningKey> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    fn find(&self, id: i64) -> Option<SigningKey> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).iter().find(|key| key.id == id).cloned()
    }

    /// Takes the keys as the database has them, without those that nobody's token can be of any more.
    async fn reload(&self) -> Result<(), StoreError> {
        let dead = self.clock.now() - KEY_LIFE - TimeDelta::from_std(self.login).unwrap_or_default();
        let keys = self.store.signing_keys(dead).await?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// The key to sign with now: a new one, if it is time for one.
    async fn present(&self) -> Result<SigningKey, StoreError> {
        let now = self.clock.now();
        let newest = || self.newest().filter(|key| now - key.created_at < KEY_LIFE);
        if let Some(key) = newest() {
            return Ok(key);
        }
        self.reload().await?;
        if let Some(key) = newest() {
            return Ok(key);
        }
        let key = SigningKey::draw(now, &mut rand::rng());
        self.store.add_signing_key(&key).await?;
        self.reload().await?;
        Ok(key)
    }

    /// Signs a token that says `claims`.
    pub(super) async fn sign(&self, claims: &Claims) -> Result<String, ApiError> {
        let key = self.present().await?;
        let header = Header { kid: Some(key.id.to_string()), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, claims, &EncodingKey::from_secret(key.secret.as_bytes()));
        token.map_err(|error| ApiError::Internal(error.into()))
    }

    /// What a token says, if it is one of ours and has not expired.
    pub(super) async fn read(&self, token: &str) -> Result<Option<Claims>, StoreError> {
        let Some(id) = decode_header(token).ok().and_then(|header| header.kid?.parse().ok()) else { return Ok(None) };
        let key = match self.find(id) {
            Some(key) => key,
            None => {
                // Another node may have made it.
                self.reload().await?;
                match self.find(id) {
                    Some(key) => key,
                    None => return Ok(None),
                }
            }
        };
        let mut rules = Validation::new(Algorithm::HS256);
        // Compared below with our own clock.
        rules.validate_exp = false;
        let claims = decode::<Claims>(token, &DecodingKey::from_secret(key.secret.as_bytes()), &rules);
        Ok(claims.ok().map(|read| read.claims).filter(|claims| claims.expires_at() > self.clock.now()))
    }
}
