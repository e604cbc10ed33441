//! The tables of Andante, one a file, and the ids that name their rows.
//!
//! Instants are stored as milliseconds since 1970 UTC in columns named `…_ms`; everything above
//! the store speaks `DateTime<Utc>`. Words that a column takes from a closed list are enums here.

pub mod account;
pub mod company;
pub mod ids;
pub mod message;
