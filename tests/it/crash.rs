//! `kill -9` of the real binary in the middle of 1,000 accepted messages, several times; and the
//! same with a Redis that loses its memory or is away. Every accepted message is sent once or ends
//! uncertain, and the limits hold as the messenger counts them.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::bot_api::{BotApi, Taken, token};
use crate::harness::{Binary, Client, Postgres, Redis, TestApp, eventually};

const BOTS: u32 = 10;
const EACH: usize = 100;
const ALL: usize = BOTS as usize * EACH;
/// Tight enough that every limit binds within the test, and that no restart may earn a fresh one.
const PER_MINUTE: usize = 80;
const DELAY_MS: [i64; 2] = [40, 60];
const REST_AFTER: usize = 20;
const REST_MS: [i64; 2] = [300, 400];

async fn accept_all(client: &Client) -> Vec<String> {
    let mut ids = Vec::new();
    for bot in 0..BOTS {
        let limits = json!({"perMinute": PER_MINUTE, "delayMs": DELAY_MS, "restAfter": REST_AFTER, "restMs": REST_MS});
        let account = json!({"name": format!("Bot {bot}"), "provider": "telegram", "useLimits": true, "limits": limits, "config": {"token": token(bot)}});
        let account = client.create(account).await;
        client.connect(&account).await;
        let messages: Vec<Value> =
            (0..EACH).map(|i| json!({"to": format!("{}", 1 + i), "message": format!("{bot}/{i}")})).collect();
        let body =
            client.post("/api/messages/bulk", json!({"accountId": account, "messages": messages})).await.expect(202);
        ids.extend(body["results"].as_array().unwrap().iter().map(|r| r["messageId"].as_str().unwrap().to_owned()));
    }
    assert_eq!(ids.len(), ALL);
    ids
}

async fn taken(api: &BotApi, count: usize) {
    eventually(&format!("{count} messages arrived"), 90, async || (api.count() >= count).then_some(())).await;
}

/// Waits until every message is final, and compares what the server says with what the messenger counted.
async fn settle_accounts(client: &Client, api: &BotApi, ids: &[String], kills: usize) {
    let total = async |status: &str| {
        let list = client
            .try_run(client.request(reqwest::Method::GET, &format!("/api/messages?status={status}&limit=1")))
            .await?;
        list.body["pagination"]["total"].as_u64()
    };
    eventually("every message is final", 150, async || {
        let open = total("queued").await? + total("sending").await? + total("scheduled").await?;
        (open == 0).then_some(())
    })
    .await;
    let mut arrived: HashMap<String, usize> = HashMap::new();
    for taken in api.taken() {
        *arrived.entry(taken.text).or_default() += 1;
    }
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    for id in ids {
        let message = client.message(id).await;
        let (status, text) = (message["status"].as_str().unwrap(), message["message"].as_str().unwrap());
        let times = arrived.get(text).copied().unwrap_or(0);
        match status {
            "sent" => assert_eq!(times, 1, "{text} is sent"),
            "uncertain" => assert!(times <= 1, "{text} arrived {times} times"),
            other => panic!("{text} ended {other}: {message}"),
        }
        *statuses.entry(status.to_owned()).or_default() += 1;
    }
    let uncertain = statuses.get("uncertain").copied().unwrap_or(0);
    assert!(uncertain <= kills * BOTS as usize, "{uncertain} are uncertain after {kills} kills");
    assert_eq!(api.complaints(), [""; 0]);
    for bot in 0..BOTS {
        keeps_limits(api.taken().into_iter().filter(|taken| taken.token == token(bot)).collect());
    }
}

fn keeps_limits(taken: Vec<Taken>) {
    for (i, now) in taken.iter().enumerate() {
        let window = taken[..=i].iter().filter(|t| t.at > now.at - TimeDelta::seconds(60)).count();
        assert!(window <= PER_MINUTE, "{window} messages in a minute");
    }
    // The instants are the messenger's: a message may travel a little faster than the one before it.
    let shortest = taken.windows(2).map(|pair| (pair[1].at - pair[0].at).num_milliseconds()).min().unwrap();
    assert!(shortest >= DELAY_MS[0] - 5, "a pause of {shortest} ms");
    for group in taken.windows(REST_AFTER + 1) {
        let rested = group.windows(2).any(|pair| (pair[1].at - pair[0].at).num_milliseconds() >= REST_MS[0] - 5);
        assert!(rested, "{} messages without a rest", group.len());
    }
}

async fn survives_kills(settings: &[(&str, &str)]) {
    let api = BotApi::start();
    let mut all = vec![("ANDANTE_TELEGRAM_API_URL", api.url.as_str())];
    all.extend_from_slice(settings);
    let mut server = Binary::start(&all);
    let ids = accept_all(&server.client).await;
    let kills = [150, 400, 650];
    for count in kills {
        taken(&api, count).await;
        server.kill();
        server.resume();
    }
    settle_accounts(&server.client, &api, &ids, kills.len()).await;
    assert!(server.terminate(), "it stops in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_and_doubles_nothing_on_sqlite_and_memory() {
    survives_kills(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_and_doubles_nothing_on_postgresql_and_redis() {
    let (database, redis) = (Postgres::database().await, Redis::start().await);
    survives_kills(&[("DATABASE_URL", &database), ("REDIS_URL", &redis.url())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgets_or_is_away_loses_and_doubles_nothing() {
    let (api, mut redis) = (BotApi::start(), Redis::start().await);
    let url = redis.url();
    let server = Binary::start(&[("ANDANTE_TELEGRAM_API_URL", &api.url), ("REDIS_URL", &url)]);
    let ids = accept_all(&server.client).await;
    for count in [120, 240] {
        taken(&api, count).await;
        redis.flush().await;
    }
    taken(&api, 360).await;
    redis.stop();
    // Accepting goes on without Redis, and what is accepted is not lost.
    let account = server.client.get("/api/accounts").await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let extra = server.client.send(&account, "777", "while Redis is away").await;
    assert_eq!(extra["queued"], true);
    let health = server.client.get("/health").await.expect(200);
    assert_eq!((&health["status"], &health["checks"]["queue"]), (&json!("degraded"), &json!("down")));
    redis.resume().await;
    settle_accounts(&server.client, &api, &ids, 0).await;
    let extra = server.client.message(extra["messageId"].as_str().unwrap()).await;
    assert_eq!(extra["status"], "sent");
}

/// Copies the database as a cut of the power would leave it at this moment: the file and its log.
async fn copy_while_it_stands_still(server: &Binary, from: &str, to: &std::path::Path) {
    let signal = |name: &str| {
        let told = Command::new("kill").args([name, &server.pid().to_string()]).status().unwrap();
        assert!(told.success());
    };
    signal("-STOP");
    eventually("it stands still", 10, async || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
        (stat.rsplit(") ").next().unwrap().starts_with('T')).then_some(())
    })
    .await;
    for name in ["andante.db", "andante.db-wal"] {
        std::fs::copy(format!("{from}/{name}"), to.join(name)).unwrap();
    }
    signal("-CONT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_files_at_any_moment_has_all_that_was_accepted_by_then() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let server = Binary::start(&[("ANDANTE_DATA_DIR", &data)]);
    let account = server.client.create(json!({"name": "A"})).await;
    let (accepted, is_over) = (Arc::new(Mutex::new(Vec::new())), AtomicBool::new(false));
    let sending = join_all((0..8).map(async |_| {
        while !is_over.load(Ordering::Relaxed) {
            let sent = server.client.send(&account, "77777777777", "m").await;
            accepted.lock().unwrap().push(sent["messageId"].as_str().unwrap().to_owned());
        }
    }));
    let copying = async {
        for copy in 1..=6 {
            // Also while they are listed, and while the log is carried over.
            eventually("more are accepted", 60, async || (accepted.lock().unwrap().len() >= copy * 350).then_some(()))
                .await;
            let by_then = accepted.lock().unwrap().clone();
            let cut = tempfile::TempDir::new().unwrap();
            copy_while_it_stands_still(&server, &data, cut.path()).await;
            let path = cut.path().display().to_string();
            let app = TestApp::with(&[("ANDANTE_DATA_DIR", &path)]).await;
            let all = app.client.count(&account, "queued").await;
            assert!(all >= by_then.len() as u64, "{all} of {}", by_then.len());
            for id in by_then.iter().step_by(97).chain(by_then.last()) {
                assert_eq!(app.client.message(id).await["status"], "queued");
            }
            app.client.send(&account, "77777777777", "it goes on").await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(sending, copying);
}
