//! Pacing: when an account may send, and why not now.
//!
//! `policy` says what is allowed, `pace` what was counted, `plan` turns the two into the next
//! allowed instant, and `estimate` into the time a queued message will wait. `typing` is how long a person types. All of it is pure:
//! `now` and `rng` are arguments, so days of sending are tested in milliseconds.
//!
//! Time spent down or disconnected never becomes a burst: nothing here saves up permits, there
//! are only instants that were counted and distances to keep from them.

pub mod estimate;
pub mod pace;
pub mod plan;
pub mod policy;
mod typing;

pub use estimate::estimate;
pub use pace::Pace;
pub use plan::{clamp, plan};
pub use policy::{Limits, Policy, Presets};
pub use typing::typing;
