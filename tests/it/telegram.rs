//! A Telegram account against a Bot API server that checks every request.

use serde_json::{Value, json};

use crate::bot_api::{BotApi, Next, token};
use crate::harness::{Binary, Postgres, TestApp, eventually};

async fn start(api: &BotApi) -> TestApp {
    TestApp::with(&[("ANDANTE_TELEGRAM_API_URL", &api.url), ("ANDANTE_SEND_DEADLINE_SECONDS", "2")]).await
}

async fn bot(app: &TestApp, more: Value) -> String {
    let mut account = json!({"name": "Bot", "provider": "telegram", "useLimits": false, "config": {"token": token(1)}});
    for (name, value) in more.as_object().into_iter().flatten() {
        account[name] = value.clone();
    }
    let id = app.client.create(account).await;
    app.client.connect(&id).await;
    id
}

async fn send(app: &TestApp, account: &str, to: &str, text: &str) -> String {
    app.client.send(account, to, text).await["messageId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_connects_by_its_token_and_sends_to_chats_and_channels() {
    let api = BotApi::start();
    let app = start(&api).await;
    let account = bot(&app, json!({})).await;
    let connected = app.client.status(&account, "CONNECTED").await;
    assert_eq!(connected["displayName"], "@clinic_1001_bot");
    assert_eq!(connected["phoneNumber"], Value::Null);
    assert!(!connected.to_string().contains(&token(1)), "the token is shown");
    for to in ["42", "-1001234567890", "@clinic_news"] {
        let id = send(&app, &account, to, &format!("to {to} 👋")).await;
        let sent = app.client.reaches(&id, &["sent"]).await;
        assert!(sent["providerMessageId"].as_str().unwrap().parse::<u64>().is_ok());
    }
    let texts: Vec<String> = api.taken().into_iter().map(|taken| taken.text).collect();
    assert_eq!(texts, ["to 42 👋", "to -1001234567890 👋", "to @clinic_news 👋"]);
    let body = json!({"accountId": account, "to": "+7 777 777", "message": "m"});
    app.client.post("/api/messages/send", body).await.refused(422, "invalid_number");
    assert_eq!(api.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_fails_with_the_reason_and_connects_once_it_is_good() {
    let api = BotApi::start();
    let app = start(&api).await;
    api.revoke(&token(1));
    let account = bot(&app, json!({})).await;
    let failed = app.client.status(&account, "FAILED").await;
    assert_eq!(failed["lastError"]["code"], "invalid_token");
    assert!(failed["lastError"]["message"].as_str().unwrap().contains("Unauthorized"));
    assert_eq!(app.client.send(&account, "42", "waits").await["status"], "FAILED");
    assert_eq!(app.client.queue(&account).await["queueLength"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_revoked_meanwhile_stops_the_lane_and_keeps_the_messages() {
    let api = BotApi::start();
    let app = start(&api).await;
    let account = bot(&app, json!({})).await;
    app.client.status(&account, "CONNECTED").await;
    api.revoke(&token(1));
    let id = send(&app, &account, "42", "kept").await;
    let failed = app.client.status(&account, "FAILED").await;
    assert_eq!(failed["lastError"]["code"], "invalid_token");
    // The asking for updates may have noticed first, while the message was on its way.
    let message = app.client.reaches(&id, &["queued"]).await;
    assert_eq!(message["attempts"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_waited_for_and_is_no_attempt() {
    let api = BotApi::start();
    let app = start(&api).await;
    let account = bot(&app, json!({})).await;
    api.script("42", [Next::TooMany(2)]);
    let id = send(&app, &account, "42", "patient").await;
    let waiting = eventually("Telegram asked to wait", 20, async || {
        let message = app.client.message(&id).await;
        (message["lastError"]["code"] == "later").then_some(message)
    })
    .await;
    assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("queued"), &json!(0)));
    assert!(app.client.account(&account).await["restrictedUntil"].is_string());
    let asked_at: chrono::DateTime<chrono::Utc> = waiting["createdAt"].as_str().unwrap().parse().unwrap();
    let sent = app.client.reaches(&id, &["sent"]).await;
    assert_eq!(sent["attempts"], 1);
    assert!((api.taken()[0].at - asked_at).num_milliseconds() >= 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_bot_and_an_unknown_chat_are_refused_at_once() {
    let api = BotApi::start();
    let app = start(&api).await;
    let account = bot(&app, json!({})).await;
    for (to, reason) in
        [("403", "bot was blocked by the user"), ("404", "chat not found"), ("@nobody_there", "chat not found")]
    {
        let id = send(&app, &account, to, "m").await;
        let failed = app.client.reaches(&id, &["failed"]).await;
        assert_eq!((&failed["lastError"]["code"], &failed["attempts"]), (&json!("refused"), &json!(1)));
        assert!(failed["lastError"]["message"].as_str().unwrap().contains(reason), "{failed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_left_is_uncertain_and_sent_again_only_on_demand() {
    let api = BotApi::start();
    let app = start(&api).await;
    let account = bot(&app, json!({})).await;
    for (chat, next) in [("51", Next::Silence), ("52", Next::Garble), ("53", Next::Broken)] {
        api.script(chat, [next]);
        let id = send(&app, &account, chat, &format!("once {chat}")).await;
        let uncertain = app.client.reaches(&id, &["uncertain", "sent", "failed"]).await;
        assert_eq!((&uncertain["status"], &uncertain["attempts"]), (&json!("uncertain"), &json!(1)), "{next:?}");
    }
    assert_eq!(api.count(), 2, "what was silent and what was garbled did arrive");
    let again = app.client.get("/api/messages?status=uncertain").await.expect(200);
    let broken = again["data"][0]["id"].as_str().unwrap();
    app.client.post(&format!("/api/messages/{broken}/retry"), json!({})).await.expect(202);
    app.client.reaches(broken, &["sent"]).await;
    assert_eq!(api.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_reached_is_tried_again_without_loss() {
    let api = BotApi::start();
    let app = start(&api).await;
    let account = bot(&app, json!({})).await;
    app.client.status(&account, "CONNECTED").await;
    api.stop().await;
    let id = send(&app, &account, "42", "m").await;
    let waiting = eventually("an attempt failed", 20, async || {
        let message = app.client.message(&id).await;
        (message["attempts"].as_i64()? >= 1 && message["status"] == "queued").then_some(message)
    })
    .await;
    assert_eq!(waiting["lastError"]["code"], "later");
}

#[tokio::test(flavor = "multi_thread")]
async fn telegrams_own_limits_are_kept_however_fast_the_account_may_be() {
    let api = BotApi::start();
    let app = start(&api).await;
    let account = bot(&app, json!({"limits": {"delayMs": [0, 0]}})).await;
    let same: Vec<Value> = (0..3).map(|i| json!({"to": "42", "message": format!("same {i}")})).collect();
    let others: Vec<Value> =
        (0..60).map(|i| json!({"to": format!("{}", 1_000 + i), "message": format!("m{i}")})).collect();
    let body = json!({"accountId": account, "messages": ([same, others].concat())});
    app.client.post("/api/messages/bulk", body).await.expect(202);
    eventually("all are taken", 40, async || (api.count() == 63).then_some(())).await;
    assert_eq!(api.complaints(), [""; 0]);
}

async fn chats(app: &TestApp, account: &str) -> Value {
    app.client.get(&format!("/api/whatsapp/sessions/{account}/chats?chatType=all")).await.expect(200)["data"].clone()
}

/// Waits until the account's chats hold so many messages.
async fn holds(app: &TestApp, account: &str, count: i64) -> Value {
    eventually(&format!("{count} messages are filed"), 20, async || {
        let chats = chats(app, account).await;
        let sum: i64 = chats.as_array()?.iter().map(|chat| chat["_count"]["messages"].as_i64().unwrap()).sum();
        (sum == count).then_some(chats)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_groups_and_channels_write_comes_in_with_names() {
    let api = BotApi::start();
    let app = start(&api).await;
    let account = bot(&app, json!({})).await;
    app.client.status(&account, "CONNECTED").await;
    api.write(&token(1), 42, "Айгуль", "Здравствуйте!");
    let group = json!({"id": -100_500, "type": "supergroup", "title": "Врачи"});
    let doctor = json!({"id": 77, "is_bot": false, "first_name": "Иван", "last_name": "Петров"});
    let photo = json!([{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]);
    api.update(
        &token(1),
        json!({"message": {"message_id": 5, "date": 1_750_000_001, "from": doctor, "chat": group,
        "photo": photo, "caption": "снимок"}}),
    );
    let channel = json!({"id": -100_900, "type": "channel", "title": "Новости"});
    api.update(
        &token(1),
        json!({"channel_post": {"message_id": 6, "date": 1_750_000_002, "sender_chat": channel,
        "chat": channel, "text": "Мы открыты"}}),
    );
    // Somebody joined, and something that is not known yet: neither is a message, neither stops the rest.
    api.update(
        &token(1),
        json!({"message": {"message_id": 7, "date": 1_750_000_003, "from": doctor, "chat": group,
        "new_chat_members": [doctor]}}),
    );
    api.update(&token(1), json!({"hologram": {"shape": "cube"}}));
    api.write(&token(1), 42, "Айгуль", "Вы там?");
    let chats = holds(&app, &account, 4).await;
    let told: Vec<(&str, &str, i64)> = chats
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["chatName"].as_str().unwrap(), c["chatType"].as_str().unwrap(), c["unreadCount"].as_i64().unwrap()))
        .collect();
    for expected in [("Айгуль", "individual", 2), ("Врачи", "group", 1), ("Новости", "group", 1)] {
        assert!(told.contains(&expected), "{told:?}");
    }
    let messages = app.client.get(&format!("/api/accounts/{account}/chats/-100500")).await.expect(200);
    let photo = &messages["data"][0];
    assert_eq!((&photo["messageType"], &photo["body"]), (&json!("image"), &json!("снимок")));
    assert_eq!((&photo["fromName"], &photo["timestamp"]), (&json!("Иван Петров"), &json!("2025-06-15T15:06:41.000Z")));
    eventually("all is confirmed", 20, async || (api.unconfirmed(&token(1)) == 0).then_some(())).await;
    // An answer goes into the same chat.
    app.client.post(&format!("/api/accounts/{account}/chats/42"), json!({"message": "Да!"})).await.expect(202);
    holds(&app, &account, 5).await;
    let sent = send(&app, &account, "42", "И ещё").await;
    app.client.reaches(&sent, &["sent"]).await;
    assert_eq!(holds(&app, &account, 6).await.as_array().unwrap().len(), 3);
    assert_eq!(api.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_written_meanwhile_is_lost_or_doubled_by_a_restart() {
    let api = BotApi::start();
    let mut app = start(&api).await;
    let account = bot(&app, json!({})).await;
    app.client.status(&account, "CONNECTED").await;
    for number in 0..50 {
        api.write(&token(1), 42 + number % 5, "Пациент", &format!("до {number}"));
    }
    // Stopped in the middle of it.
    app.stop().await;
    for number in 0..50 {
        api.write(&token(1), 42 + number % 5, "Пациент", &format!("после {number}"));
    }
    app.resume().await;
    let chats = holds(&app, &account, 100).await;
    assert_eq!(chats.as_array().unwrap().len(), 5);
    eventually("all is confirmed", 20, async || (api.unconfirmed(&token(1)) == 0).then_some(())).await;
    let mut bodies = Vec::new();
    for chat in 42..47 {
        let messages = app.client.get(&format!("/api/accounts/{account}/chats/{chat}?limit=200")).await.expect(200);
        let list = messages["data"].as_array().unwrap().clone();
        bodies.extend(list.into_iter().map(|message| message["body"].as_str().unwrap().to_owned()));
    }
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_channel_by_name_is_filed_under_its_number() {
    let api = BotApi::start();
    let app = start(&api).await;
    let account = bot(&app, json!({})).await;
    let sent = send(&app, &account, "@clinic_news", "открыто").await;
    app.client.reaches(&sent, &["sent"]).await;
    let chats = holds(&app, &account, 1).await;
    assert_eq!((&chats[0]["chatId"], &chats[0]["chatType"]), (&json!("-1001234567890"), &json!("group")));
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_while_people_write_loses_and_doubles_nothing() {
    let postgres = Postgres::database().await;
    for database in [None, Some(postgres.as_str())] {
        let api = BotApi::start();
        let mut settings = vec![("ANDANTE_TELEGRAM_API_URL", api.url.as_str())];
        settings.extend(database.map(|url| ("DATABASE_URL", url)));
        let mut binary = Binary::start(&settings);
        let account =
            binary.client.create(json!({"name": "Bot", "provider": "telegram", "config": {"token": token(1)}})).await;
        binary.client.connect(&account).await;
        binary.client.status(&account, "CONNECTED").await;
        for round in 0..4 {
            for number in 0..150 {
                api.write(&token(1), 42 + number % 7, "Пациент", &format!("{round}/{number}"));
            }
            // In the middle of it: some are confirmed, and not all.
            eventually("some are confirmed", 20, async || (api.unconfirmed(&token(1)) < 150).then_some(())).await;
            binary.kill();
            binary.resume();
        }
        let mut bodies = Vec::new();
        eventually("all are filed", 30, async || {
            bodies.clear();
            for chat in 42..49 {
                let address = format!("/api/accounts/{account}/chats/{chat}?limit=200");
                let messages = binary.client.get(&address).await;
                let list = messages.body["data"].as_array().cloned().unwrap_or_default();
                bodies.extend(list.into_iter().map(|message| message["body"].as_str().unwrap().to_owned()));
            }
            (bodies.len() >= 600 && api.unconfirmed(&token(1)) == 0).then_some(())
        })
        .await;
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 600);
        let stats = binary.client.get("/api/whatsapp/stats").await.expect(200)["data"]["messages"].clone();
        assert_eq!(stats["received"], 600, "counts and rows are written together");
    }
}
