//! The time that the fake puts into its stanzas.

use std::time::{SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "the program's clock may be turned by a test; WhatsApp's isn't")]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the epoch is past").as_secs()
}
