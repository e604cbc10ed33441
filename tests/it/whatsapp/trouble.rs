//! What goes wrong at WhatsApp: each told as what it is, with the lane's right reaction.

use fake_whatsapp::Failure;
use serde_json::json;

use super::{ANNA, CLINIC, fake, pair, paired, received, send, start, start_with};
use crate::harness::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_drops_comes_back_and_nothing_is_lost() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    fake.pause().await;
    let message = send(&app.client, &id, ANNA, "waits for the network").await;
    let page = eventually("it is told why it waits", 20, async || {
        let page = app.client.get(&format!("/qr/{id}/state")).await.body;
        (page["errorCode"] == "unreached").then_some(page)
    })
    .await;
    assert_eq!(page["status"], "CONNECTING");
    assert_eq!(app.client.account(&id).await["lastError"]["code"], "unreached");
    assert_eq!(app.client.message(&message).await["status"], "queued");
    fake.resume().await;
    app.client.reaches(&message, &["delivered"]).await;
    assert_eq!(received(&fake, ANNA), ["waits for the network"]);
    assert_eq!(app.client.account(&id).await["lastError"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_removed_on_the_phone_is_logged_out_and_its_queue_waits() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let device = fake.devices(CLINIC)[0];
    assert!(fake.unlink(CLINIC, device));
    let out = app.client.status(&id, "DISCONNECTED").await;
    assert_eq!(out["lastError"]["code"], "logged_out");
    assert!(out["lastError"]["message"].as_str().unwrap().contains("Linked devices"), "{out}");
    let message = send(&app.client, &id, ANNA, "waits for the next pairing").await;
    assert_eq!(app.client.message(&message).await["status"], "queued");
    pair(&app.client, &fake, &id, CLINIC).await;
    app.client.reaches(&message, &["delivered"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_with_the_same_keys_stops_the_account_until_somebody_connects_it() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    assert_eq!(fake.replace(CLINIC), 1);
    assert_eq!(app.client.status(&id, "FAILED").await["lastError"]["code"], "replaced");
    app.client.connect(&id).await;
    app.client.status(&id, "CONNECTED").await;
    let message = send(&app.client, &id, ANNA, "mine again").await;
    app.client.reaches(&message, &["delivered"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_ban_is_shown_with_its_end_and_over_then() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    fake.refuse(CLINIC, Failure::TemporaryBan { code: 101, seconds: 3 });
    fake.drop_connection(CLINIC);
    let banned = eventually("the ban is told", 20, async || {
        let account = app.client.account(&id).await;
        (account["lastError"]["code"] == "temporarily_banned").then_some(account)
    })
    .await;
    assert!(banned["restrictedUntil"].is_string() && banned["status"] == "CONNECTING", "{banned}");
    assert!(banned["lastError"]["message"].as_str().unwrap().contains("too many people"), "{banned}");
    let page = app.client.get(&format!("/qr/{id}/state")).await.body;
    assert!(page["error"].as_str().is_some_and(|said| said.contains("too many people")), "{page}");
    let logins = fake.logins(CLINIC);
    let message = send(&app.client, &id, ANNA, "after the ban").await;
    fake.readmit(CLINIC);
    app.client.reaches(&message, &["delivered"]).await;
    assert_eq!(fake.logins(CLINIC), logins + 1, "it did not knock while it was banned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_account_is_told_as_such() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    fake.refuse(CLINIC, Failure::Locked);
    fake.drop_connection(CLINIC);
    let locked = app.client.status(&id, "DISCONNECTED").await;
    assert_eq!(locked["lastError"]["code"], "account_locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_sealed_with_the_servers_secret_key_and_moved_to_another() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let fake = fake().await;
    let (one, other) = (STANDARD.encode([1; 32]), STANDARD.encode([2; 32]));
    let mut app = start_with(&fake, &[("ANDANTE_SECRET_KEY", &one)], andante::clock::Clock::system()).await;
    let id = paired(&app.client, &fake).await;
    let url = app.app().config.database_url.clone();
    app.stop().await;
    let values = sealed(&url).await;
    assert!(!values.is_empty() && values.iter().all(|value| value[0] == 1), "every value is sealed");
    let (is_done, said) = crate::harness::Binary::run_with(
        &[("DATABASE_URL", &url), ("ANDANTE_SECRET_KEY", &one)],
        &["rekey"],
        &format!("{other}\n"),
    );
    assert!(is_done, "{said}");
    assert_ne!(sealed(&url).await, values);
    app.set("ANDANTE_SECRET_KEY", &other);
    app.resume().await;
    app.client.status(&id, "CONNECTED").await;
    let message = send(&app.client, &id, ANNA, "with the new key").await;
    app.client.reaches(&message, &["delivered"]).await;
    assert_eq!(json!(fake.devices(CLINIC).len()), 1);
}

async fn sealed(url: &str) -> Vec<Vec<u8>> {
    use sea_orm::{ConnectionTrait, Database, Statement};
    let db = Database::connect(url).await.unwrap();
    let sql = "SELECT value FROM gateway_state ORDER BY account_id, kind, key";
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    let values = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    db.close().await.unwrap();
    values
}
