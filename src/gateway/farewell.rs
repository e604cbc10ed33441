//! What is said of an account that was logged out while its messenger could not be told.

use chrono::{DateTime, Utc};
use entity::account::ActiveModel;

use crate::store::account::say_wrong;

/// The stable word …
const CODE: &str = "still_linked";
/// … and what its person can do.
pub const STILL_LINKED: &str =
    "the messenger could not be told of it: remove the device on the phone, under Linked devices";

/// Says so in the account's row.
pub fn say_still_linked(row: &mut ActiveModel, now: DateTime<Utc>) {
    let words = format!("the account is logged out here, but {STILL_LINKED}");
    say_wrong(row, Some((CODE, &words, now)));
}
