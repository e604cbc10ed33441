//! How a pairing ends here: the keys go whatever WhatsApp hears of it, and a person is told what is left
//! to do.

use andante::store::state::Which;
use fake_whatsapp::Failure;
use serde_json::{Value, json};

use super::{CLINIC, account, code, fake, pair, paired, start};
use crate::harness::{TestApp, eventually};

async fn kept(app: &TestApp, id: &str) -> usize {
    let (store, id) = (&app.app().store, TestApp::id(id));
    let mut count = 0;
    for kind in ["device", "session", "prekey", "opened"] {
        count += store.entries(id, kind, Which::All).await.unwrap().len();
    }
    count
}

async fn log_out(app: &TestApp, id: &str) -> Value {
    app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_while_nobody_is_connected_loses_the_keys_and_hears_that_the_phone_has_to_be_told() {
    let fake = fake().await;
    let mut app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({})).await.expect(200);
    assert!(kept(&app, &id).await > 0, "a plain disconnect keeps the pairing");
    let out = log_out(&app, &id).await;
    assert_eq!((&out["status"], &out["lastError"]["code"]), (&json!("DISCONNECTED"), &json!("still_linked")), "{out}");
    assert!(out["lastError"]["message"].as_str().unwrap().contains("Linked devices"), "{out}");
    assert_eq!(kept(&app, &id).await, 0);
    app.stop().await;
    app.resume().await;
    assert_eq!(kept(&app, &id).await, 0);
    pair(&app.client, &fake, &id, CLINIC).await;
    assert_eq!(app.client.account(&id).await["lastError"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_while_whatsapp_does_not_answer_loses_the_keys_all_the_same() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    fake.pause().await;
    log_out(&app, &id).await;
    eventually("the keys are gone", 20, async || (kept(&app, &id).await == 0).then_some(())).await;
    eventually("it is told what is left to do", 20, async || {
        (app.client.account(&id).await["lastError"]["code"] == "still_linked").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_removed_while_nobody_is_connected_says_that_the_phone_has_to_be_told() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({})).await.expect(200);
    let gone = app.client.delete(&format!("/api/accounts/{id}")).await.expect(200);
    assert!(gone["message"].as_str().unwrap().contains("Linked devices"), "{gone}");
    let id = paired(&app.client, &fake).await;
    let gone = app.client.delete(&format!("/api/accounts/{id}")).await.expect(200);
    assert_eq!(gone["message"], "the account is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_asked_about_when_somebody_connects_and_is_gone_with_the_pairing() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let ban = async || {
        fake.refuse(CLINIC, Failure::TemporaryBan { code: 101, seconds: 3_600 });
        fake.drop_connection(CLINIC);
        eventually("the ban is told", 20, async || {
            (app.client.account(&id).await["lastError"]["code"] == "temporarily_banned").then_some(())
        })
        .await;
    };
    ban().await;
    // It still is: whoever asks is told again.
    app.client.connect(&id).await;
    eventually("the ban is told again", 20, async || {
        let account = app.client.account(&id).await;
        (account["lastError"]["code"] == "temporarily_banned" && account["restrictedUntil"].is_string()).then_some(())
    })
    .await;
    fake.readmit(CLINIC);
    app.client.connect(&id).await;
    app.client.status(&id, "CONNECTED").await;
    ban().await;
    fake.readmit(CLINIC);
    let out = log_out(&app, &id).await;
    assert_eq!((&out["restrictedUntil"], &out["lastError"]["code"]), (&Value::Null, &json!("still_linked")), "{out}");
    pair(&app.client, &fake, &id, CLINIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_another_way_to_pair_gets_it() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = account(&app.client, json!({})).await;
    app.client.connect(&id).await;
    let scanned = code(&app.client, &id).await;
    assert!(scanned.contains(','), "{scanned}");
    let by_code = json!({"method": "code", "phoneNumber": CLINIC});
    app.client.post(&format!("/api/accounts/{id}/connect"), by_code.clone()).await.expect(200);
    let typed = eventually("there is a code to type", 30, async || {
        let shown = code(&app.client, &id).await;
        (!shown.contains(',')).then_some(shown)
    })
    .await;
    // Asked for again, it stays.
    app.client.post(&format!("/api/accounts/{id}/connect"), by_code).await.expect(200);
    assert_eq!(code(&app.client, &id).await, typed);
    app.client.connect(&id).await;
    eventually("there is one to scan again", 30, async || code(&app.client, &id).await.contains(',').then_some(()))
        .await;
    let group = json!({"method": "code", "phoneNumber": "120363@g.us"});
    app.client.post(&format!("/api/accounts/{id}/connect"), group).await.expect(400);
}
