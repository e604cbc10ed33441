//! Has what left put in its chats, and tells so.

use std::time::Duration;

use super::tell;
use crate::clock::Clock;
use crate::realtime::Bus;
use crate::store::Store;

/// The pause before a database that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Does so for as long as it is polled.
pub async fn run(store: &Store, bus: &Bus, clock: &Clock) {
    loop {
        match store.file(clock).await {
            Ok(posted) => posted.into_iter().for_each(|posted| tell::posted(bus, clock, posted)),
            Err(error) => {
                tracing::warn!(%error, "what left is put in its chats later");
                clock.sleep(AGAIN).await;
            }
        }
    }
}
