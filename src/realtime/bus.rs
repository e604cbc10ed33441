//! Carries events to whoever watches an account on this node. An account nobody watches costs
//! nothing: its channel exists from the first watcher to the last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use entity::ids::AccountId;
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::Event;

/// Events a slow watcher may lag behind; past them it is told that it missed some.
const BACKLOG: usize = 64;

/// The bus.
#[derive(Debug, Default)]
pub struct Bus {
    watched: Mutex<HashMap<AccountId, Sender<Event>>>,
}

impl Bus {
    fn watched(&self) -> MutexGuard<'_, HashMap<AccountId, Sender<Event>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account's events from now on. Subscribe before looking, and nothing falls between.
    pub fn watch(&self, account: AccountId) -> Receiver<Event> {
        self.watched().entry(account).or_insert_with(|| broadcast::channel(BACKLOG).0).subscribe()
    }

    /// Tells those who watch the account.
    pub fn publish(&self, account: AccountId, event: Event) {
        let mut watched = self.watched();
        if watched.get(&account).is_some_and(|channel| channel.send(event).is_err()) {
            watched.remove(&account);
        }
    }
}
