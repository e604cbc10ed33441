//! The random tester: twenty bots, thousands of messages, clients that pause, cancel, retry, hang up
//! and lose patience, and a server whose disk, database, queue and process break again and again.
//! Whatever happens, every accepted message is there once, arrives once or is known not to have, and
//! no limit is exceeded as the messenger counts.
//!
//! A run is driven by a seed, which it prints; `ANDANTE_TEST_SEED=…` runs the same again.

mod client;
mod faults;
mod ledger;
mod limits;
mod plan;
mod verdict;

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;

use crate::bot_api::{BotApi, token};
use crate::harness::{Client, eventually};
use faults::World;
use ledger::Ledger;
use limits::{ACCOUNTS, CAPPED, FAST, limits_of, zone};
use plan::{Plan, Variant};

/// How long the clients may take, whose requests are repeated until they are accepted.
const STORM: Duration = Duration::from_secs(240);

/// What clients, faults and verdict share.
pub struct Stage {
    seed: u64,
    api: BotApi,
    /// The accounts' ids, by their numbers.
    accounts: Vec<String>,
    zone: String,
    began: DateTime<Utc>,
    /// Calls the server where it listens now.
    client: Mutex<Client>,
    ledger: Mutex<Ledger>,
}

impl Stage {
    /// Creates and connects the accounts.
    async fn set(seed: u64, api: BotApi, client: Client) -> Self {
        let (began, mut accounts) = (now(), Vec::new());
        let zone = zone(began);
        for (number, bot) in (0..ACCOUNTS).zip(0..) {
            let limits = limits_of(number);
            let account = json!({"name": format!("Bot {number}"), "provider": "telegram", "useLimits": limits.use_limits,
                "limits": limits.json(&zone), "config": {"token": token(bot)}});
            accounts.push(client.create(account).await);
            client.connect(&accounts[number]).await;
        }
        Self { seed, api, accounts, zone, began, client: Mutex::new(client), ledger: Mutex::default() }
    }

    fn client(&self) -> Client {
        self.client.lock().unwrap().clone()
    }

    fn set_client(&self, client: Client) {
        *self.client.lock().unwrap() = client;
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Notes what happens now.
    fn note(&self, what: &str) {
        let line = format!("{:>7.2} s: {what}", (now() - self.began).as_seconds_f64());
        self.ledger().events.push(line);
    }

    /// Lets everything go on: all queues, and all accounts connected.
    async fn calm(&self) {
        for account in 0..ACCOUNTS {
            eventually(&format!("account {account} goes on (seed {})", self.seed), 60, async || {
                self.resume(account).await?;
                self.connect(account).await
            })
            .await;
        }
    }
}

/// The instant of something that happens outside of the server.
fn now() -> DateTime<Utc> {
    #[expect(clippy::disallowed_methods, reason = "the tester has its own clock, as the messenger has")]
    Utc::now()
}

/// Waits as long as chance has it, for nothing.
async fn pause(span: Duration) {
    #[expect(clippy::disallowed_methods, reason = "when something happens by chance is what is tested here")]
    tokio::time::sleep(span).await;
}

fn seed() -> u64 {
    match std::env::var("ANDANTE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("ANDANTE_TEST_SEED is a number"),
        Err(_) => rand::random_range(0..1_000_000),
    }
}

async fn survives_anything(seed: u64, variant: Variant) {
    let api = BotApi::start();
    let mut world = World::start(variant, &api).await;
    let stage = Stage::set(seed, api, world.binary.client.clone()).await;
    let plan = Plan::draw(seed, variant);
    let clients = async {
        let acting = join_all(plan.clients.into_iter().map(|acts| stage.act_all(acts)));
        if timeout(STORM, acting).await.is_err() {
            stage.ledger().note_strange("clients still wait for their messages to be accepted".to_owned());
        }
        stage.note("all is asked for");
    };
    tokio::join!(clients, world.suffer(plan.faults, &stage));
    stage.calm().await;
    join_all((FAST..CAPPED).map(|account| stage.cut_off(account))).await;
    stage.calm().await;
    stage.judge().await;
    assert!(world.binary.terminate(), "it stops in order (seed {seed})");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn anything_may_happen_on_sqlite_and_memory() {
    let seed = seed();
    println!("ANDANTE_TEST_SEED={seed}");
    survives_anything(seed, Variant::SqliteMemory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn anything_may_happen_on_postgresql_and_redis() {
    let seed = seed();
    println!("ANDANTE_TEST_SEED={seed}");
    survives_anything(seed, Variant::PostgresRedis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn anything_may_happen_on_sqlite_and_redis() {
    let seed = seed();
    println!("ANDANTE_TEST_SEED={seed}");
    survives_anything(seed, Variant::SqliteRedis).await;
}
