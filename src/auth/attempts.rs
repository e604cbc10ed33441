//! How often somebody may try to sign in: by address, and by the user who is tried; and how many
//! passwords a company may have hashed.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use entity::ids::{CompanyId, UserId};
use governor::Quota;

use super::limiter::Limiter;

/// Tries of one user from everywhere, to one from an address, ten: few enough to keep a guesser
/// off, enough that a stranger does not lock the user out.
const EVERYWHERE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// New passwords of one person a minute, two: what is left of the company's is the others'.
const OWN: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// The attempts made lately.
pub struct Attempts {
    addresses: Limiter<IpAddr>,
    users: Limiter<String>,
    companies: Limiter<CompanyId>,
    people: Limiter<UserId>,
}

impl Attempts {
    /// At most `a_minute` for each address, ten times that for each user, and so many passwords
    /// hashed for each company; none: no limit.
    #[must_use]
    pub fn new(a_minute: Option<u32>) -> Self {
        let a_minute = a_minute.and_then(NonZeroU32::new);
        let quota = a_minute.map(Quota::per_minute);
        let everywhere = a_minute.map(|a_minute| Quota::per_minute(a_minute.saturating_mul(EVERYWHERE)));
        let own = a_minute.map(|a_minute| Quota::per_minute(a_minute.min(OWN)));
        Self {
            addresses: Limiter::new(quota),
            users: Limiter::new(everywhere),
            companies: Limiter::new(quota),
            people: Limiter::new(own),
        }
    }

    /// Counts an attempt; how long to wait, if there were too many.
    pub fn count(&self, address: Option<IpAddr>, email: &str) -> Result<(), Duration> {
        if let Some(address) = address {
            self.addresses.count(&address)?;
        }
        self.users.count(&email.to_owned())
    }

    /// Counts a password that is hashed for a company: what its people ask for keeps nobody else
    /// from signing in. One that is a person's own counts to that person as well.
    pub fn count_hash(&self, company: CompanyId, own: Option<UserId>) -> Result<(), Duration> {
        if let Some(person) = own {
            self.people.count(&person)?;
        }
        self.companies.count(&company)
    }
}
