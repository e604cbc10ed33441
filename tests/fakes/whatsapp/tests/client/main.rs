//! Real whatsapp-rust clients at the fake server. What they see is what the fake promises.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod groups;
mod harness;
mod linking;
mod messages;
mod nonsense;
