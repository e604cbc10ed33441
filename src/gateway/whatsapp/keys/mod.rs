//! Where a session's keys live: the crate's storage traits over our entries, a kind for each thing that
//! is kept. Each write is durable when it returns, and none is made once another lane has the account.

mod device;
mod protocol;

use std::sync::Arc;
use std::time::Duration;

use entity::ids::AccountId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::async_trait;
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::wacore::store::error::{Result, StoreError};
use whatsapp_rust::wacore::store::traits::{DeviceStore, SignalStore};

use crate::clock::Clock;
use crate::store::state::{Edge, Entry, Keep, Which};
use crate::store::{Store, StoreError as Failure};

/// The pause before a database that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes of a key at most.
const LONGEST: usize = 500;
/// Between the parts of a key: in no address and in no id.
const AND: char = ' ';

/// The entries of one account, for the lane of one epoch.
pub(super) struct Keys {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) account: AccountId,
    pub(super) epoch: i64,
    /// A token is changed by one at a time.
    pub(super) tokens: Mutex<()>,
    /// Cancelled once the connection has ended: what is left of it writes nothing any more.
    pub(super) ended: CancellationToken,
}

fn entry(key: impl Into<String>, value: impl Into<Vec<u8>>, number: i64) -> Entry {
    Entry { key: safe(key.into()), value: value.into(), number }
}

/// A key as every database keeps one. Others choose the ids of their messages: what is longer than any
/// honest one, or has a NUL in it, is known by its hash.
fn safe(key: String) -> String {
    let is_safe = key.len() <= LONGEST && !key.contains('\0');
    if is_safe { key } else { format!("#{}", hex(&Sha256::digest(&key))) }
}

fn one(key: &str) -> Which {
    Which::Keys(vec![safe(key.to_owned())])
}

fn some(keys: impl IntoIterator<Item = String>) -> Which {
    Which::Keys(keys.into_iter().map(safe).collect())
}

fn key(parts: &[&str]) -> String {
    parts.join(&String::from(AND))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// Ordered as numbers are.
fn numbered(id: u32) -> String {
    format!("{id:010}")
}

fn write<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| StoreError::Serialization(Box::new(error)))
}

fn read<T: DeserializeOwned>(entry: &Entry) -> Result<T> {
    serde_json::from_slice(&entry.value).map_err(|error| StoreError::Serialization(Box::new(error)))
}

impl Keys {
    /// Whether the account has been paired.
    pub(super) async fn is_paired(&self) -> Result<bool> {
        Ok(self.load().await?.is_some_and(|device| device.pn.is_some()))
    }

    /// Forgets everything.
    pub(super) async fn clear(&self) -> Result<()> {
        let is_ours = self.insist(|| self.store.forget_state(self.account, self.epoch)).await?;
        if is_ours { Ok(()) } else { Err(lost()) }
    }

    pub(super) async fn find(&self, kind: &'static str, key: &str) -> Result<Option<Entry>> {
        Ok(self.all(kind, one(key)).await?.pop())
    }

    pub(super) async fn edge(&self, kind: &'static str, edge: Edge) -> Result<Option<Entry>> {
        self.insist(|| self.store.edge_entry(self.account, kind, edge)).await
    }

    async fn all(&self, kind: &'static str, which: Which) -> Result<Vec<Entry>> {
        self.insist(|| self.store.entries(self.account, kind, which.clone())).await
    }

    async fn keep(&self, kind: &'static str, keep: Keep) -> Result<u32> {
        if self.ended.is_cancelled() {
            return Err(lost());
        }
        let kept = self.insist(|| self.store.keep(self.account, self.epoch, kind, keep.clone())).await?;
        kept.map(|count| u32::try_from(count).unwrap_or(u32::MAX)).ok_or_else(lost)
    }

    /// Asks the database until it answers, or the connection has ended. The crate goes on in its memory
    /// from a write that failed: what had just been decrypted would then count as seen, and is nowhere.
    async fn insist<T, F>(&self, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Failure>>,
    {
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error @ Failure::Broken(_)) => return Err(StoreError::Database(Box::new(error))),
                Err(error @ Failure::Down(_)) => {
                    tracing::warn!(account.id = %self.account, %error, "what a connection keeps waits for the database");
                    let pause = self.ended.run_until_cancelled(self.clock.sleep(AGAIN));
                    pause.await.ok_or_else(lost)?;
                }
            }
        }
    }

    pub(super) async fn put(
        &self,
        kind: &'static str,
        key: impl Into<String>,
        value: impl Into<Vec<u8>>,
        number: i64,
    ) -> Result<()> {
        self.put_all(kind, vec![entry(key, value, number)]).await
    }

    async fn put_all(&self, kind: &'static str, entries: Vec<Entry>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.keep(kind, Keep::Put(entries)).await.map(drop)
    }

    async fn remove(&self, kind: &'static str, which: Which) -> Result<u32> {
        self.keep(kind, Keep::Remove(which)).await
    }

    pub(super) async fn remove_key(&self, kind: &'static str, key: &str) -> Result<()> {
        self.remove(kind, one(key)).await.map(drop)
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }
}

fn lost() -> StoreError {
    StoreError::Validation("the connection is not the account's any more".to_owned())
}

#[async_trait]
impl SignalStore for Keys {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        self.put("identity", address, key, 0).await
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        self.put_all("identity", identities.iter().map(|(address, key)| entry(&**address, *key, 0)).collect()).await
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        Ok(self.find("identity", address).await?.and_then(|entry| entry.value.try_into().ok()))
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.remove_key("identity", address).await
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        Ok(self.find("session", address).await?.map(|entry| entry.value.into()))
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        self.put("session", address, session, 0).await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_all("session", sessions.iter().map(|(address, session)| entry(&**address, &**session, 0)).collect())
            .await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        self.remove_key("session", address).await
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        for kind in ["session", "identity"] {
            for end in ['@', ':'] {
                if !self.all(kind, Which::Starting(format!("{user}{end}"))).await?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], uploaded: bool) -> Result<()> {
        self.put("prekey", numbered(id), record, uploaded.into()).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], uploaded: bool) -> Result<()> {
        let entries = keys.iter().map(|(id, record)| entry(numbered(*id), &**record, uploaded.into()));
        self.put_all("prekey", entries.collect()).await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        Ok(self.find("prekey", &numbered(id)).await?.map(|entry| entry.value.into()))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let found = self.all("prekey", Which::Keys(ids.iter().map(|id| numbered(*id)).collect())).await?;
        Ok(found.into_iter().filter_map(|entry| Some((entry.key.parse().ok()?, entry.value.into()))).collect())
    }

    async fn mark_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        let which = Which::Keys(ids.iter().map(|id| numbered(*id)).collect());
        self.keep("prekey", Keep::Number(which, 1)).await.map(drop)
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        self.remove_key("prekey", &numbered(id)).await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        let last = self.edge("prekey", Edge::Last).await?;
        Ok(last.and_then(|entry| entry.key.parse().ok()).unwrap_or(0))
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        self.put("signed_prekey", numbered(id), record, 0).await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        Ok(self.find("signed_prekey", &numbered(id)).await?.map(|entry| entry.value))
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let found = self.all("signed_prekey", Which::All).await?;
        Ok(found.into_iter().filter_map(|entry| Some((entry.key.parse().ok()?, entry.value))).collect())
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        self.remove_key("signed_prekey", &numbered(id)).await
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        self.put("sender_key", address, record, 0).await
    }

    async fn put_sender_keys_batch(&self, keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_all("sender_key", keys.iter().map(|(address, record)| entry(&**address, &**record, 0)).collect()).await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.find("sender_key", address).await?.map(|entry| entry.value))
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.remove_key("sender_key", address).await
    }
}
