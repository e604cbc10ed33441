//! The accounts in use, kept in memory with their policy read. What is written here is kept in the
//! order in which it was written, so that nothing goes back to what a row was before.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use entity::ids::AccountId;

use super::account::Account;

/// The accounts in use, as their rows are.
#[derive(Default)]
pub(super) struct Cache(RwLock<Cached>);

#[derive(Default)]
struct Cached {
    accounts: HashMap<AccountId, Arc<Account>>,
    /// Raised by every change: what was read before one is not kept after it.
    version: u64,
}

impl Cache {
    pub(super) fn get(&self, id: AccountId) -> Option<Arc<Account>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).accounts.get(&id).cloned()
    }

    pub(super) fn version(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).version
    }

    fn change(&self) -> RwLockWriteGuard<'_, Cached> {
        let mut cached = self.0.write().unwrap_or_else(PoisonError::into_inner);
        cached.version += 1;
        cached
    }

    /// Keeps an account whose row was just written.
    pub(super) fn put(&self, account: &Arc<Account>) {
        self.change().accounts.insert(account.id, account.clone());
    }

    /// Keeps one that was read while the cache had that version, if none has changed since.
    pub(super) fn keep(&self, version: u64, account: Account) -> Arc<Account> {
        let account = Arc::new(account);
        let mut cached = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cached.version == version {
            cached.accounts.insert(account.id, account.clone());
        }
        account
    }

    pub(super) fn remove(&self, id: AccountId) {
        self.change().accounts.remove(&id);
    }

    /// Keeps none.
    pub(super) fn clear(&self) {
        self.change().accounts.clear();
    }
}
