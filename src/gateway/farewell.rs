//! What is said of an account that was logged out while its messenger could not be told.

use chrono::{DateTime, Utc};
use entity::account::ActiveModel;
use sea_orm::ActiveValue::Set;

/// The stable word …
const CODE: &str = "still_linked";
/// … and what its person can do.
pub const STILL_LINKED: &str =
    "the messenger could not be told of it: remove the device on the phone, under Linked devices";

/// Says so in the account's row.
pub fn say_still_linked(row: &mut ActiveModel, now: DateTime<Utc>) {
    row.error_code = Set(Some(CODE.to_owned()));
    row.error_message = Set(Some(format!("the account is logged out here, but {STILL_LINKED}")));
    row.error_at_ms = Set(Some(now.timestamp_millis()));
}
