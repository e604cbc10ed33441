//! What an account shows to who asks and to who watches: its queue, what was counted, what the caller may,
//! what it did lately.

use andante::clock::Clock;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Company, Socket, TestApp, eventually, guarded, ready_account};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_s_queue_says_the_same_in_every_view_of_it() {
    let app = TestApp::start().await;
    let id = ready_account(
        &app.client,
        json!({"limits": {"perMinute": 20, "delayMs": [0, 0], "restAfter": 3, "restMs": [60_000, 60_000]}}),
    )
    .await;
    for number in 0..5 {
        app.client.send(&id, "996700123456", &format!("text {number}")).await;
    }
    let resting = eventually("it rests after three", 20, async || {
        let account = app.client.account(&id).await;
        (account["queue"]["isResting"] == true).then_some(account)
    })
    .await;
    let queue = app.client.get(&format!("/api/accounts/{id}/queue")).await.expect(200);
    let own = &resting["queue"];
    assert_eq!(
        (&own["dailyCount"], &own["sentLastMinute"], &own["perMinute"]),
        (&json!(3), &json!(3), &json!(20)),
        "{own}"
    );
    assert_eq!(resting["queueLength"], 2);
    let lately: Vec<&str> = own["sentLately"].as_array().unwrap().iter().map(|at| at.as_str().unwrap()).collect();
    assert!(lately.len() == 3 && lately.is_sorted() && own["lastSentAt"] == lately[2], "{own}");
    for name in ["dailyCount", "dailyLimit", "perMinute", "sentLastMinute"] {
        assert_eq!(own[name], queue["limits"][name], "{name}");
    }
    for name in ["isPaused", "isResting", "restUntil", "nextSendAt"] {
        assert_eq!(own[name], queue["status"][name], "{name}");
    }
    assert!(own["lastSentAt"].is_string() && own["pauseReason"].is_null(), "{own}");
    assert!(own["estimatedDrainAt"].as_str() >= own["nextSendAt"].as_str(), "{own}");
    app.client.post(&format!("/api/accounts/{id}/queue/pause"), json!({})).await.expect(200);
    let paused = app.client.account(&id).await;
    assert_eq!((&paused["queue"]["isPaused"], &paused["queue"]["holdReason"]), (&json!(true), &json!("paused")));
    assert!(paused["queue"]["nextSendAt"].is_null() && paused["queue"]["estimatedDrainAt"].is_null(), "{paused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_told_what_they_may_and_who_watches_is_not() {
    let app = guarded(&[]).await;
    let clinic = Company::register(&app.client, "clinic").await;
    let id = ready_account(&clinic.admin, json!({})).await;
    let all = json!({"canRead": true, "canWrite": true, "canManageChats": true, "canAdmin": true});
    assert_eq!(clinic.admin.account(&id).await["permissions"], all);
    let anna = clinic.manager("anna").await;
    clinic.grant(&id, &anna, &["read", "write"]).await;
    let seen = anna.client.account(&id).await;
    let some = json!({"canRead": true, "canWrite": true, "canManageChats": false, "canAdmin": false});
    assert_eq!((&seen["permissions"], &seen["qrUrl"]), (&some, &Value::Null));
    let mut socket = Socket::with_token(&app.client, &anna.token).await;
    clinic.admin.put(&format!("/api/accounts/{id}"), json!({"name": "Front desk"})).await.expect(200);
    let told = socket.event("account-updated").await;
    assert_eq!((&told["sessionId"], &told["account"]["name"]), (&json!(id), &json!("Front desk")));
    for own in ["permissions", "qrCode", "qrUrl"] {
        assert!(told["account"].get(own).is_none(), "{told}");
    }
    // Another company's admin hears nothing of it.
    let other = Company::register(&app.client, "other").await;
    let theirs = ready_account(&other.admin, json!({})).await;
    let mut foreign = Socket::with_token(&app.client, &other.token).await;
    clinic.admin.put(&format!("/api/accounts/{id}"), json!({"name": "Desk"})).await.expect(200);
    other.admin.put(&format!("/api/accounts/{theirs}"), json!({"name": "Theirs"})).await.expect(200);
    assert_eq!(foreign.event("account-updated").await["sessionId"], json!(theirs));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_each_change_at_once_and_many_together() {
    let clock = Clock::manual(Clock::system().now());
    let app = TestApp::on(&[], clock.clone()).await;
    let mut socket = Socket::with_token(&app.client, "").await;
    let id = app.client.create(json!({"name": "Reception", "provider": "simulator"})).await;
    assert_eq!(socket.event("account-updated").await["account"]["name"], "Reception", "it is new");
    clock.advance_to(clock.now() + TimeDelta::seconds(2));
    let queued = async |socket: &mut Socket| socket.event("account-updated").await["account"]["queueLength"].clone();
    app.client.send(&id, "996700123456", "first").await;
    assert_eq!(queued(&mut socket).await, 1, "it waits, as the account is not connected");
    for number in 2..=4 {
        app.client.send(&id, "996700123456", &format!("text {number}")).await;
    }
    clock.advance_to(clock.now() + TimeDelta::seconds(1));
    assert_eq!(queued(&mut socket).await, 4, "what changed within the second is one event");
    clock.advance_to(clock.now() + TimeDelta::seconds(2));
    app.client.delete(&format!("/api/accounts/{id}/queue")).await.expect(200);
    assert_eq!(queued(&mut socket).await, 0);
    clock.advance_to(clock.now() + TimeDelta::seconds(2));
    app.client.delete(&format!("/api/accounts/{id}")).await.expect(200);
    let gone = socket.event("account-updated").await;
    assert_eq!((&gone["sessionId"], gone.get("account")), (&json!(id), Some(&Value::Null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_did_is_counted_by_minutes() {
    let app = TestApp::start().await;
    let id = ready_account(&app.client, json!({"useLimits": false})).await;
    let stage = app.app().simulator.stage(TestApp::id(&id)).unwrap();
    stage.fail_next([andante::gateway::simulator::Fault::Refuse]);
    let lost = app.client.send(&id, "996700123456", "lost").await;
    app.client.reaches(lost["messageId"].as_str().unwrap(), &["failed"]).await;
    for text in ["one", "two"] {
        let sent = app.client.send(&id, "996700123456", text).await;
        app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    }
    stage.write(andante::gateway::Letter {
        chat: "996700123456@c.us".to_owned(),
        chat_kind: entity::chat::Kind::Individual,
        chat_name: None,
        provider_message_id: "in-1".to_owned(),
        is_own: false,
        sender: None,
        sender_name: None,
        text: "thank you".to_owned(),
        kind: entity::message::Kind::Text,
        at: app.app().clock.now(),
        is_history: false,
        media: None,
    });
    let path = format!("/api/accounts/{id}/activity");
    let minutes = eventually("all is counted", 20, async || {
        let minutes = app.client.get(&path).await.expect(200);
        let minutes = minutes.as_array()?.clone();
        let sum = |name: &str| minutes.iter().map(|minute| minute[name].as_u64().unwrap()).sum::<u64>();
        ((sum("sent"), sum("received"), sum("failed")) == (2, 1, 1)).then_some(minutes)
    })
    .await;
    assert_eq!(minutes.len(), 60);
    assert!(minutes.windows(2).all(|two| two[0]["at"].as_str() < two[1]["at"].as_str()));
    assert_eq!(app.client.get(&format!("{path}?minutes=5")).await.expect(200).as_array().unwrap().len(), 5);
    for wrong in ["0", "1441", "x"] {
        app.client.get(&format!("{path}?minutes={wrong}")).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_chooses_a_messenger_is_told_what_each_offers() {
    // Chromium does not run as root in its sandbox, which is told, too.
    let app = TestApp::with(&[("ANDANTE_BROWSER_SANDBOX", "false")]).await;
    let told = app.client.get("/api/v1/multi-provider/active-providers").await.expect(200);
    let names: Vec<_> = told["providers"].as_array().unwrap().iter().map(|offer| offer["provider"].clone()).collect();
    assert_eq!(names, ["whatsapp", "whatsappweb", "telegram", "simulator"]);
    let telegram = &told["providers"][2];
    assert_eq!(telegram["config"], json!([{"name": "token", "isRequired": true, "isSecret": true}]));
    assert_eq!(
        (&told["providers"][0]["isEnabled"], &told["providers"][0]["reason"]),
        (&json!(cfg!(feature = "whatsapp")), &Value::Null)
    );
    for name in names {
        let account = json!({"name": "x", "provider": name, "config": (name == "telegram").then(|| json!({"token": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"}))});
        app.client.post("/api/accounts", account).await.expect(201);
    }
}
