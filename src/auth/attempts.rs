//! How often somebody may try to sign in: by address, and by the user who is tried.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Addresses, or users, kept in mind before those long unheard of are forgotten.
const KEPT: usize = 10_000;

/// The attempts made lately.
pub struct Attempts(Option<(DefaultKeyedRateLimiter<IpAddr>, DefaultKeyedRateLimiter<String>)>);

impl Attempts {
    /// At most `a_minute` for each address and for each user; none: no limit.
    #[must_use]
    pub fn new(a_minute: Option<u32>) -> Self {
        let quota = a_minute.and_then(NonZeroU32::new).map(Quota::per_minute);
        Self(quota.map(|quota| (RateLimiter::keyed(quota), RateLimiter::keyed(quota))))
    }

    /// Counts an attempt; how long to wait, if there were too many.
    pub fn count(&self, address: Option<IpAddr>, email: &str) -> Result<(), Duration> {
        let Some((addresses, users)) = &self.0 else { return Ok(()) };
        if addresses.len() + users.len() > KEPT {
            addresses.retain_recent();
            users.retain_recent();
        }
        let from = DefaultClock::default().now();
        // Whole seconds, rounded up: who comes back then is let in.
        let wait = |until: governor::NotUntil<_>| until.wait_time_from(from) + Duration::from_millis(999);
        if let Some(address) = address {
            addresses.check_key(&address).map_err(wait)?;
        }
        users.check_key(&email.to_owned()).map_err(wait)
    }
}
