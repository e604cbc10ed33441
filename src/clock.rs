//! The clock: the one place that knows what time it is, and the one that sleeps. By it days are told
//! from one another, and what comes later has the higher sequence number.
//!
//! Everything else asks a [`Clock`] or takes `now` as an argument; clippy's `disallowed-methods`
//! holds everybody to it. Tests step a manual clock through days of pacing in milliseconds.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use entity::ids::SEQ_EPOCH_US;
use tokio::sync::watch;

/// The system's time, or a time that a test moves by hand.
#[derive(Clone)]
pub struct Clock {
    manual: Option<Arc<Manual>>,
    zone: Tz,
    last_seq: Arc<AtomicI64>,
}

struct Manual {
    now: watch::Sender<DateTime<Utc>>,
    sleepers: Mutex<BTreeSet<(DateTime<Utc>, u64)>>,
}

/// The time that ran out in [`Clock::timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer in time")]
pub struct Elapsed;

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { manual: None, zone: Tz::UTC, last_seq: Arc::default() }
    }

    /// A clock that stands at `start` until it is advanced.
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        let manual = Manual { now: watch::channel(start).0, sleepers: Mutex::default() };
        Self { manual: Some(Arc::new(manual)), ..Self::system() }
    }

    /// The same clock where the day starts at midnight in `zone`, and not in UTC.
    #[must_use]
    pub fn in_zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// The present instant.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> DateTime<Utc> {
        self.manual.as_ref().map_or_else(Utc::now, |manual| *manual.now.borrow())
    }

    /// The day that counts go by: days since 1970 where the clock's day starts.
    #[must_use]
    pub fn today(&self) -> i32 {
        self.day_of(self.now())
    }

    /// The day of `at`, as [`Self::today`] counts them.
    #[must_use]
    pub fn day_of(&self, at: DateTime<Utc>) -> i32 {
        at.with_timezone(&self.zone).date_naive().to_epoch_days()
    }

    /// The next sequence number: that of now, or the one after the last, so that none is given twice.
    #[must_use]
    pub fn next_seq(&self) -> i64 {
        let now = seq_of(self.now());
        let next = |last: i64| now.max(last + 1);
        let mut last = self.last_seq.load(Ordering::Relaxed);
        while let Err(seen) =
            self.last_seq.compare_exchange_weak(last, next(last), Ordering::Relaxed, Ordering::Relaxed)
        {
            last = seen;
        }
        next(last)
    }

    /// Sequence numbers go on after this one, whatever time it is.
    pub fn go_on_after(&self, seq: i64) {
        self.last_seq.fetch_max(seq, Ordering::Relaxed);
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

/// The sequence number of an instant: microseconds since 2025.
#[must_use]
pub fn seq_of(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros() - SEQ_EPOCH_US
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
