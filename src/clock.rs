//! The clock: the one place that knows what time it is, and the one that sleeps.
//!
//! Everything else asks a [`Clock`] or takes `now` as an argument; clippy's `disallowed-methods`
//! holds everybody to it. Tests step a manual clock through days of pacing in milliseconds.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// The system's time, or a time that a test moves by hand.
#[derive(Clone)]
pub struct Clock {
    manual: Option<Arc<Manual>>,
}

struct Manual {
    now: watch::Sender<DateTime<Utc>>,
    sleepers: Mutex<BTreeSet<(DateTime<Utc>, u64)>>,
}

/// The time that ran out in [`Clock::timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { manual: None }
    }

    /// A clock that stands at `start` until it is advanced.
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        let manual = Manual { now: watch::channel(start).0, sleepers: Mutex::default() };
        Self { manual: Some(Arc::new(manual)) }
    }

    /// The present instant.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> DateTime<Utc> {
        self.manual.as_ref().map_or_else(Utc::now, |manual| *manual.now.borrow())
    }

    /// Returns once `at` has come.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        if let Some(manual) = &self.manual {
            let _sleeper = Sleeper::new(manual, at);
            // Fails only when the clock is gone, and this call holds it.
            let _ = manual.now.subscribe().wait_for(|now| *now >= at).await;
        } else if let Ok(span) = (at - Utc::now()).to_std() {
            tokio::time::sleep(span).await;
        }
    }

    /// Returns once `at` has come, if it ever does.
    pub async fn sleep_until_maybe(&self, at: Option<DateTime<Utc>>) {
        match at {
            Some(at) => self.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Returns after `span`.
    pub async fn sleep(&self, span: Duration) {
        self.sleep_until(self.now() + span).await;
    }

    /// The future's output, if it comes within `span`.
    pub async fn timeout<F: Future>(&self, span: Duration, future: F) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.sleep(span) => Err(Elapsed),
        }
    }

    /// Moves a manual clock to `at` and wakes who slept until then; on the system's clock, nothing.
    pub fn advance_to(&self, at: DateTime<Utc>) {
        if let Some(manual) = &self.manual {
            manual.now.send_if_modified(|now| {
                let later = at > *now;
                *now = at.max(*now);
                later
            });
        }
    }

    /// The earliest instant somebody sleeps until on a manual clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<DateTime<Utc>> {
        let manual = self.manual.as_ref()?;
        let sleepers = manual.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.first().map(|(at, _)| *at)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// One who sleeps on the manual clock; dropping it, early or not, ends the entry.
struct Sleeper<'a> {
    manual: &'a Manual,
    entry: (DateTime<Utc>, u64),
}

impl<'a> Sleeper<'a> {
    fn new(manual: &'a Manual, at: DateTime<Utc>) -> Self {
        let mut sleepers = manual.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = sleepers.range((at, 0)..=(at, u64::MAX)).next_back().map_or(0, |(_, n)| n + 1);
        sleepers.insert((at, number));
        Self { manual, entry: (at, number) }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.manual.sleepers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.entry);
    }
}
