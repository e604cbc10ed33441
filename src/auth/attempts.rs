//! How often somebody may try to sign in: by address, and by the user who is tried; and how many
//! passwords a company may have hashed.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use entity::ids::CompanyId;
use governor::Quota;

use super::limiter::Limiter;

/// Tries of one user from everywhere, to one from an address: few enough to keep a guesser off,
/// enough that a stranger does not lock the user out.
const EVERYWHERE: u32 = 10;

/// The attempts made lately.
pub struct Attempts {
    addresses: Limiter<IpAddr>,
    users: Limiter<String>,
    companies: Limiter<CompanyId>,
}

impl Attempts {
    /// At most `a_minute` for each address, ten times that for each user, and so many passwords
    /// hashed for each company; none: no limit.
    #[must_use]
    pub fn new(a_minute: Option<u32>) -> Self {
        let a_minute = a_minute.and_then(NonZeroU32::new);
        let quota = a_minute.map(Quota::per_minute);
        let everywhere = a_minute.map(|a_minute| Quota::per_minute(a_minute.saturating_mul(tens())));
        Self { addresses: Limiter::new(quota), users: Limiter::new(everywhere), companies: Limiter::new(quota) }
    }

    /// Counts an attempt; how long to wait, if there were too many.
    pub fn count(&self, address: Option<IpAddr>, email: &str) -> Result<(), Duration> {
        if let Some(address) = address {
            self.addresses.count(&address)?;
        }
        self.users.count(&email.to_owned())
    }

    /// Counts a password that is hashed for a company: what its people ask for keeps nobody else
    /// from signing in.
    pub fn count_hash(&self, company: CompanyId) -> Result<(), Duration> {
        self.companies.count(&company)
    }
}

fn tens() -> NonZeroU32 {
    NonZeroU32::new(EVERYWHERE).unwrap_or(NonZeroU32::MIN)
}
