//! How many lanes may do the same at a time: after a start thousands want to. A messenger that does
//! not answer holds up its own accounts alone, and those that failed lately the fewest.

use std::collections::HashMap;

use entity::account::Provider;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Lanes that restore.
const RESTORING: usize = 16;
/// Lanes that connect to one messenger …
const CONNECTING: usize = 32;
/// … and those among them that failed the last time.
const AGAIN: usize = 8;
/// Of those whose connection is a browser, each of which takes a core for a second or two, so many.
const BROWSERS: usize = 2;

pub(super) struct Places {
    restoring: Semaphore,
    first: HashMap<Provider, Semaphore>,
    again: HashMap<Provider, Semaphore>,
}

impl Places {
    pub(super) fn new() -> Self {
        let each = |places: usize| {
            let of = |provider| if provider == Provider::WhatsAppWeb { places.min(BROWSERS) } else { places };
            Provider::ALL.map(|provider| (provider, Semaphore::new(of(provider)))).into()
        };
        Self { restoring: Semaphore::new(RESTORING), first: each(CONNECTING), again: each(AGAIN) }
    }

    /// A place to restore; dropping it frees it.
    pub(super) async fn restore(&self) -> Option<SemaphorePermit<'_>> {
        self.restoring.acquire().await.ok()
    }

    /// A place to connect to the messenger; dropping it frees it.
    pub(super) async fn connect(&self, provider: Provider, has_failed: bool) -> Option<SemaphorePermit<'_>> {
        let places = if has_failed { &self.again } else { &self.first };
        places.get(&provider)?.acquire().await.ok()
    }
}
