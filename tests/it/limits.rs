//! Limits that outlast what could make them forgotten: a second server, a retry, a rename, a restart.

use std::collections::HashSet;

use andante::clock::Clock;
use andante::gateway::simulator::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::bot_api::{BotApi, Next, token};
use crate::harness::{Binary, Postgres, Redis, TestApp, eventually, never, ready_account, refusal};

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap_or_else(|| panic!("{value} is no instant")).parse().unwrap()
}

fn id_of(answer: &Value) -> String {
    answer["messageId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_second_server_on_the_same_database_refuses_to_start() {
    let database = Postgres::database().await;
    let mut first = Binary::start(&[("DATABASE_URL", &database)]);
    let said = refusal(&[("DATABASE_URL", &database)], 30).await;
    let name = database.rsplit('/').next().unwrap();
    assert!(said.contains(name), "it does not say which database: {said}");
    first.client.get("/health").await.expect(200);
    // Its place is free as soon as it is gone, however it went.
    first.kill();
    first.resume();
    first.client.get("/health").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_with_the_same_redis_takes_over_without_a_burst() {
    const PAUSE_MS: i64 = 200;
    const BOTS: u32 = 5;
    const ALL: usize = 30 * BOTS as usize;
    let (api, database, redis) = (BotApi::start(), Postgres::database().await, Redis::start().await);
    let url = redis.url();
    let settings = [("ANDANTE_TELEGRAM_API_URL", api.url.as_str()), ("DATABASE_URL", &database), ("REDIS_URL", &url)];
    let first = Binary::start(&settings);
    let mut accounts = Vec::new();
    for bot in 0..BOTS {
        let account = json!({"name": "Bot", "provider": "telegram", "useLimits": false,
                             "limits": {"delayMs": [PAUSE_MS, PAUSE_MS]}, "config": {"token": token(bot)}});
        let account = first.client.create(account).await;
        first.client.connect(&account).await;
        let messages: Vec<Value> =
            (0..30).map(|i| json!({"to": format!("{}", 1 + i), "message": format!("{bot}/{i}")})).collect();
        first.client.post("/api/messages/bulk", json!({"accountId": account, "messages": messages})).await.expect(202);
        accounts.push(account);
    }
    eventually("some have left", 30, async || (api.count() >= 25).then_some(())).await;
    let second = Binary::start(&settings);
    // With nothing left in Redis that would tell the two apart, over and over.
    for _ in 0..20 {
        let before = api.count();
        redis.flush().await;
        eventually("it goes on", 30, async || (api.count() > before || before >= ALL).then_some(())).await;
    }
    for account in &accounts {
        eventually("all are settled", 60, async || {
            let [queued, sending] =
                [second.client.count(account, "queued").await, second.client.count(account, "sending").await];
            (queued + sending == 0).then_some(())
        })
        .await;
        // What the first one had on its way at that moment may be in doubt.
        assert!(second.client.count(account, "uncertain").await <= 1);
    }
    let taken = api.taken();
    let texts: HashSet<&str> = taken.iter().map(|taken| taken.text.as_str()).collect();
    assert_eq!(texts.len(), taken.len(), "some were doubled");
    for bot in 0..BOTS {
        let times: Vec<_> = taken.iter().filter(|taken| taken.token == token(bot)).map(|taken| taken.at).collect();
        let shortest = times.windows(2).map(|pair| (pair[1] - pair[0]).num_milliseconds()).min().unwrap();
        // What was on its way then may have been slower than what came after it.
        assert!(shortest >= PAUSE_MS / 2, "a pause of {shortest} ms");
    }
    assert_eq!(api.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_counted_and_is_tried_again_counts_twice() {
    let start: DateTime<Utc> = "2026-03-02T09:00:00Z".parse().unwrap();
    let mut app = TestApp::on(&[], Clock::manual(start)).await;
    let limits = json!({"dailyLimitFrom": 2, "dailyLimitTo": 2, "delayMs": [0, 0]});
    let account = ready_account(&app.client, json!({ "limits": limits })).await;
    app.app().simulator.stage(TestApp::id(&account)).unwrap().fail_next([Fault::After]);
    let first = id_of(&app.client.send(&account, "77777777777", "first").await);
    app.client.reaches(&first, &["uncertain"]).await;
    app.client.post(&format!("/api/messages/{first}/retry"), json!({})).await.expect(202);
    app.client.reaches(&first, &["sent"]).await;
    assert_eq!(app.app().simulator.arrived(), 2);
    assert_eq!(app.client.queue(&account).await["limits"]["dailyCount"], 2);

    app.stop().await;
    app.resume().await;
    app.client.status(&account, "CONNECTED").await;
    let third = id_of(&app.client.send(&account, "77777777777", "tomorrow").await);
    never("a third message leaves on a cap of two", 2, async || app.app().simulator.arrived() > 0).await;
    let queue = app.client.queue(&account).await;
    assert_eq!(queue["limits"]["dailyCount"], 2, "{queue}");
    assert!(instant(&queue["status"]["nextSendAt"]) >= "2026-03-03T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(app.client.message(&third).await["status"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_messenger_asked_to_wait_is_waited_across_a_rename_and_a_restart() {
    let (api, start) = (BotApi::start(), "2026-03-02T09:00:00Z".parse::<DateTime<Utc>>().unwrap());
    let clock = Clock::manual(start);
    let mut app = TestApp::on(&[("ANDANTE_TELEGRAM_API_URL", &api.url)], clock.clone()).await;
    let bot = json!({"name": "Bot", "provider": "telegram", "useLimits": false, "limits": {"delayMs": [0, 0]},
                     "config": {"token": token(1)}});
    let account = app.client.create(bot).await;
    app.client.connect(&account).await;
    app.client.status(&account, "CONNECTED").await;
    api.script("42", [Next::TooMany(30)]);
    let first = id_of(&app.client.send(&account, "42", "patient").await);
    eventually("Telegram asked to wait", 20, async || {
        (app.client.message(&first).await["lastError"]["code"] == "later").then_some(())
    })
    .await;
    let second = id_of(&app.client.send(&account, "43", "to somebody else").await);
    let waits = async |app: &TestApp, after: &str| {
        // On this clock no time passes.
        never(&format!("a message leaves after {after}"), 2, async || api.count() > 0).await;
        let until = &app.client.account(&account).await["restrictedUntil"];
        assert!(until.is_string(), "nobody knows of it after {after}");
        assert!(instant(until) >= start + TimeDelta::seconds(29), "{until} after {after}");
    };
    waits(&app, "nothing").await;
    app.client.put(&format!("/api/accounts/{account}"), json!({"name": "Renamed"})).await.expect(200);
    waits(&app, "a rename").await;
    app.stop().await;
    app.resume().await;
    app.client.status(&account, "CONNECTED").await;
    waits(&app, "a restart").await;

    clock.advance_to(start + TimeDelta::seconds(31));
    for id in [&first, &second] {
        app.client.reaches(id, &["sent"]).await;
    }
    assert_eq!(api.complaints(), [""; 0]);
}
