//! What the tests stand on: the server, its services, and waiting without sleeping.

mod app;
mod bucket;
mod client;
mod disk;
mod files;
#[cfg(feature = "whatsapp")]
mod messenger;
mod people;
mod poll;
mod process;
mod proxy;
mod services;
mod socket;
#[cfg(feature = "whatsapp")]
mod tunnel;

pub use app::{Binary, TestApp, ready_account};
pub use bucket::Bucket;
pub use client::{Answer, Client};
pub use disk::Disk;
pub use files::picture;
#[cfg(feature = "whatsapp")]
pub use messenger::{ANNA, CLINIC, Messenger, NOBODY, conforms};
pub use people::{Company, Manager, PASSWORD, guarded, login};
pub use poll::Poll;
pub use process::{Unheard, log_of, refusal};
pub use proxy::Proxy;
pub use services::{Postgres, Redis, free_port, free_ports};
pub use socket::{Entrance, Socket, mark};
#[cfg(feature = "whatsapp")]
pub use tunnel::Tunnel;

use std::time::Duration;

/// Asks until `ask` answers something, for `seconds` at most.
pub async fn eventually<T>(what: &str, seconds: u64, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            a_moment().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(seconds), asking)
        .await
        .unwrap_or_else(|_| panic!("not within {seconds} s: {what}"))
}

/// Asks for `seconds` whether something happened that must not.
pub async fn never(what: &str, seconds: u64, mut has_happened: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !has_happened().await {
            a_moment().await;
        }
    };
    let happened = tokio::time::timeout(Duration::from_secs(seconds), asking).await;
    assert!(happened.is_err(), "it happened: {what}");
}

#[expect(clippy::disallowed_methods, reason = "the one poll of the tests, always under a deadline")]
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}
