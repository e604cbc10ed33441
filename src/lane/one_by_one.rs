//! One change of an account's lane at a time: who connects, disconnects, removes or restarts it
//! waits until the one before is through.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use entity::ids::AccountId;
use tokio::sync::OwnedMutexGuard;

#[derive(Default)]
pub(super) struct OneByOne(Mutex<HashMap<AccountId, Weak<tokio::sync::Mutex<()>>>>);

impl OneByOne {
    /// Waits for the account's turn; dropping it lets the next one in.
    pub(super) async fn take(&self, account: AccountId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, turn| turn.strong_count() > 0);
            let turn = all.get(&account).and_then(Weak::upgrade).unwrap_or_default();
            all.insert(account, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }
}
