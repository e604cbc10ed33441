//! Restores the queues of accounts that have no lane here, one after the other, when somebody finds
//! one lost or could not write to it. One that can't be restored yet is tried again.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use entity::ids::AccountId;
use tokio::sync::Notify;

use super::{Kit, Lanes, restore};

/// The pause before a queue or database that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// The accounts whose queues are to be looked at.
#[derive(Default)]
pub struct Strangers {
    waiting: Mutex<BTreeSet<AccountId>>,
    woken: Notify,
}

impl Strangers {
    /// The account's queue is to be looked at.
    pub(super) fn ask(&self, account: AccountId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(account);
        self.woken.notify_one();
    }

    /// The next one after `last`, and from the start again.
    fn next(&self, last: Option<AccountId>) -> Option<AccountId> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.range((last.map_or(Unbounded, Excluded), Unbounded)).next().or(waiting.first()).copied();
        next.inspect(|id| {
            waiting.remove(id);
        })
    }

    /// Looks after them for as long as it is polled.
    pub async fn run(&self, lanes: &Lanes) {
        let mut last = None;
        loop {
            let woken = self.woken.notified();
            let Some(id) = self.next(last) else {
                woken.await;
                continue;
            };
            last = Some(id);
            // A lane that has started meanwhile has looked itself.
            if lanes.is_running(id) {
                continue;
            }
            if let Err(error) = Self::restore(&lanes.kit, id).await {
                tracing::warn!(account.id = %id, %error, "a queue is restored later");
                self.ask(id);
                lanes.kit.clock.sleep(AGAIN).await;
            }
        }
    }

    async fn restore(kit: &Kit, id: AccountId) -> Result<(), restore::RestoreError> {
        match kit.store.account(id).await? {
            Some(account) => restore::by_stranger(kit, &account).await,
            None => Ok(kit.queue.forget(id).await?),
        }
    }
}
