//! Lanes: what they make of each way a send can end, of connections that come and go, and of a stop.

use andante::gateway::simulator::{Fault, Stage};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::harness::{TestApp, eventually, ready_account};

/// Where the manual clocks start.
fn start() -> DateTime<Utc> {
    "2026-03-02T09:00:00Z".parse().unwrap()
}

fn stage(app: &TestApp, account: &str) -> Arc<Stage> {
    app.app().simulator.stage(TestApp::id(account)).expect("it was connected")
}

async fn send(app: &TestApp, account: &str, text: &str) -> String {
    app.client.send(account, "77777777777", text).await["messageId"].as_str().unwrap().to_owned()
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_a_send_can_end_has_its_status() {
    let app = TestApp::with(&[("ANDANTE_SEND_DEADLINE_SECONDS", "1")]).await;
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [0, 0]}})).await;
    for (fault, status, attempts, arrives) in [
        (Fault::Fine, "sent", 1, true),
        (Fault::Before, "sent", 2, true),
        (Fault::Wait, "sent", 1, true),
        (Fault::Refuse, "failed", 1, false),
        (Fault::During, "uncertain", 1, false),
        (Fault::After, "uncertain", 1, true),
        (Fault::Hang, "uncertain", 1, false),
    ] {
        let before = app.app().simulator.arrived();
        stage(&app, &account).fail_next([fault]);
        let id = send(&app, &account, "m").await;
        let message = app.client.reaches(&id, &["sent", "failed", "uncertain"]).await;
        assert_eq!((&message["status"], &message["attempts"]), (&json!(status), &json!(attempts)), "{fault:?}");
        assert_eq!(message["lastError"].is_object(), status != "sent", "{fault:?}: {message}");
        assert_eq!(app.app().simulator.arrived() - before, u64::from(arrives), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_never_gets_out_fails_after_its_last_attempt() {
    let clock = andante::clock::Clock::manual(start());
    let app = TestApp::on(&[], clock.clone()).await;
    let account = app.client.create(json!({"name": "A", "useLimits": false, "config": {"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "answerMs": null}})).await;
    app.client.connect(&account).await;
    app.client.status(&account, "CONNECTED").await;
    stage(&app, &account).fail_next([Fault::Before; 20]);
    let id = send(&app, &account, "m").await;
    let failed = eventually("the message fails", 60, async || {
        // Only when the lane waits: a clock that runs away from it would look like a lane that hangs.
        if let Some(until) = app.app().lanes.waits_until(TestApp::id(&account)) {
            clock.advance_to(until);
        }
        let message = app.client.message(&id).await;
        (message["status"] == "failed").then_some(message)
    })
    .await;
    assert_eq!((&failed["attempts"], &failed["lastError"]["code"]), (&json!(10), &json!("too_many_attempts")));
    assert_eq!(app.app().simulator.arrived(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_comes_back_and_the_queue_goes_on_at_its_pace() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [300, 300]}})).await;
    let mut arrivals = app.app().simulator.watch();
    let mut ids = Vec::new();
    for i in 0..6 {
        ids.push(send(&app, &account, &format!("m{i}")).await);
    }
    let mut times = vec![arrivals.recv().await.unwrap().at, arrivals.recv().await.unwrap().at];
    stage(&app, &account).fail_next([Fault::Drop]);
    for _ in 0..4 {
        times.push(arrivals.recv().await.unwrap().at);
    }
    for pair in times.windows(2) {
        assert!((pair[1] - pair[0]).num_milliseconds() >= 300, "a burst: {times:?}");
    }
    for id in ids {
        app.client.reaches(&id, &["sent"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_account_keeps_its_queue_and_goes_on_without_a_burst() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [200, 200]}})).await;
    let mut arrivals = app.app().simulator.watch();
    let path = format!("/api/accounts/{account}/disconnect");
    assert_eq!(app.client.post(&path, json!({})).await.expect(200)["status"], "DISCONNECTED");
    for i in 0..4 {
        send(&app, &account, &format!("m{i}")).await;
    }
    assert_eq!(app.client.queue(&account).await["queueLength"], 4);
    // The pairing was kept: nobody scans again.
    app.client.connect(&account).await;
    app.client.status(&account, "CONNECTED").await;
    let mut times = Vec::new();
    for _ in 0..4 {
        times.push(arrivals.recv().await.unwrap().at);
    }
    for pair in times.windows(2) {
        assert!((pair[1] - pair[0]).num_milliseconds() >= 200, "a burst: {times:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logged_out_account_keeps_its_queue_and_another_number_holds_it() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [0, 0]}})).await;
    stage(&app, &account).fail_next([Fault::LogOut]);
    let id = send(&app, &account, "m").await;
    let out = app.client.status(&account, "DISCONNECTED").await;
    assert_eq!(out["lastError"]["code"], "logged_out");
    let message = app.client.message(&id).await;
    assert_eq!((&message["status"], &message["attempts"]), (&json!("queued"), &json!(0)));

    stage(&app, &account).pair_as("996555000111");
    app.client.connect(&account).await;
    let paired = app.client.status(&account, "CONNECTED").await;
    assert_eq!(paired["phoneNumber"], "+996555000111");
    let queue = app.client.queue(&account).await;
    assert_eq!((&queue["status"]["isPaused"], &queue["queueLength"]), (&json!(true), &json!(1)));
    assert!(queue["status"]["pauseReason"].as_str().unwrap().contains("another number"));
    assert_eq!(app.client.message(&id).await["status"], "queued");
    app.client.post(&format!("/api/accounts/{account}/queue/resume"), json!({})).await.expect(200);
    app.client.reaches(&id, &["sent"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_change_hold_at_once_for_what_is_queued() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({"useLimits": true})).await;
    let first = send(&app, &account, "first").await;
    app.client.reaches(&first, &["sent"]).await;
    let second = send(&app, &account, "second").await;
    let queue = app.client.queue(&account).await;
    let next = instant(&queue["status"]["nextSendAt"]);
    assert!((next - app.app().clock.now()).num_milliseconds() > 1_500, "{queue}");
    assert_eq!(
        queue["limits"],
        json!({"useLimits": true, "dailyCount": 1, "dailyLimit": 500, "perMinute": 20, "sentLastMinute": 1})
    );
    app.client.put(&format!("/api/accounts/{account}"), json!({"useLimits": false})).await.expect(200);
    let sent = app.client.reaches(&second, &["sent"]).await;
    assert!(instant(&sent["sentAt"]) < next, "it waited for the old limits");

    let third = json!({"useLimits": true, "limits": {"dailyLimitTo": 2}});
    app.client.put(&format!("/api/accounts/{account}"), third).await.expect(200);
    send(&app, &account, "third").await;
    let queue = eventually("the cap of the day holds", 10, async || {
        let queue = app.client.queue(&account).await;
        let next = instant(&queue["status"]["nextSendAt"]);
        (next.date_naive() > app.app().clock.now().date_naive()).then_some(queue)
    })
    .await;
    assert_eq!((&queue["limits"]["dailyCount"], &queue["limits"]["dailyLimit"]), (&json!(2), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_restarts_a_lane_that_broke_and_counts_it() {
    let clock = andante::clock::Clock::manual(start());
    let app = TestApp::on(&[], clock.clone()).await;
    let account = app.client.create(json!({"name": "A", "useLimits": false, "config": {"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "answerMs": null}})).await;
    app.client.connect(&account).await;
    app.client.status(&account, "CONNECTED").await;
    stage(&app, &account).fail_next([Fault::Crash]);
    let broken = send(&app, &account, "breaks the lane").await;
    let next = send(&app, &account, "goes on").await;
    // At once: nothing waits for what the broken lane had promised.
    eventually("the lane goes on", 30, async || {
        if let Some(until) = app.app().lanes.waits_until(TestApp::id(&account)) {
            clock.advance_to(until);
        }
        (app.client.message(&next).await["status"] == "sent").then_some(())
    })
    .await;
    assert_eq!(app.client.message(&broken).await["status"], "uncertain");
    assert_eq!(app.client.metric("andante_lanes_restarted_total").await, 1.0);
    assert!((clock.now() - start()).num_seconds() < 90, "it went on at {}", clock.now());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_what_is_in_flight_finish_and_a_start_goes_on_where_it_was() {
    let mut app = TestApp::start().await;
    let config = json!({"scanAfterMs": 0, "latencyMs": [700, 700], "receiptsMs": null, "answerMs": null});
    let account = ready_account(&app.client, json!({"config": config, "limits": {"delayMs": [0, 0]}})).await;
    let (first, second) = (send(&app, &account, "first").await, send(&app, &account, "second").await);
    app.client.reaches(&first, &["sending"]).await;
    let simulator = app.app().simulator.clone();
    app.stop().await;
    assert_eq!(simulator.arrived(), 1, "what was in flight finished, and nothing new began");
    app.resume().await;
    // Nobody connects it: that it should be connected is in its row.
    app.client.reaches(&second, &["sent"]).await;
    assert_eq!(app.client.message(&first).await["status"], "sent");
    assert_eq!(app.app().simulator.arrived(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_at_the_deadline_of_a_stop_ends_uncertain() {
    let mut app = TestApp::with(&[("ANDANTE_SHUTDOWN_SECONDS", "1")]).await;
    let account = ready_account(&app.client, json!({})).await;
    stage(&app, &account).fail_next([Fault::Hang]);
    let id = send(&app, &account, "m").await;
    app.client.reaches(&id, &["sending"]).await;
    app.stop().await;
    app.resume().await;
    let message = app.client.message(&id).await;
    assert_eq!(message["status"], "uncertain");
    assert!(message["lastError"]["message"].as_str().unwrap().contains("stopped"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stopped_answering_is_noticed_and_opened_again() {
    let clock = andante::clock::Clock::manual(start());
    let app = TestApp::on(&[], clock.clone()).await;
    let account = app
        .client
        .create(json!({"name": "A", "config": {"scanAfterMs": 0, "receiptsMs": null, "answerMs": null}}))
        .await;
    app.client.connect(&account).await;
    let before = instant(&app.client.status(&account, "CONNECTED").await["lastAliveAt"]);
    // Silently: the gateway reports nothing, as a half-open connection does.
    stage(&app, &account).go_silent();
    eventually("it is connected again, and said to be alive lately", 30, async || {
        if let Some(next) = clock.next_deadline() {
            clock.advance_to(next);
        }
        let account = app.client.account(&account).await;
        (account["status"] == "CONNECTED" && instant(&account["lastAliveAt"]) > before).then_some(())
    })
    .await;
    assert!(stage(&app, &account).is_up());
}
