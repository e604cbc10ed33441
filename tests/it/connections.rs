//! Connections that do not behave: silent ones, ones that never close, ones that say much at the end.

use andante::clock::Clock;
use andante::gateway::Letter;
use entity::chat;
use entity::message::Kind;
use serde_json::json;

use crate::harness::{TestApp, eventually, ready_account};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_never_says_how_it_gets_on_is_opened_again() {
    let clock = Clock::manual("2026-03-02T09:00:00Z".parse().unwrap());
    let app = TestApp::on(&[], clock.clone()).await;
    let account = ready_account(&app.client, json!({})).await;
    let stage = app.app().simulator.stage(TestApp::id(&account)).unwrap();
    app.client.post(&format!("/api/accounts/{account}/disconnect"), json!({})).await.expect(200);
    stage.mute_next();
    assert_eq!(app.client.connect(&account).await["status"], "CONNECTING");
    eventually("the gateway is there", 20, async || stage.is_up().then_some(())).await;
    let before = clock.now();
    eventually("another is opened", 30, async || {
        // Only when the lane waits: a clock that runs away from it would look like a lane that hangs.
        if let Some(until) = app.app().lanes.waits_until(TestApp::id(&account)) {
            clock.advance_to(until);
        }
        (app.client.account(&account).await["status"] == "CONNECTED").then_some(())
    })
    .await;
    assert!((clock.now() - before).num_seconds() >= 30, "it had its time");
    assert_eq!(app.client.metric("andante_lanes_restarted_total").await, 0.0, "by the lane itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_close_holds_up_nobody() {
    let mut app = TestApp::start().await;
    let (stuck, other) = (ready_account(&app.client, json!({})).await, ready_account(&app.client, json!({})).await);
    let stage = app.app().simulator.stage(TestApp::id(&stuck)).unwrap();
    stage.stick();
    let answer = app.client.post(&format!("/api/accounts/{stuck}/disconnect"), json!({})).await.expect(200);
    assert_eq!(answer["status"], "DISCONNECTED");
    // What others report is handled meanwhile.
    app.client.post(&format!("/api/accounts/{other}/disconnect"), json!({})).await.expect(200);
    app.client.connect(&other).await;
    app.client.status(&other, "CONNECTED").await;
    // It is given up in the end, and opened anew.
    app.client.connect(&stuck).await;
    app.client.status(&stuck, "CONNECTED").await;
    let sent = app.client.send(&stuck, "77777777777", "m").await;
    app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    stage.stick();
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reported_before_a_stop_is_written() {
    const LETTERS: u64 = 200;
    let mut app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let stage = app.app().simulator.stage(TestApp::id(&account)).unwrap();
    for number in 0..LETTERS {
        stage.write(Letter {
            chat: "77777777777@c.us".to_owned(),
            chat_kind: chat::Kind::Individual,
            chat_name: None,
            provider_message_id: format!("wamid.{number}"),
            is_own: false,
            sender: None,
            sender_name: None,
            text: "written at the last moment".to_owned(),
            kind: Kind::Text,
            at: app.app().clock.now(),
            is_history: false,
            media: None,
        });
    }
    app.stop().await;
    app.resume().await;
    let chats = app.client.get(&format!("/api/whatsapp/sessions/{account}/chats")).await.expect(200);
    assert_eq!(chats["data"][0]["_count"]["messages"], LETTERS, "{chats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_no_database_takes_are_no_reason_to_lose_a_message() {
    use crate::harness::Postgres;
    let database = Postgres::database().await;
    let app = TestApp::with(&[("DATABASE_URL", &database)]).await;
    let account = ready_account(&app.client, json!({})).await;
    let stage = app.app().simulator.stage(TestApp::id(&account)).unwrap();
    let long = "x".repeat(10_000);
    for (number, text) in ["before", "with \0 in it", "after"].into_iter().enumerate() {
        stage.write(Letter {
            chat: "77777777777@c.us".to_owned(),
            chat_kind: chat::Kind::Individual,
            chat_name: Some(format!("{long}\0")),
            provider_message_id: format!("{number}\0{long}"),
            is_own: false,
            sender: Some(format!("\0{long}")),
            sender_name: Some(long.clone()),
            text: text.to_owned(),
            kind: Kind::Text,
            at: app.app().clock.now(),
            is_history: false,
            media: None,
        });
    }
    let path = format!("/api/whatsapp/sessions/{account}/chats/77777777777@c.us/messages");
    let messages = eventually("all three are there", 20, async || {
        let messages = app.client.get(&path).await;
        (messages.body["data"].as_array()?.len() == 3).then_some(messages.body)
    })
    .await;
    let bodies: Vec<&str> = messages["data"].as_array().unwrap().iter().map(|m| m["body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["after", "with  in it", "before"]);
}
