//! How often somebody may try to sign in: by address, and by the user who is tried.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

use super::limiter::Limiter;

/// The attempts made lately.
pub struct Attempts {
    addresses: Limiter<IpAddr>,
    users: Limiter<String>,
}

impl Attempts {
    /// At most `a_minute` for each address and for each user; none: no limit.
    #[must_use]
    pub fn new(a_minute: Option<u32>) -> Self {
        let quota = a_minute.and_then(NonZeroU32::new).map(Quota::per_minute);
        Self { addresses: Limiter::new(quota), users: Limiter::new(quota) }
    }

    /// Counts an attempt; how long to wait, if there were too many.
    pub fn count(&self, address: Option<IpAddr>, email: &str) -> Result<(), Duration> {
        if let Some(address) = address {
            self.addresses.count(&address)?;
        }
        self.users.count(&email.to_owned())
    }
}
