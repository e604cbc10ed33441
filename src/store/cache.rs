//! The accounts in use, kept in memory with their policy read. What is written here is kept in the
//! order in which it was written, so that nothing goes back to what a row was before.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use entity::ids::AccountId;

use super::account::Account;

/// Ids of no account that are kept in mind, and how long: whoever asks for one again and again
/// costs no read each time.
const UNKNOWN: u64 = 10_000;
const UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// The accounts in use, as their rows are.
pub(super) struct Cache {
    cached: RwLock<Cached>,
    unknown: moka::sync::Cache<AccountId, ()>,
}

impl Default for Cache {
    fn default() -> Self {
        let unknown = moka::sync::Cache::builder().max_capacity(UNKNOWN).time_to_live(UNKNOWN_FOR).build();
        Self { cached: RwLock::default(), unknown }
    }
}

#[derive(Default)]
struct Cached {
    accounts: HashMap<AccountId, Arc<Account>>,
    /// Raised by every change: what was read before one is not kept after it.
    version: u64,
}

impl Cache {
    pub(super) fn get(&self, id: AccountId) -> Option<Arc<Account>> {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).accounts.get(&id).cloned()
    }

    /// Whether there was no such account a moment ago.
    pub(super) fn is_unknown(&self, id: AccountId) -> bool {
        self.unknown.contains_key(&id)
    }

    /// Keeps in mind that there was no such account while the cache had that version.
    pub(super) fn keep_unknown(&self, version: u64, id: AccountId) {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
        if cached.version == version {
            self.unknown.insert(id, ());
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).version
    }

    fn change(&self) -> RwLockWriteGuard<'_, Cached> {
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        cached.version += 1;
        cached
    }

    /// Keeps an account whose row was just written.
    pub(super) fn put(&self, account: &Arc<Account>) {
        let mut cached = self.change();
        cached.accounts.insert(account.id, account.clone());
        self.unknown.invalidate(&account.id);
    }

    /// Keeps one that was read while the cache had that version, if none has changed since.
    pub(super) fn keep(&self, version: u64, account: Account) -> Arc<Account> {
        let account = Arc::new(account);
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        if cached.version == version {
            cached.accounts.insert(account.id, account.clone());
        }
        account
    }

    pub(super) fn remove(&self, id: AccountId) {
        let mut cached = self.change();
        cached.accounts.remove(&id);
        self.unknown.invalidate(&id);
    }

    /// Keeps none.
    pub(super) fn clear(&self) {
        let mut cached = self.change();
        cached.accounts.clear();
        self.unknown.invalidate_all();
    }
}
