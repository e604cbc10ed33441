//! How an account comes to be a phone's linked device, and stays it.

use andante::clock::Clock;
use andante::store::state::Which;
use fake_whatsapp::Failure;
use serde_json::{Value, json};

use super::{ANNA, BORIS, CLINIC, account, code, fake, pair, paired, received, send, settings, start, start_with};
use crate::harness::{Binary, TestApp, Tunnel, eventually, never};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_paired_by_a_scan_and_connects_without_one_after_a_restart() {
    let fake = fake().await;
    let mut app = start(&fake).await;
    let id = account(&app.client, json!({})).await;
    assert_eq!(app.client.account(&id).await["status"], "DISCONNECTED");
    app.client.connect(&id).await;
    let text = code(&app.client, &id).await;
    assert_eq!(app.client.account(&id).await["status"], "QR_READY");
    fake.scan(CLINIC, &text).unwrap();
    let connected = app.client.status(&id, "CONNECTED").await;
    assert_eq!(connected["phoneNumber"], format!("+{CLINIC}"));
    assert_eq!(connected["provider"], "whatsapp");
    app.stop().await;
    fake.wait_for_connections(CLINIC, 0).await;
    fake.phone_send(ANNA, CLINIC, "while you were away").unwrap();
    app.resume().await;
    app.client.status(&id, "CONNECTED").await;
    let message = send(&app.client, &id, ANNA, "back again").await;
    app.client.reaches(&message, &["delivered"]).await;
    eventually("what came meanwhile is there", 20, async || {
        super::chat(&app.client, &id, ANNA).await.contains(&("while you were away".to_owned(), false)).then_some(())
    })
    .await;
    assert_eq!(fake.devices(CLINIC).len(), 1, "it was paired once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_paired_by_a_code_that_is_typed_on_the_phone() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = account(&app.client, json!({})).await;
    let body = json!({"method": "code", "phoneNumber": format!("+{CLINIC}")});
    app.client.post(&format!("/api/accounts/{id}/connect"), body).await.expect(200);
    let text = code(&app.client, &id).await;
    assert!(text.len() == 9 && text.as_bytes()[4] == b'-', "{text}");
    let shown = app.client.get(&format!("/api/accounts/{id}/qr")).await.expect(200);
    assert_eq!(shown["qrCode"], Value::Null, "a code to type is no picture");
    fake.enter_code(CLINIC, &text).await.unwrap();
    assert_eq!(app.client.status(&id, "CONNECTED").await["phoneNumber"], format!("+{CLINIC}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_used_up_and_come_anew_when_somebody_looks() {
    let fake = fake().await;
    // As when nobody has scanned any of those that the server gave.
    fake.set_qr_refs(0);
    let app = start(&fake).await;
    let id = account(&app.client, json!({})).await;
    app.client.connect(&id).await;
    let idle = app.client.status(&id, "DISCONNECTED").await;
    assert_eq!(idle["lastError"]["code"], "pairing_expired");
    fake.wait_for("nobody waits to be paired", |fake| (fake.pairings() == 0).then_some(())).await;
    fake.set_qr_refs(6);
    let visits = fake.visits();
    // Nobody looks, so nothing is asked for; opening the page does.
    let has_asked = async || fake.visits() > visits;
    never("codes are asked for", 1, has_asked).await;
    app.client.post(&format!("/qr/{id}/start"), json!({})).await.expect(200);
    fake.scan(CLINIC, &code(&app.client, &id).await).unwrap();
    app.client.status(&id, "CONNECTED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_is_asked_for_is_told_as_what_it_is() {
    let fake = fake().await;
    let app = start(&fake).await;
    fake.demand_passkey(CLINIC, true);
    let id = account(&app.client, json!({})).await;
    app.client.connect(&id).await;
    let text = code(&app.client, &id).await;
    assert!(fake.scan(CLINIC, &text).is_err());
    let failed = app.client.status(&id, "FAILED").await;
    assert_eq!(failed["lastError"]["code"], "passkey_required");
    let state = app.client.get(&format!("/qr/{id}/state")).await.expect(200);
    assert!(state["error"].as_str().unwrap().contains("Passkeys"), "{state}");
    fake.demand_passkey(CLINIC, false);
    pair(&app.client, &fake, &id, CLINIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_held_when_another_number_is_paired_than_before() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let device = fake.devices(CLINIC)[0];
    assert!(fake.unlink(CLINIC, device));
    let out = app.client.status(&id, "DISCONNECTED").await;
    assert_eq!(out["lastError"]["code"], "logged_out");
    let message = send(&app.client, &id, ANNA, "from the right number only").await;
    pair(&app.client, &fake, &id, BORIS).await;
    let held = app.client.message(&message).await;
    assert_eq!((held["status"].as_str(), held["holdReason"].as_str()), (Some("queued"), Some("paused")), "{held}");
    assert_eq!(received(&fake, ANNA), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_removes_the_device_and_its_keys() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
    fake.wait_for("the device is gone", |fake| fake.devices(CLINIC).is_empty().then_some(())).await;
    let kept = async || app.app().store.entries(TestApp::id(&id), "session", Which::All).await;
    eventually("the keys are gone", 20, async || kept().await.ok()?.is_empty().then_some(())).await;
    // Paired anew, it is another device.
    pair(&app.client, &fake, &id, CLINIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_goes_through_its_proxy_and_nowhere_else() {
    let fake = fake().await;
    let port: u16 = fake.url().rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
    let tunnel = Tunnel::start().await;
    let app = start_with(&fake, &[("ANDANTE_PRIVATE_PROXIES", "true")], Clock::system()).await;
    for scheme in ["http", "socks5"] {
        let id = account(&app.client, json!({"proxy": format!("{scheme}://127.0.0.1:{}", tunnel.port)})).await;
        let before = tunnel.led_to(port);
        pair(&app.client, &fake, &id, CLINIC).await;
        assert!(tunnel.led_to(port) > before, "{scheme}");
        let message = send(&app.client, &id, ANNA, "through").await;
        app.client.reaches(&message, &["delivered"]).await;
        app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
        fake.wait_for_connections(CLINIC, 0).await;
    }
}

/// The program as it is shipped, which `make test` builds without what tests add.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_that_is_shipped_takes_no_server_for_whatsapp_that_is_not() {
    let fake = fake().await;
    let settings = settings(&fake);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let shipped = Binary::shipped(&settings);
    let id = account(&shipped.client, json!({})).await;
    shipped.client.connect(&id).await;
    // It comes, again and again, and hangs up when it sees the certificate.
    fake.wait_for("it has come twice", |fake| (fake.visits() >= 2).then_some(())).await;
    let code = async || shipped.client.get(&format!("/api/accounts/{id}/qr")).await.status == 200;
    never("a code of the fake is shown", 2, code).await;
    assert_eq!(shipped.client.account(&id).await["status"], "CONNECTING");
    // The one with what tests add does take it.
    let tested = Binary::start(&settings);
    let id = account(&tested.client, json!({})).await;
    pair(&tested.client, &fake, &id, CLINIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_whatsapp_refuses_is_told_as_such() {
    let fake = fake().await;
    let mut app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    app.stop().await;
    fake.refuse(CLINIC, Failure::ClientOutdated);
    app.resume().await;
    let failed = app.client.status(&id, "FAILED").await;
    assert_eq!(failed["lastError"]["code"], "client_outdated");
    assert!(failed["lastError"]["message"].as_str().unwrap().contains("ANDANTE_WHATSAPP_VERSION"));
    fake.readmit(CLINIC);
    app.client.connect(&id).await;
    app.client.status(&id, "CONNECTED").await;
}

#[test]
fn the_program_says_under_which_terms_it_is() {
    let (is_fine, said) = Binary::run(&[], &["--version"]);
    assert!(is_fine && said.contains("AGPL-3.0-only") && said.contains("--no-default-features"), "{said}");
}
