//! The pages in a real Chromium, as people use them. Screenshots of each state are left in
//! `target/screenshots`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can not go on fails")]

#[expect(dead_code, unused_imports, unreachable_pub, reason = "shared with the other tests, which use more of it")]
#[path = "../it/harness/mod.rs"]
mod harness;

#[expect(dead_code, unreachable_pub, reason = "shared with the other tests, which use more of it")]
#[path = "../fakes/bot_api.rs"]
mod bot_api;

mod browser;
mod looks;
mod media;
mod pairing;
mod stories;
// Its story is that of the native gateway, with whose tests it is shared.
#[cfg(feature = "whatsapp")]
mod web;
