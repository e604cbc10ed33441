//! The database or Redis goes away and comes back. Only the database being down refuses a message,
//! and then nothing is half-done.

use serde_json::json;

use crate::harness::{
    Company, PASSWORD, Postgres, Proxy, Redis, Socket, TestApp, eventually, guarded, login, ready_account,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_refuses_with_503_and_nothing_is_half_done() {
    let database = Postgres::database().await;
    let port = database.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port).await;
    let through_proxy = database.replace(&port.to_string(), &proxy.port.to_string());
    let app = TestApp::with(&[("DATABASE_URL", &through_proxy)]).await;
    let account = ready_account(&app.client, json!({})).await;
    let body = json!({"accountId": account, "to": "77777777777", "message": "m"});
    app.client.post("/api/messages/send", body.clone()).await.expect(202);

    proxy.cut();
    let refused = app.client.post("/api/messages/send", body.clone()).await;
    assert!(refused.headers.contains_key("Retry-After"));
    refused.refused(503, "unavailable");
    app.client.get("/api/messages").await.refused(503, "unavailable");
    let health = app.client.get("/health").await.expect(503);
    assert_eq!((&health["status"], &health["checks"]["database"]), (&json!("degraded"), &json!("down")));
    app.client.get("/health/live").await.expect(200);

    proxy.mend();
    let sent = eventually("messages are accepted again", 20, async || {
        let answer = app.client.post("/api/messages/send", body.clone()).await;
        (answer.status == 202).then_some(answer.body)
    })
    .await;
    app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    let accepted = app.client.metric("andante_messages_accepted_total").await;
    let list = app.client.get("/api/messages").await.expect(200);
    assert_eq!(list["pagination"]["total"].as_f64().unwrap(), accepted, "a refused message left a row");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_accepted_while_redis_is_away_leave_once_it_is_back() {
    let mut redis = Redis::start().await;
    let app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [0, 0]}})).await;
    let mut arrivals = app.app().simulator.watch();
    let first = app.client.send(&account, "77777777777", "before").await;
    app.client.reaches(first["messageId"].as_str().unwrap(), &["sent"]).await;
    redis.stop();
    let mut ids = Vec::new();
    for i in 0..5 {
        let sent = app.client.send(&account, "77777777777", &format!("m{i}")).await;
        assert_eq!((&sent["queued"], &sent["queuePosition"]), (&json!(true), &json!(null)));
        ids.push(sent["messageId"].as_str().unwrap().to_owned());
    }
    assert_eq!(app.client.account(&account).await["queueLength"], 5, "the rows know");
    redis.resume().await;
    for id in &ids {
        app.client.reaches(id, &["sent"]).await;
    }
    let order: Vec<String> = (0..6).map(|_| arrivals.try_recv().unwrap().message.to_string()).collect();
    assert_eq!(order[1..], ids, "they kept their order");
    assert!(arrivals.try_recv().is_err(), "one left twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_redis_is_noticed_by_whoever_asks_first() {
    let redis = Redis::start().await;
    let app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let account = app.client.create(json!({"name": "A"})).await;
    for i in 0..3 {
        app.client.send(&account, "77777777777", &format!("m{i}")).await;
    }
    redis.flush().await;
    // A new message finds the three before it.
    assert_eq!(app.client.send(&account, "77777777777", "m3").await["queuePosition"], 4);
    redis.flush().await;
    assert_eq!(app.client.queue(&account).await["queueLength"], 4);
    app.client.post(&format!("/api/accounts/{account}/queue/pause"), json!({})).await.expect(200);
    redis.flush().await;
    assert_eq!(app.client.queue(&account).await["status"]["isPaused"], true, "that it was paused is in its row");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_while_redis_is_down_and_catches_up() {
    let mut redis = Redis::start().await;
    let mut app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let account = ready_account(&app.client, json!({})).await;
    app.stop().await;
    redis.stop();
    app.resume().await;
    let sent = app.client.send(&account, "77777777777", "m").await;
    redis.resume().await;
    app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nobody_new_is_let_in_and_nobody_is_told_that_the_token_is_bad() {
    let database = Postgres::database().await;
    let port = database.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port).await;
    let through_proxy = database.replace(&port.to_string(), &proxy.port.to_string());
    let app = guarded(&[("DATABASE_URL", &through_proxy)]).await;
    let company = Company::register(&app.client, "clinic").await;
    let other = login(&app.client, "admin@clinic.example").await;
    let account = ready_account(&company.admin, json!({})).await;
    let mut socket = Socket::with_token(&app.client, &company.token).await;

    proxy.cut();
    app.client.with_key(&other).get("/api/auth/me").await.refused(503, "unavailable");
    let body = json!({"email": "admin@clinic.example", "password": PASSWORD});
    app.client.post("/api/auth/login", body.clone()).await.refused(503, "unavailable");
    let why = Socket::enter(&app.client, json!({ "token": other })).await.refusal();
    assert!(why.contains("can't check credentials now"), "{why}");
    // Who is in stays in, and hears what needs no row.
    let stage = app.app().simulator.stage(TestApp::id(&account)).unwrap();
    stage.types("77777777777@c.us", true);
    socket.event("typing-status").await;
    let at = app.app().clock.now();
    stage.write(andante::gateway::Letter {
        chat: "77777777777@c.us".to_owned(),
        chat_kind: entity::chat::Kind::Individual,
        chat_name: None,
        provider_message_id: "wamid.1".to_owned(),
        is_own: false,
        sender: None,
        sender_name: None,
        text: "written meanwhile".to_owned(),
        kind: entity::message::Kind::Text,
        at,
        is_history: false,
        media: None,
    });

    proxy.mend();
    // Written as soon as it can be, and told only then.
    assert_eq!(socket.event("new-message").await["message"]["body"], "written meanwhile");
    eventually("people sign in again", 20, async || {
        (app.client.post("/api/auth/login", body.clone()).await.status == 200).then_some(())
    })
    .await;
    app.client.with_key(&other).get("/api/auth/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_wrote_into_redis_is_taken_for_lost() {
    let redis = Redis::start().await;
    let app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [0, 0]}})).await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = |what: &str| format!("andante:{{{account}}}:{what}");
    let mut spoil = async |spoiled: redis::Pipeline| spoiled.query_async::<()>(&mut connection).await.unwrap();
    let mut wrong_type = redis::pipe();
    wrong_type.del(key("ready")).set(key("ready"), "x");
    let mut bad_pace = redis::pipe();
    bad_pace.hset(key("state"), "pace", "{bad");
    let mut bad_claim = redis::pipe();
    bad_claim.hset(key("state"), "claim", "zzz");
    for spoiled in [wrong_type, bad_pace, bad_claim] {
        spoil(spoiled).await;
        let sent = app.client.send(&account, "77777777777", "m").await;
        app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    }
    assert_eq!(app.client.account(&account).await["queueLength"], 0);
}
