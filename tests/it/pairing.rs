//! Pairing: codes that come, change and run out; and what the public page reads.

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::harness::{TestApp, eventually};

async fn unpaired(app: &TestApp, config: Value) -> String {
    app.client.create(json!({"name": "Клиника «Ак-Бата»", "config": config})).await
}

fn decode(picture: image::GrayImage) -> String {
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "one QR code is in the picture");
    grids[0].decode().unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_is_the_same_in_every_form_it_is_given_in() {
    let app = TestApp::start().await;
    let account = unpaired(&app, json!({"scanAfterMs": null})).await;
    let path = format!("/api/accounts/{account}/qr");
    let refused = app.client.get(&path).await.refused(409, "qr_not_available");
    assert!(refused["error"].as_str().unwrap().contains("DISCONNECTED"));
    app.client.connect(&account).await;
    let ready = app.client.status(&account, "QR_READY").await;
    let qr = app.client.get(&path).await.expect(200);
    let code = qr["code"].as_str().unwrap();
    assert_eq!(ready["qrCode"], qr["qrCode"]);
    assert!(qr["expiresAt"].is_string());
    use base64::Engine;
    let encoded = qr["qrCode"].as_str().unwrap().strip_prefix("data:image/png;base64,").unwrap();
    let png = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    assert_eq!(decode(image::load_from_memory(&png).unwrap().to_luma8()), code);
    let fetch = async |format: &str| {
        let url = format!("{}{path}?format={format}", app.client.url);
        let response = reqwest::get(url).await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, response.bytes().await.unwrap())
    };
    let (kind, body) = fetch("png").await;
    assert_eq!((kind.as_str(), &body[..]), ("image/png", &png[..]));
    let (kind, body) = fetch("txt").await;
    assert!(kind.starts_with("text/plain") && body == code.as_bytes());
    let (kind, body) = fetch("svg").await;
    assert!(kind == "image/svg+xml" && body.starts_with(b"<?xml"));
    app.client.get(&format!("{path}?format=gif")).await.refused(400, "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_renew_themselves_and_run_out_if_nobody_scans() {
    let app = TestApp::start().await;
    let account = unpaired(&app, json!({"scanAfterMs": null, "codeMs": 300, "codes": 3})).await;
    app.client.connect(&account).await;
    let mut seen = std::collections::HashSet::new();
    let out = eventually("the codes run out", 20, async || {
        let answer = app.client.get(&format!("/api/accounts/{account}/qr")).await;
        if answer.status == 200 {
            seen.insert(answer.body["code"].as_str().unwrap().to_owned());
        }
        let account = app.client.account(&account).await;
        (account["status"] == "DISCONNECTED").then_some(account)
    })
    .await;
    assert_eq!(seen.len(), 3);
    assert_eq!(out["lastError"]["code"], "pairing_expired");
    app.client.connect(&account).await;
    app.client.status(&account, "QR_READY").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_to_type_is_text_and_no_picture() {
    let app = TestApp::start().await;
    let account = unpaired(&app, json!({"scanAfterMs": null})).await;
    let body = json!({"method": "code", "phoneNumber": "+996 700 123456"});
    app.client.post(&format!("/api/accounts/{account}/connect"), body).await.expect(200);
    app.client.status(&account, "QR_READY").await;
    let qr = app.client.get(&format!("/api/accounts/{account}/qr")).await.expect(200);
    assert_eq!((qr["qrCode"].clone(), qr["code"].as_str().unwrap().len()), (Value::Null, 9));
    let state = app.client.get(&format!("/qr/{account}/state")).await.expect(200);
    assert_eq!(state["typedCode"], qr["code"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_told_of_every_step_and_starts_pairing_only_where_nobody_has() {
    let app = TestApp::start().await;
    let account = unpaired(&app, json!({"scanAfterMs": null})).await;
    let url = format!("{}/qr/{account}", app.client.url);
    let stream = reqwest::get(format!("{url}/events")).await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut bytes = stream.bytes_stream();
    let mut heard = String::new();
    let mut until = async |status: &str| {
        let wanted = format!("\"status\":\"{status}\"");
        let hear = async {
            while !heard.contains(&wanted) {
                heard += std::str::from_utf8(&bytes.next().await.unwrap().unwrap()).unwrap();
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), hear)
            .await
            .unwrap_or_else(|_| panic!("never {status}"));
    };
    until("DISCONNECTED").await;
    app.client.post(&format!("/qr/{account}/start"), json!({})).await.expect(200);
    until("QR_READY").await;
    app.app().simulator.stage(TestApp::id(&account)).unwrap().scan();
    until("CONNECTED").await;
    // Switched off on purpose: whoever has the link can't switch it on.
    app.client.post(&format!("/api/accounts/{account}/disconnect"), json!({})).await.expect(200);
    let state = app.client.post(&format!("/qr/{account}/start"), json!({})).await.expect(200);
    assert_eq!((&state["status"], &state["isPaired"]), (&json!("DISCONNECTED"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_with_a_strict_policy_and_an_unknown_one_is_a_page_too() {
    let app = TestApp::start().await;
    let account = unpaired(&app, json!({})).await;
    let get = async |path: &str| {
        let response = reqwest::get(format!("{}{path}", app.client.url)).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, response.text().await.unwrap())
    };
    for (path, expected) in [(format!("/qr/{account}"), 200), ("/qr/acc_nobody".to_owned(), 404)] {
        let (status, headers, body) = get(&path).await;
        assert_eq!(status, expected);
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(body.contains("<!doctype html>") && !body.contains("http://") && !body.contains("https://"));
        assert!(!body.contains("style=") && !body.contains("onclick="), "inline code");
    }
    let (status, headers, _) = get("/static/qr.js").await;
    assert_eq!((status.as_u16(), headers["content-type"].to_str().unwrap()), (200, "text/javascript; charset=utf-8"));
}
