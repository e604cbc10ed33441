//! The page, wa-js and the gateway's page side together, in a real browser.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod files;
mod linking;
mod messages;
mod tab;
