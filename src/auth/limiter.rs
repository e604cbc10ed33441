//! How often somebody may do something: one limit for each key, whatever a key is.

use std::hash::Hash;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Keys kept in mind before those long unheard of are forgotten.
const KEPT: usize = 10_000;

/// A limit for each key; or none at all.
pub struct Limiter<K: Clone + Eq + Hash>(Option<DefaultKeyedRateLimiter<K>>);

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// So much for each key; none: no limit.
    #[must_use]
    pub fn new(quota: Option<Quota>) -> Self {
        Self(quota.map(RateLimiter::keyed))
    }

    /// Counts one more for the key; how long to wait, in whole seconds, if there were too many.
    pub fn count(&self, key: &K) -> Result<(), Duration> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        if limiter.len() > KEPT {
            limiter.retain_recent();
        }
        limiter.check_key(key).map_err(|until| {
            // Rounded up: who comes back then is let in.
            let wait = until.wait_time_from(DefaultClock::default().now()) + Duration::from_millis(999);
            Duration::from_secs(wait.as_secs())
        })
    }

    /// Whether there is a limit.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }
}
