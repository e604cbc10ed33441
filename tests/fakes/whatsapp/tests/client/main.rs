//! Real whatsapp-rust clients at the fake server. What they see is what the fake promises.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod files;
mod groups;
mod harness;
mod linking;
mod messages;
mod nonsense;
