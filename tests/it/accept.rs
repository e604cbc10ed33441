//! One message: accepted, sent, looked at, taken back, tried again.

use std::collections::HashSet;

use andante::gateway::simulator::Fault;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestApp, eventually, ready_account};

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomers_first_message_goes_all_the_way_to_read() {
    let app = TestApp::start().await;
    let created = app.client.post("/api/accounts", json!({"name": "My WhatsApp Account", "useLimits": false})).await;
    let account = created.expect(201);
    assert_eq!(account["status"], "DISCONNECTED");
    assert_eq!(account["clientStatus"], "DISCONNECTED");
    assert_eq!(account["provider"], "simulator");
    assert_eq!(account["qrCode"], Value::Null);
    assert_eq!(account["phoneNumber"], Value::Null);
    let created_at = account["createdAt"].as_str().unwrap();
    assert!(created_at.len() == 24 && created_at.ends_with('Z'), "{created_at}");
    let id = account["id"].as_str().unwrap();
    assert!(account["qrUrl"].as_str().unwrap().ends_with(&format!("/qr/{id}")));

    // Accepted for a disconnected account, too: it waits.
    let sent = app.client.send(id, "+7 (777) 777-77-77", "Hello from API! 👋").await;
    assert_eq!(sent["success"], true);
    assert_eq!(sent["queued"], true);
    assert_eq!(sent["queuePosition"], 1);
    assert_eq!(sent["status"], "DISCONNECTED");
    assert_eq!((&sent["estimatedSendAt"], &sent["holdReason"]), (&Value::Null, &json!("disconnected")));
    let message = sent["messageId"].as_str().unwrap();
    assert_eq!(app.client.message(message).await["status"], "queued");

    assert_ne!(app.client.connect(id).await["status"], "DISCONNECTED");
    app.client.status(id, "QR_READY").await;
    app.app().simulator.stage(TestApp::id(id)).unwrap().scan();
    let account = app.client.status(id, "CONNECTED").await;
    assert!(account["phoneNumber"].as_str().unwrap().starts_with('+'));
    assert!(account["lastAliveAt"].is_string());

    let read = app.client.reaches(message, &["read"]).await;
    assert_eq!(read["to"], "77777777777");
    assert_eq!(read["message"], "Hello from API! 👋");
    assert_eq!(read["attempts"], 1);
    for field in ["sentAt", "deliveredAt", "readAt", "providerMessageId"] {
        assert!(read[field].is_string(), "{field}: {read}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_identical_posts_at_once_under_one_key_are_one_message() {
    let app = TestApp::start().await;
    let mut arrivals = app.app().simulator.watch();
    let account = ready_account(&app.client, json!({})).await;
    let body = json!({"accountId": account, "to": "77777777777", "message": "once"});
    let posts = (0..50).map(|_| {
        let request = app.client.request(Method::POST, "/api/messages/send").header("Idempotency-Key", "appointment-7");
        app.client.run(request.json(&body))
    });
    let answers = join_all(posts).await;
    let replayed = answers.iter().filter(|a| a.headers.contains_key("Idempotent-Replayed")).count();
    assert_eq!(replayed, 49);
    let ids: HashSet<String> =
        answers.into_iter().map(|a| a.expect(202)["messageId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1);
    app.client.reaches(ids.iter().next().unwrap(), &["sent"]).await;
    assert_eq!(app.client.get("/api/messages").await.expect(200)["pagination"]["total"], 1);
    assert!(arrivals.recv().await.is_some());
    assert!(arrivals.try_recv().is_err(), "it arrived twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_the_same_key_is_a_conflict() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A"})).await;
    let mut body = json!({"accountId": account, "to": "77777777777", "message": "first", "idempotencyKey": "k"});
    let first = app.client.post("/api/messages/send", body.clone()).await.expect(202);
    let again = app.client.post("/api/messages/send", body.clone()).await;
    assert_eq!(again.headers["Idempotent-Replayed"], "true");
    assert_eq!(again.expect(202)["messageId"], first["messageId"]);
    body["message"] = json!("second");
    app.client.post("/api/messages/send", body).await.refused(409, "idempotency_key_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_prefers_to_wait_gets_the_outcome() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let send = async |text: &str, wait: &str| {
        let request = app.client.request(Method::POST, "/api/messages/send").header("Prefer", wait);
        app.client.run(request.json(&json!({"accountId": account, "to": "77777777777", "message": text}))).await
    };
    let sent = send("quick", "respond-async, wait=20").await.expect(200);
    assert_eq!((&sent["status"], &sent["queued"]), (&json!("sent"), &json!(false)));
    assert_eq!(sent["providerMessageId"], sent["messageId"]);

    app.client.post(&format!("/api/accounts/{account}/queue/pause"), json!({})).await.expect(200);
    let waited = send("held", "wait=1").await.expect(202);
    assert_eq!(waited["queued"], true);
    assert_eq!(waited["status"], "CONNECTED");

    app.client.post(&format!("/api/accounts/{account}/queue/resume"), json!({})).await.expect(200);
    app.client.reaches(waited["messageId"].as_str().unwrap(), &["sent"]).await;
    app.app().simulator.stage(TestApp::id(&account)).unwrap().fail_next([Fault::Refuse]);
    let refused = send("refused", "wait=20").await.expect(202);
    assert_eq!(refused["queued"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_goes_first_and_order_holds_within_it() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A", "useLimits": false, "config": {"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "answerMs": null}})).await;
    let mut arrivals = app.app().simulator.watch();
    let mut ids = Vec::new();
    for (priority, expected) in [(5, 1), (9, 2), (0, 1), (5, 3), (0, 2)] {
        let body = json!({"accountId": account, "to": "77777777777", "message": "m", "priority": priority});
        let sent = app.client.post("/api/messages/send", body).await.expect(202);
        assert_eq!(sent["queuePosition"], expected);
        ids.push(sent["messageId"].as_str().unwrap().to_owned());
    }
    let queue = app.client.queue(&account).await;
    assert_eq!(queue["queueLength"], 5);
    let order: Vec<&str> = queue["messages"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    let expected = [2, 4, 0, 3, 1].map(|i: usize| ids[i].as_str());
    assert_eq!(order, expected);
    app.client.connect(&account).await;
    for id in expected {
        assert_eq!(arrivals.recv().await.unwrap().message.to_string(), id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_its_time_and_is_not_sent_after_it() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let now = app.app().clock.now();
    let soon = now + chrono::TimeDelta::milliseconds(1_500);
    let body = json!({"accountId": account, "to": "77777777777", "message": "later", "sendAt": soon});
    let later = app.client.post("/api/messages/send", body).await.expect(202);
    assert_eq!(later["queuePosition"], Value::Null);
    let id = later["messageId"].as_str().unwrap();
    assert_eq!(app.client.message(id).await["status"], "scheduled");
    assert_eq!(app.client.get("/api/messages?status=scheduled").await.expect(200)["pagination"]["total"], 1);

    app.client.post(&format!("/api/accounts/{account}/queue/pause"), json!({})).await.expect(200);
    let body = json!({"accountId": account, "to": "77777777777", "message": "code 1234", "expiresAt": now + chrono::TimeDelta::milliseconds(900)});
    let short = app.client.post("/api/messages/send", body).await.expect(202);
    let short = short["messageId"].as_str().unwrap();
    assert_eq!(app.client.message(short).await["status"], "queued");
    // Expired for whoever looks, even before a lane comes across it.
    app.client.reaches(short, &["expired"]).await;
    app.client.post(&format!("/api/accounts/{account}/queue/resume"), json!({})).await.expect(200);

    let sent = app.client.reaches(id, &["sent"]).await;
    let sent_at: chrono::DateTime<chrono::Utc> = sent["sentAt"].as_str().unwrap().parse().unwrap();
    assert!(sent_at.timestamp_millis() >= soon.timestamp_millis(), "{sent}");
    assert_eq!(app.client.message(short).await["status"], "expired");
    eventually("the queue is empty", 10, async || (app.client.queue(&account).await["queueLength"] == 0).then_some(()))
        .await;
    assert_eq!(app.app().simulator.arrived(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_started_can_be_taken_back_one_by_one_or_all() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A", "useLimits": false})).await;
    let mut ids = Vec::new();
    for i in 0..4 {
        let sent = app.client.send(&account, "77777777777", &format!("m{i}")).await;
        ids.push(sent["messageId"].as_str().unwrap().to_owned());
    }
    app.client.delete(&format!("/api/messages/{}", ids[0])).await.expect(200);
    app.client.delete(&format!("/api/messages/{}", ids[0])).await.refused(409, "not_cancellable");
    assert_eq!(app.client.message(&ids[0]).await["status"], "cancelled");
    assert_eq!(app.client.message(&ids[1]).await["queuePosition"], 1);
    app.client.post(&format!("/api/messages/{}/retry", ids[1]), json!({})).await.refused(409, "not_retryable");
    let cleared = app.client.delete(&format!("/api/accounts/{account}/queue")).await.expect(200);
    assert_eq!(cleared["cleared"], 3);
    assert_eq!(app.client.queue(&account).await["queueLength"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_account_takes_its_queue_along_and_leaves_its_messages() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    app.client.post(&format!("/api/accounts/{account}/queue/pause"), json!({})).await.expect(200);
    let sent = app.client.send(&account, "77777777777", "never").await;
    app.client.delete(&format!("/api/accounts/{account}")).await.expect(200);
    app.client.get(&format!("/api/accounts/{account}")).await.refused(404, "account_not_found");
    assert_eq!(app.client.message(sent["messageId"].as_str().unwrap()).await["status"], "cancelled");
    let body = json!({"accountId": account, "to": "77777777777", "message": "m"});
    app.client.post("/api/messages/send", body).await.refused(404, "account_not_found");
    assert_eq!(app.app().simulator.arrived(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_listed_newest_first_by_filter_page_and_cursor() {
    let app = TestApp::start().await;
    let (a, b) = (app.client.create(json!({"name": "A"})).await, app.client.create(json!({"name": "B"})).await);
    for i in 0..7 {
        let body = json!({"accountId": a, "to": "77777777777", "message": format!("m{i}"), "reference": format!("r{}", i % 2)});
        app.client.post("/api/messages/send", body).await.expect(202);
    }
    app.client.send(&b, "77777777777", "other").await;
    let texts = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|m| m["message"].as_str().unwrap().to_owned()).collect()
    };
    let list = async |query: &str| app.client.get(&format!("/api/messages?{query}")).await.expect(200);
    assert_eq!(texts(&list(&format!("accountId={a}&limit=3")).await), ["m6", "m5", "m4"]);
    assert_eq!(texts(&list(&format!("accountId={a}&limit=3&page=3")).await), ["m0"]);
    assert_eq!(list("reference=r1").await["pagination"]["total"], 3);
    assert_eq!(list("status=queued").await["pagination"]["total"], 8);
    assert_eq!(list("status=sent").await["pagination"]["total"], 0);
    assert_eq!(list("to=2020-01-01T00:00:00Z").await["pagination"]["total"], 0);
    assert_eq!(list("from=2020-01-01T00:00:00Z").await["pagination"]["total"], 8);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("accountId={a}&limit=2{cursor}")).await;
        seen.extend(texts(&page));
        let Some(next) = page["pagination"]["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["m6", "m5", "m4", "m3", "m2", "m1", "m0"]);
    let accounts = app.client.get("/api/accounts?limit=1").await.expect(200);
    assert_eq!(accounts["pagination"], json!({"total": 2, "page": 1, "limit": 1}));
    assert_eq!(accounts["data"][0]["queueLength"], 7);
}
