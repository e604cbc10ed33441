//! How ids are read and times are written, the same everywhere.

use entity::ids::NotAnId;
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;

/// An id from an address: one that can't be is nobody's, so it is not found.
pub fn id<T: std::str::FromStr<Err = NotAnId>>(text: &str, what: &'static str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound(what))
}

/// A field that tells `null` from absent: `Some(None)` from `None`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
