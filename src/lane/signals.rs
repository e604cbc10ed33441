//! How the rest of the server speaks to a lane, and the lane to the watchdog.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// One lane's.
#[derive(Default)]
pub(super) struct Signals {
    pub(super) wake: Notify,
    /// The queue is to be compared with the rows before anything else.
    pub(super) is_stale: AtomicBool,
    /// This lane alone is to end.
    pub(super) end: CancellationToken,
    /// Cancelled when the task is over, however it came to its end.
    pub(super) done: CancellationToken,
    /// By when it will be heard of again, in milliseconds; 0: it waits for somebody.
    due_by_ms: AtomicI64,
    /// What it waits for in that time, in milliseconds; 0: it works, or waits for somebody.
    waits_until_ms: AtomicI64,
}

fn instant(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms).filter(|_| ms > 0)
}

impl Signals {
    /// Promises to be heard of by `at`.
    pub(super) fn promise(&self, at: DateTime<Utc>) {
        self.due_by_ms.store(at.timestamp_millis(), Ordering::Release);
    }

    /// Promises nothing: it waits for somebody.
    pub(super) fn promise_nothing(&self) {
        self.due_by_ms.store(0, Ordering::Release);
    }

    /// By when it promised to be heard of.
    pub(super) fn due_by(&self) -> Option<DateTime<Utc>> {
        instant(self.due_by_ms.load(Ordering::Acquire))
    }

    /// Notes until when it waits.
    pub(super) fn wait_until(&self, until: Option<DateTime<Utc>>) {
        self.waits_until_ms.store(until.map_or(0, |at| at.timestamp_millis()), Ordering::Release);
    }

    /// Until when it waits, if it does and knows.
    pub(super) fn waits_until(&self) -> Option<DateTime<Utc>> {
        instant(self.waits_until_ms.load(Ordering::Acquire))
    }
}
