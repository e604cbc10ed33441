//! `make bench`: one table, each figure beside a reference measured in the same run. The server is
//! the release binary; wrk and this program load it from the same machine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and one that can not go on fails"
)]

#[expect(dead_code, unused_imports, unreachable_pub, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/harness/mod.rs"]
mod harness;

mod company;
mod instances;
mod load;
mod peer;
#[cfg(feature = "whatsapp")]
mod whatsapp;
mod whatsappweb;

use std::fs;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use harness::{Binary, Client, Postgres, Redis, eventually};
use load::{gets, in_turn, now, posts};
use serde_json::{Value, json};

/// What every message says.
const TEXT: &str = "Your appointment is tomorrow at 9:30";

/// One line of the table.
struct Line {
    what: String,
    figure: String,
    reference: String,
    ratio: f64,
    target: &'static str,
}

fn main() {
    // `cargo test --benches` runs this as a test; there it only has to build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!("{:<72} {:>16} {:>24} {:>8} {:>8}", "what", "figure", "reference", "ratio", "target");
        if is_wanted("accept-sqlite") {
            show(&accept("accepted a second, SQLite + memory, 256 connections", &[], 256, "0.35").await);
            show(&accept("accepted a second, SQLite + memory, 1,024 connections", &[], 1_024, "0.35").await);
        }
        if is_wanted("accept-postgres") {
            let (database, redis) = (Postgres::database().await, Redis::start().await);
            let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", &redis.url())];
            show(&accept("accepted a second, PostgreSQL + Redis, 256 connections", &settings, 256, "0.25").await);
            show(&accept("accepted a second, PostgreSQL + Redis, 1,024 connections", &settings, 1_024, "0.25").await);
        }
        if is_wanted("life-sqlite") {
            show(&whole_life("whole lives a second, SQLite + memory", &[]).await);
        }
        if is_wanted("life-postgres") {
            let (database, redis) = (Postgres::database().await, Redis::start().await);
            let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", &redis.url())];
            show(&whole_life("whole lives a second, PostgreSQL + Redis", &settings).await);
        }
        if is_wanted("lateness") {
            show(&lateness().await);
        }
        if is_wanted("memory") {
            show(&memory().await);
        }
        if is_wanted("start") {
            show(&start("start to first send of the last of 1,000 accounts, 1M rows", 1_000).await);
            show(&start("start to first send, 1M rows of one account", 1).await);
        }
        if is_wanted("broadcast") {
            company::broadcast().await.iter().for_each(show);
        }
        if is_wanted("chats-sqlite") {
            company::chats("SQLite", &[]).await.iter().for_each(show);
        }
        if is_wanted("chats-postgres") {
            let database = Postgres::database().await;
            company::chats("PostgreSQL", &[("DATABASE_URL", &database)]).await.iter().for_each(show);
        }
        if is_wanted("instances") {
            show(&instances::creation().await);
        }
        if is_wanted("login") {
            company::login().await.iter().for_each(show);
        }
        #[cfg(feature = "whatsapp")]
        if is_wanted("whatsapp") {
            whatsapp::accounts().await.iter().for_each(show);
        }
        if is_wanted("browser") {
            whatsappweb::accounts().await.iter().for_each(show);
        }
        peer::lines(is_wanted).await;
    });
}

fn show(line: &Line) {
    let Line { what, figure, reference, ratio, target } = line;
    println!("{what:<72} {figure:>16} {reference:>24} {ratio:>8.3} {target:>8}");
}

fn account(limits: Value, use_limits: bool) -> Value {
    let config = json!({"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "answerMs": null});
    json!({"name": "Bench", "useLimits": use_limits, "limits": limits, "config": config})
}

async fn create(client: &Client, count: usize, body: &Value) -> Vec<String> {
    stream::iter(0..count).map(|_| client.create(body.clone())).buffered(64).collect().await
}

async fn connect(client: &Client, accounts: &[String]) {
    stream::iter(accounts).for_each_concurrent(64, |id| async { drop(client.connect(id).await) }).await;
}

async fn connected(client: &Client, count: usize) {
    let wanted = count as f64;
    eventually("all accounts are connected", 300, async || {
        (client.metric("andante_sessions{status=\"CONNECTED\"}").await >= wanted).then_some(())
    })
    .await;
}

async fn bulk(client: &Client, accounts: &[String], each: usize) {
    let messages: Vec<Value> = (0..each).map(|_| json!({"to": "77777777777", "message": TEXT})).collect();
    let send = async |id: &String| {
        for part in messages.chunks(10_000) {
            client.post("/api/messages/bulk", json!({"accountId": id, "messages": part})).await.expect(202);
        }
    };
    stream::iter(accounts).for_each_concurrent(64, send).await;
}

async fn sent(client: &Client) -> f64 {
    client.metric("andante_attempts_settled_total{status=\"sent\"}").await
}

/// The rate of durable 202s against the rate of the same server's plainest GET, taken in turns.
async fn accept(what: &'static str, settings: &[(&str, &str)], connections: u32, target: &'static str) -> Line {
    let server = Binary::start(&[settings, &[("ANDANTE_ADDRESS_CONNECTIONS", "0")]].concat());
    let accounts = create(&server.client, 10, &account(json!({}), false)).await;
    let (url, live) = (&server.client.url, format!("{}/health/live", server.client.url));
    gets(&live, connections).await;
    let [rate, plain, ratio] = in_turn(|| posts(url, connections, &accounts), || gets(&live, connections)).await;
    Line {
        what: what.to_owned(),
        figure: format!("{rate:.0}/s"),
        reference: format!("GET {plain:.0}/s"),
        ratio,
        target,
    }
}

/// 1,000 connected accounts without any pause.
async fn unpaced(client: &Client) -> Vec<String> {
    let accounts = create(client, 1_000, &account(json!({"delayMs": [0, 0]}), false)).await;
    connect(client, &accounts).await;
    connected(client, accounts.len()).await;
    accounts
}

/// accept -> claim -> simulator -> settled row: whole lives a second, of 100 messages for each account.
async fn lives(client: &Client, accounts: &[String]) -> f64 {
    const EACH: usize = 100;
    let (before, all) = (sent(client).await, (accounts.len() * EACH) as f64);
    let began = now();
    bulk(client, accounts, EACH).await;
    eventually("all are sent", 600, async || (sent(client).await - before >= all).then_some(())).await;
    all / began.elapsed().as_secs_f64()
}

async fn whole_life(what: &'static str, settings: &[(&str, &str)]) -> Line {
    let server = Binary::start(settings);
    let plain = gets(&format!("{}/health/live", server.client.url), 256).await;
    let accounts = unpaced(&server.client).await;
    let rate = lives(&server.client, &accounts).await;
    Line {
        what: what.to_owned(),
        figure: format!("{rate:.0}/s"),
        reference: format!("GET {plain:.0}/s"),
        ratio: rate / plain,
        target: "-",
    }
}

/// The 99th percentile of sends against their planned instants, 5,000 accounts pacing at 20 a minute.
async fn lateness() -> Line {
    const ACCOUNTS: usize = 5_000;
    let server = Binary::start(&[]);
    let client = server.client.clone();
    let accounts = create(
        &client,
        ACCOUNTS,
        &account(json!({"delayMs": [3000, 3000], "restAfter": 1_000_000, "dailyLimitTo": 100_000}), true),
    )
    .await;
    bulk(&client, &accounts, 40).await;
    connect(&client, &accounts).await;
    connected(&client, ACCOUNTS).await;
    let before = histogram(&client).await;
    #[expect(clippy::disallowed_methods, reason = "the lanes are watched for a minute")]
    tokio::time::sleep(Duration::from_secs(60)).await;
    let after = histogram(&client).await;
    let counts: Vec<(f64, f64)> =
        after.iter().zip(&before).map(|((bound, after), (_, before))| (*bound, after - before)).collect();
    let total = counts.last().unwrap().1;
    let p99 = counts.iter().find(|(_, count)| *count >= 0.99 * total).unwrap().0 * 1_000.0;
    let figure = format!("<= {p99:.0} ms");
    let reference = format!("50 ms, {total:.0} sends");
    Line {
        what: "p99 lateness, 5,000 accounts at 20 a minute".to_owned(),
        figure,
        reference,
        ratio: p99 / 50.0,
        target: "1.0",
    }
}

/// The buckets of the lateness histogram: upper bound in seconds, count up to it.
async fn histogram(client: &Client) -> Vec<(f64, f64)> {
    let text = reqwest::get(format!("{}/metrics", client.url)).await.unwrap().text().await.unwrap();
    let buckets = text.lines().filter_map(|line| line.strip_prefix("andante_send_lateness_seconds_bucket{le=\""));
    let read = |bucket: &str| {
        let (bound, count) = bucket.split_once("\"} ").unwrap();
        (bound.parse().unwrap_or(f64::INFINITY), count.parse().unwrap())
    };
    buckets.map(read).collect()
}

fn resident_kib(server: &Binary) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Resident memory for each idle connected account, against that of the server without any.
async fn memory() -> Line {
    const ACCOUNTS: usize = 10_000;
    let mut server = Binary::start(&[]);
    let empty = resident_kib(&server);
    let accounts = create(&server.client, ACCOUNTS, &account(json!({}), true)).await;
    connect(&server.client, &accounts).await;
    connected(&server.client, ACCOUNTS).await;
    server.kill();
    server.resume();
    connected(&server.client, ACCOUNTS).await;
    let each = (resident_kib(&server) - empty) / ACCOUNTS as f64;
    let (figure, reference) = (format!("{each:.1} KiB"), format!("16 KiB; empty {:.0} MiB", empty / 1024.0));
    Line {
        what: "memory an idle connected account, 10,000 of them".to_owned(),
        figure,
        reference,
        ratio: each / 16.0,
        target: "1.0",
    }
}

/// From the start of the process to the first send, with a million rows queued.
async fn start(what: &'static str, accounts: usize) -> Line {
    let mut server = Binary::start(&[]);
    let ids = create(&server.client, accounts, &account(json!({}), true)).await;
    connect(&server.client, &ids).await;
    connected(&server.client, accounts).await;
    for id in &ids {
        server.client.post(&format!("/api/accounts/{id}/queue/pause"), json!({})).await.expect(200);
    }
    bulk(&server.client, &ids, 1_000_000 / accounts).await;
    // The last is let go, so that the next start finds it with the whole queue of the others before it.
    server.client.post(&format!("/api/accounts/{}/queue/resume", ids.last().unwrap()), json!({})).await.expect(200);
    server.kill();
    let began = now();
    server.resume();
    eventually("the first is sent", 120, async || (sent(&server.client).await > 0.0).then_some(())).await;
    let seconds = began.elapsed().as_secs_f64();
    Line {
        what: what.to_owned(),
        figure: format!("{seconds:.2} s"),
        reference: "5 s".to_owned(),
        ratio: seconds / 5.0,
        target: "1.0",
    }
}
