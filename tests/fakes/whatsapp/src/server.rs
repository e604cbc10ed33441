//! What the connections and the test's side of the fake share: the keys, and the state behind its
//! lock. Whoever changes the state wakes those who wait for a change.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::noise::ServerKeys;
use crate::state::State;

pub(crate) struct Shared {
    pub(crate) keys: ServerKeys,
    pub(crate) changed: Notify,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { keys: ServerKeys::generate(), changed: Notify::new(), state: Mutex::new(State::new()) }
    }

    /// The state, to read it.
    pub(crate) fn look(&self) -> impl Deref<Target = State> {
        self.lock()
    }

    /// The state, to change it.
    pub(crate) fn state(&self) -> Change<'_> {
        Change { state: self.lock(), changed: &self.changed }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Access to the state that ends by waking those who wait for a change.
pub(crate) struct Change<'a> {
    state: MutexGuard<'a, State>,
    changed: &'a Notify,
}

impl Deref for Change<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Change<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.changed.notify_waiters();
    }
}
