//! The page, wa-js and the gateway's page side together, in a real browser.

mod linking;
mod messages;
mod tab;
