//! What is held makes no promises: no estimates for an account that is paused, disconnected, failed
//! or unpaired, and the reason beside each of them.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::bot_api::{BotApi, token};
use crate::harness::{Client, TestApp, ready_account};

/// What all the views say that promise something: the hold, and whether there is any estimate.
async fn promises(client: &Client, account: &str, to: &str) -> (Value, bool) {
    let sent = client.send(account, to, "m").await;
    let message = client.message(sent["messageId"].as_str().unwrap()).await;
    let queue = client.queue(account).await;
    let last = queue["messages"].as_array().unwrap().last().cloned().unwrap_or_else(|| message.clone());
    let bulk = json!({"accountId": account, "messages": [{"to": to, "message": "m"}]});
    let bulk = client.post("/api/messages/bulk", bulk).await.expect(202)["results"][0].clone();
    let status = &queue["status"];
    assert!(sent.as_object().unwrap().contains_key("holdReason"), "it is said, or null: {sent}");
    for view in [&message, status, &last, &bulk] {
        assert_eq!(view["holdReason"], sent["holdReason"], "{view}");
    }
    let estimates = [
        &sent["estimatedSendAt"],
        &message["estimatedSendAt"],
        &last["estimatedSendAt"],
        &bulk["estimatedSendAt"],
        &status["nextSendAt"],
        &queue["estimatedDrainAt"],
    ];
    let some = estimates.iter().filter(|estimate| estimate.is_string()).count();
    assert!(some == 0 || some == estimates.len(), "all or none: {estimates:?}");
    (sent["holdReason"].clone(), some > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_account_says_when_and_no_reason() {
    let app = TestApp::start().await;
    // So slow that what is asked about is still there.
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [600_000, 600_000]}})).await;
    let first = app.client.send(&account, "77777777777", "m").await;
    app.client.reaches(first["messageId"].as_str().unwrap(), &["sent"]).await;
    assert_eq!(promises(&app.client, &account, "77777777777").await, (Value::Null, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_held_says_why_and_promises_nothing() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [600_000, 600_000]}})).await;
    app.client.pause(&account, true).await;
    assert_eq!(promises(&app.client, &account, "77777777777").await, (json!("paused"), false));
    app.client.pause(&account, false).await;
    app.client.post(&format!("/api/accounts/{account}/disconnect"), json!({})).await.expect(200);
    app.client.status(&account, "DISCONNECTED").await;
    assert_eq!(promises(&app.client, &account, "77777777777").await, (json!("disconnected"), false));
    let new = app.client.create(json!({"name": "A"})).await;
    assert_eq!(promises(&app.client, &new, "77777777777").await, (json!("disconnected"), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_failed_says_so() {
    let api = BotApi::start();
    let app = TestApp::with(&[("ANDANTE_TELEGRAM_API_URL", &api.url)]).await;
    api.revoke(&token(1));
    let bot = json!({"name": "Bot", "provider": "telegram", "config": {"token": token(1)}});
    let account = app.client.create(bot).await;
    app.client.connect(&account).await;
    app.client.status(&account, "FAILED").await;
    assert_eq!(promises(&app.client, &account, "42").await, (json!("failed"), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_keeps_its_time_as_the_estimate_unless_it_is_held() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let at: DateTime<Utc> = app.app().clock.now() + chrono::TimeDelta::hours(1);
    let body = json!({"accountId": account, "to": "77777777777", "message": "m", "sendAt": at});
    let sent = app.client.post("/api/messages/send", body.clone()).await.expect(202);
    let estimated: DateTime<Utc> = sent["estimatedSendAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(estimated.timestamp_millis(), at.timestamp_millis());
    assert!(sent.as_object().unwrap().contains_key("holdReason") && sent["holdReason"].is_null(), "{sent}");
    app.client.pause(&account, true).await;
    let message = app.client.message(sent["messageId"].as_str().unwrap()).await;
    assert_eq!((&message["estimatedSendAt"], &message["holdReason"]), (&Value::Null, &json!("paused")));
    assert!(message["sendAt"].is_string(), "when it was asked for is no promise");
    let sent = app.client.post("/api/messages/send", body).await.expect(202);
    assert_eq!((&sent["estimatedSendAt"], &sent["holdReason"]), (&Value::Null, &json!("paused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_gone_is_held_by_nothing() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let sent = app.client.send(&account, "77777777777", "m").await;
    let id = sent["messageId"].as_str().unwrap();
    app.client.reaches(id, &["sent"]).await;
    app.client.pause(&account, true).await;
    let message = app.client.message(id).await;
    assert!(message["holdReason"].is_null() && message["estimatedSendAt"].is_null(), "{message}");
}
