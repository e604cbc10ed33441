//! What clients written from the documents rely on: where a number goes, what can be changed of an
//! account, and what the answers say.

use std::time::Duration;

use andante::clock::Clock;
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bot_api::{BotApi, token};
use crate::harness::{TestApp, eventually, never, ready_account};

async fn bot(app: &TestApp) -> String {
    let bot = json!({"name": "Bot", "provider": "telegram", "useLimits": false, "config": {"token": token(1)}});
    let id = app.client.create(bot).await;
    app.client.connect(&id).await;
    app.client.status(&id, "CONNECTED").await;
    id
}

async fn start(api: &BotApi) -> TestApp {
    TestApp::with(&[("ANDANTE_TELEGRAM_API_URL", &api.url)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_sent_to_by_accounts_that_take_numbers() {
    let api = BotApi::start();
    let app = start(&api).await;
    let bot = bot(&app).await;
    let form = json!({"phone": "77777777777", "message": "m"});
    let said = app.client.post("/api/whatsapp/send", form.clone()).await.refused(400, "account_required");
    assert!(said["details"].as_array().is_some_and(|details| !details.is_empty()), "{said}");
    assert!(!said.to_string().contains(&bot), "a bot is no choice: {said}");
    let mut by_bot = form.clone();
    by_bot["accountId"] = json!(bot);
    let said = app.client.post("/api/whatsapp/send", by_bot).await.refused(422, "phone_not_supported");
    assert_eq!(said["details"][0]["field"], "accountId", "{said}");
    // Nobody is asked which, since only one can.
    let account = ready_account(&app.client, json!({})).await;
    let sent = app.client.post("/api/whatsapp/send", form).await.expect(202);
    assert_eq!(sent["data"]["accountId"], json!(account));
    app.client.reaches(sent["data"]["messageId"].as_str().unwrap(), &["sent"]).await;
    for to in ["+77777777777", "+7 777 777 77 77", "+42"] {
        let body = json!({"accountId": bot, "to": to, "message": "m"});
        app.client.post("/api/messages/send", body).await.refused(422, "invalid_number");
        let chat = format!("/api/accounts/{bot}/chats/{}", to.replace('+', "%2B").replace(' ', "%20"));
        let answer = app.client.post(&chat, json!({"message": "m"})).await;
        assert!(answer.status == 422 || answer.status == 404, "{to}: {}", answer.body);
    }
    never("the bot sends something", 1, async || api.count() > 0).await;
    assert_eq!(app.client.queue(&bot).await["queueLength"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_choice_of_accounts_is_data() {
    let app = TestApp::start().await;
    let first = ready_account(&app.client, json!({"name": "First (main)"})).await;
    let second = ready_account(&app.client, json!({"name": "Second"})).await;
    // One that is switched off is no choice.
    let off = ready_account(&app.client, json!({"name": "Off"})).await;
    app.client.post(&format!("/api/accounts/{off}/disconnect"), json!({})).await.expect(200);
    let form = json!({"phone": "77777777777", "message": "m"});
    let said = app.client.post("/api/whatsapp/send", form.clone()).await.refused(400, "account_required");
    let choices = json!([{"accountId": first, "name": "First (main)"}, {"accountId": second, "name": "Second"}]);
    assert_eq!(said["details"], choices);
    app.client.post(&format!("/api/accounts/{first}/disconnect"), json!({})).await.expect(200);
    let sent = app.client.post("/api/whatsapp/send", form).await.expect(202);
    assert_eq!(sent["data"]["accountId"], json!(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_s_token_is_changed_and_it_connects_with_that() {
    let api = BotApi::start();
    let app = start(&api).await;
    let id = bot(&app).await;
    let path = format!("/api/accounts/{id}");
    api.revoke(&token(1));
    app.client.status(&id, "FAILED").await;
    let waiting = app.client.send(&id, "42", "kept").await;
    let changed = app.client.put(&path, json!({"config": {"token": token(2)}})).await.expect(200);
    assert!(!changed.to_string().contains(&token(2)), "the token is shown");
    let connected = app.client.status(&id, "CONNECTED").await;
    assert_eq!(connected["displayName"], "@clinic_1002_bot");
    app.client.reaches(waiting["messageId"].as_str().unwrap(), &["sent"]).await;
    assert_eq!(api.taken()[0].token, token(2));
    // One that is connected changes over, too.
    app.client.put(&path, json!({"config": {"token": token(3)}, "proxy": null})).await.expect(200);
    eventually("it is another bot", 20, async || {
        let account = app.client.account(&id).await;
        (account["displayName"] == "@clinic_1003_bot" && account["status"] == "CONNECTED").then_some(())
    })
    .await;
    // What can't be changes nothing.
    for config in [json!({"token": "nonsense"}), json!({}), json!({"token": token(4), "more": 1}), json!(7)] {
        println!("{config}");
        let said = app.client.put(&path, json!({"name": "Other", "config": config})).await;
        let said = said.refused(400, "invalid_request");
        assert!(said["details"][0]["field"].as_str().unwrap().starts_with("config"), "{said}");
    }
    let account = app.client.account(&id).await;
    assert_eq!((&account["name"], &account["displayName"]), (&json!("Bot"), &json!("@clinic_1003_bot")));
    // One that is switched off stays so, and connects with it later.
    app.client.post(&format!("{path}/disconnect"), json!({})).await.expect(200);
    app.client.put(&path, json!({"config": {"token": token(5)}})).await.expect(200);
    let is_on = async || app.client.account(&id).await["status"] != "DISCONNECTED";
    never("it is switched on by that", 1, is_on).await;
    app.client.connect(&id).await;
    assert_eq!(app.client.status(&id, "CONNECTED").await["displayName"], "@clinic_1005_bot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_names_no_config_changes_none() {
    let api = BotApi::start();
    let app = start(&api).await;
    let id = bot(&app).await;
    app.client.put(&format!("/api/accounts/{id}"), json!({"name": "Other"})).await.expect(200);
    let account = app.client.account(&id).await;
    assert_eq!((&account["name"], &account["status"]), (&json!("Other"), &json!("CONNECTED")));
    let sent = app.client.send(&id, "42", "m").await;
    app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    // Nor does anything that nobody knows.
    for (body, field) in [
        (json!({"limits": {"perMinut": 3}}), "limits.perMinut"),
        (json!({"limits": {"perMinute": 3, "x": null}}), "limits.x"),
        (json!({"name": " \t"}), "name"),
        (json!({"proxy": "http://"}), "proxy"),
    ] {
        let said = app.client.put(&format!("/api/accounts/{id}"), body).await.refused(400, "invalid_request");
        assert_eq!(said["details"][0]["field"], field, "{said}");
    }
    assert_eq!(app.client.account(&id).await["limits"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_the_last_change_moves_with_the_status() {
    let start: DateTime<Utc> = "2026-03-02T09:00:00Z".parse().unwrap();
    let clock = Clock::manual(start);
    let app = TestApp::on(&[], clock.clone()).await;
    let config = json!({"scanAfterMs": null, "codeMs": 3_600_000, "latencyMs": [0, 0]});
    let id = app.client.create(json!({"name": "A", "config": config})).await;
    let stage = || app.app().simulator.stage(TestApp::id(&id)).unwrap();
    let later = || {
        clock.advance_to(clock.now() + Duration::from_secs(60));
        clock.now()
    };
    let has_moved = async |status: &str, since: DateTime<Utc>| {
        let account = app.client.status(&id, status).await;
        let updated: DateTime<Utc> = account["updatedAt"].as_str().unwrap().parse().unwrap();
        assert!(updated >= since, "{status} since {since}, and said to be changed at {updated}");
    };
    let since = later();
    app.client.connect(&id).await;
    has_moved("QR_READY", since).await;
    let since = later();
    stage().scan();
    has_moved("CONNECTED", since).await;
    let since = later();
    stage().cut();
    eventually("it has moved", 20, async || {
        let account = app.client.account(&id).await;
        let updated: DateTime<Utc> = account["updatedAt"].as_str().unwrap().parse().unwrap();
        (updated >= since).then_some(())
    })
    .await;
    let since = later();
    app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({})).await.expect(200);
    has_moved("DISCONNECTED", since).await;
    let since = later();
    app.client.connect(&id).await;
    has_moved("CONNECTED", since).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_and_saw_it_go_is_told_that_it_is_queued_no_more() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let wait = async |path: &str, body: Value| {
        let request = app.client.request(Method::POST, path).header("Prefer", "wait=20").json(&body);
        app.client.run(request).await.expect(200)
    };
    let body = json!({"accountId": account, "to": "77777777777", "message": "m"});
    let chat = format!("/api/accounts/{account}/chats/77777777777");
    for said in [wait("/api/messages/send", body).await, wait(&chat, json!({"message": "m"})).await] {
        assert_eq!((&said["queued"], &said["status"]), (&json!(false), &json!("sent")), "{said}");
        assert!(said["providerMessageId"].is_string(), "{said}");
        assert!(said["holdReason"].is_null() && said["estimatedSendAt"].is_null(), "{said}");
    }
}
