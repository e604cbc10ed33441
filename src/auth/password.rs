//! Passwords: hashed by Argon2id with the parameters OWASP names first (19 MiB, two passes, one
//! lane; the crate's defaults), off the threads that answer requests, and few at a time.

use std::time::Duration;

use anyhow::anyhow;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use crate::error::ApiError;

/// Characters of a password. Eight is the least NIST SP 800-63B allows; the most keeps a megabyte
/// of "password" from being hashed.
pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=200;

/// Passwords compared at the same time, 19 MiB and some 30 ms of a core each.
static COMPARED: Semaphore = Semaphore::const_new(2);
/// Passwords hashed anew at the same time: whoever makes users keeps nobody from signing in.
static MADE: Semaphore = Semaphore::const_new(1);
/// How long to wait for one's turn.
const PATIENCE: Duration = Duration::from_secs(10);

async fn turn(few: &'static Semaphore) -> Result<SemaphorePermit<'static>, ApiError> {
    let busy = ApiError::Unavailable("too many sign in at once; try again");
    let Ok(turn) = tokio::time::timeout(PATIENCE, few.acquire()).await else { return Err(busy) };
    turn.map_err(|_| busy)
}

/// Of no password anybody has: who does not exist is compared with it, so that an unknown user
/// costs what a known one does.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm8gcGFzc3dvcmQgaXM$fSVwJVSWXWVrBAc3IfkUkQpwpPfmcpQ8PWvhGBNiRrk";

/// Hashes a password, with a salt of its own.
pub async fn hash(password: String) -> Result<String, ApiError> {
    let _turn = turn(&MADE).await?;
    let hashed =
        spawn_blocking(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()));
    let hashed = hashed.await.map_err(|error| ApiError::Internal(error.into()))?;
    hashed.map_err(|error| ApiError::Internal(anyhow!("a password can't be hashed: {error}")))
}

/// Whether `password` is what `hash` was made of; without a hash it takes as long, and it is not.
pub async fn verify(password: &str, hash: Option<&str>) -> Result<bool, ApiError> {
    let _turn = turn(&COMPARED).await?;
    let (password, expected) = (password.to_owned(), hash.unwrap_or(NOBODY).to_owned());
    let compared = spawn_blocking(move || {
        let parsed = PasswordHash::new(&expected).map_err(|error| anyhow!("a stored hash is broken: {error}"))?;
        anyhow::Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    });
    let compared = compared.await.map_err(|error| ApiError::Internal(error.into()))?;
    Ok(compared.map_err(ApiError::Internal)? && hash.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_recognised_and_no_other_is() {
        let hash = hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!verify("wrong horse", Some(&hash)).await.unwrap());
        assert!(!verify("correct horse", None).await.unwrap());
    }
}
