//! Passwords: hashed by Argon2id with the parameters OWASP names first (19 MiB, two passes, one
//! lane; the crate's defaults), off the threads that answer requests, and few at a time.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Characters of a password. Eight is the least NIST SP 800-63B allows; the most keeps a megabyte
/// of "password" from being hashed.
pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=200;

/// Hashes at the same time, 19 MiB and some 30 ms of a core each.
static FEW: Semaphore = Semaphore::const_new(2);

/// Of no password anybody has: who does not exist is compared with it, so that an unknown user
/// costs what a known one does.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm8gcGFzc3dvcmQgaXM$fSVwJVSWXWVrBAc3IfkUkQpwpPfmcpQ8PWvhGBNiRrk";

/// Hashes a password, with a salt of its own.
pub async fn hash(password: String) -> anyhow::Result<String> {
    let _one_of_few = FEW.acquire().await?;
    spawn_blocking(move || {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| hash.to_string()).map_err(|error| anyhow::anyhow!("a password can't be hashed: {error}"))
    })
    .await?
}

/// Whether `password` is what `hash` was made of; without a hash it takes as long, and it is not.
pub async fn verify(password: String, hash: Option<String>) -> anyhow::Result<bool> {
    let _one_of_few = FEW.acquire().await?;
    let is_right = spawn_blocking(move || {
        let expected = hash.as_deref().unwrap_or(NOBODY);
        let parsed =
            PasswordHash::new(expected).map_err(|error| anyhow::anyhow!("a stored hash is broken: {error}"))?;
        let is_right = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
        anyhow::Ok(is_right && hash.is_some())
    });
    is_right.await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_recognised_and_no_other_is() {
        let hash = hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!verify("wrong horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!verify("correct horse".to_owned(), None).await.unwrap());
    }
}
