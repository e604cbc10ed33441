//! Commands that meet a message on its way, or a server that is just starting: what was answered
//! holds, and nothing is left `sending`.

use std::time::Duration;

use andante::clock::Clock;
use andante::gateway::simulator::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Binary, Client, Redis, TestApp, eventually, free_port, never, ready_account};

fn id_of(answer: &Value) -> String {
    answer["messageId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_settles_a_send_that_hangs() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    app.app().simulator.stage(TestApp::id(&account)).unwrap().fail_next([Fault::Hang]);
    let message = id_of(&app.client.send(&account, "77777777777", "m").await);
    app.client.reaches(&message, &["sending"]).await;
    app.client.post(&format!("/api/accounts/{account}/disconnect"), json!({})).await.expect(200);
    // Nobody connects it again.
    let message = app.client.reaches(&message, &["uncertain"]).await;
    assert!(message["lastError"].is_object(), "{message}");
}

/// A real server, killed while a message of an account is on its way and `meanwhile` is asked for:
/// the message, after the next start.
async fn killed_while_sending(method: Method, meanwhile: &str) -> Value {
    let mut server = Binary::start(&[]);
    let config = json!({"scanAfterMs": 0, "receiptsMs": null, "answerMs": null, "faults": ["hang"]});
    let account = ready_account(&server.client, json!({ "config": config })).await;
    let message = id_of(&server.client.send(&account, "77777777777", "m").await);
    server.client.reaches(&message, &["sending"]).await;
    // It waits for the message, which hangs: long enough for what it writes first, not for the rest.
    let request = server.client.request(method, &format!("/api/accounts/{account}{meanwhile}"));
    server.client.hang_up(request, Duration::from_secs(1)).await;
    server.kill();
    server.resume();
    server.client.reaches(&message, &["uncertain"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_an_account_is_removed_settles_what_it_had_on_its_way() {
    killed_while_sending(Method::DELETE, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_an_account_is_disconnected_settles_what_it_had_on_its_way() {
    killed_while_sending(Method::POST, "/disconnect").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_comes_while_the_queue_is_rebuilt_holds() {
    let redis = Redis::start().await;
    let mut app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [0, 0]}})).await;
    app.client.pause(&account, true).await;
    app.client.send_many(&account, 30_000).await;
    app.client.pause(&account, false).await;
    app.stop().await;
    redis.flush().await;
    app.resume().await;

    app.client.pause(&account, true).await;
    let left = app.app().simulator.arrived();
    never("messages left a queue that was paused", 6, async || {
        // One may have been in flight.
        app.app().simulator.arrived() > left + 1
    })
    .await;
    assert_eq!(app.client.queue(&account).await["status"]["isPaused"], true);
    app.client.pause(&account, false).await;
    eventually("it goes on", 30, async || (app.app().simulator.arrived() > left + 20).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_are_disconnected_while_the_server_starts_stay_so() {
    const ACCOUNTS: usize = 200;
    let start: DateTime<Utc> = "2026-03-02T09:00:00Z".parse().unwrap();
    let (clock, later) = (Clock::manual(start), start + TimeDelta::seconds(20));
    // A place that is known before the server says where it listens.
    let bind = format!("127.0.0.1:{}", free_port());
    let mut app = TestApp::on(&[("ANDANTE_BIND", &bind)], clock.clone()).await;
    let mut accounts = Vec::new();
    while accounts.len() < ACCOUNTS {
        accounts.extend(join_all((0..20).map(|_| ready_account(&app.client, json!({})))).await);
    }
    for account in &accounts {
        let body = json!({"accountId": account, "to": "77777777777", "message": "m", "sendAt": later});
        app.client.post("/api/messages/send", body).await.expect(202);
    }
    app.stop().await;

    let client = Client::new(&format!("http://{bind}"));
    let disconnects = accounts.iter().map(async |account| {
        // A start is a busy time: who is put off asks again.
        eventually("it is disconnected", 30, async || {
            let request = client.request(Method::POST, &format!("/api/accounts/{account}/disconnect"));
            client.try_run(request).await.filter(|answer| answer.status == 200)
        })
        .await
        .body
    });
    let ((), answers) = tokio::join!(app.resume(), join_all(disconnects));
    for answer in answers {
        assert_eq!(answer["status"], "DISCONNECTED");
    }
    clock.advance_to(later);
    never("an account that was disconnected sends", 3, async || app.app().simulator.arrived() > 0).await;
    let list = client.get("/api/accounts?limit=200").await.expect(200);
    let list = list["data"].as_array().unwrap();
    let is_up = |account: &&Value| account["status"] != "DISCONNECTED";
    assert_eq!((list.len(), list.iter().filter(is_up).count()), (ACCOUNTS, 0), "so many are connected all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_are_disconnected_while_they_connect_are_not_shown_connected() {
    const ACCOUNTS: usize = 200;
    let mut app = TestApp::start().await;
    let mut accounts = Vec::new();
    while accounts.len() < ACCOUNTS {
        accounts.extend(join_all((0..20).map(|_| ready_account(&app.client, json!({})))).await);
    }
    app.stop().await;
    // Now all of them connect at once.
    app.resume().await;
    for group in accounts.chunks(20) {
        let disconnects = group.iter().map(async |account| {
            app.client.post(&format!("/api/accounts/{account}/disconnect"), json!({})).await.expect(200)
        });
        join_all(disconnects).await;
    }
    let up = async || {
        let list = app.client.get("/api/accounts?limit=200").await.expect(200);
        list["data"].as_array().unwrap().iter().filter(|account| account["status"] != "DISCONNECTED").count()
    };
    never("one of them is shown connected", 2, async || up().await > 0).await;
    for account in &accounts[..20] {
        let sent = id_of(&app.client.send(account, "77777777777", "m").await);
        app.client.connect(account).await;
        app.client.reaches(&sent, &["sent"]).await;
    }
}
