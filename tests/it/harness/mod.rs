//! What the tests stand on: the server, its services, and waiting without sleeping.

mod app;
mod client;
mod disk;
mod people;
mod proxy;
mod services;
mod socket;

pub use app::{Binary, TestApp, ready_account};
pub use client::{Answer, Client};
pub use disk::SmallDisk;
pub use people::{Company, Manager, PASSWORD, guarded, login};
pub use proxy::Proxy;
pub use services::{Postgres, Redis};
pub use socket::{Entrance, Socket, mark};

use std::time::Duration;

/// Asks until `ask` answers something, for `seconds` at most.
pub async fn eventually<T>(what: &str, seconds: u64, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            #[expect(clippy::disallowed_methods, reason = "the one poll of the tests, always under a deadline")]
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(seconds), asking)
        .await
        .unwrap_or_else(|_| panic!("not within {seconds} s: {what}"))
}
