//! Sessions under `/api/whatsapp` have no dead ends: what ran out or was disconnected is taken up
//! again there, the limit counts what is switched on, and each has somebody who made it.

use serde_json::{Value, json};

use crate::harness::{Client, Company, TestApp, eventually, guarded, never, ready_account};

async fn session(client: &Client, config: Value) -> String {
    let made = client.post("/api/whatsapp/sessions", json!({"config": config})).await.expect(201);
    made["data"]["sessionId"].as_str().unwrap().to_owned()
}

async fn disconnect(client: &Client, session: &str) {
    client.post(&format!("/api/whatsapp/sessions/{session}/disconnect"), json!({})).await.expect(200);
    client.status(session, "DISCONNECTED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_disconnected_is_connected_again() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let made = company.admin.post("/api/whatsapp/sessions", json!({"config": {"scanAfterMs": 0}})).await.expect(201);
    let id = made["data"]["sessionId"].as_str().unwrap();
    company.admin.status(id, "CONNECTED").await;
    disconnect(&company.admin, id).await;
    let path = format!("/api/whatsapp/sessions/{id}/connect");
    let again = company.admin.post(&path, json!({})).await.expect(200);
    let keys = |said: &Value| said["data"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((&again["success"], keys(&again)), (&json!(true), keys(&made)));
    assert_eq!((&again["data"]["sessionId"], &again["data"]["isActive"]), (&json!(id), &json!(true)));
    company.admin.status(id, "CONNECTED").await;
    // Not everybody's to do, and of nobody else's.
    let manager = company.manager("anna").await;
    company.grant(id, &manager, &["read", "write", "manage"]).await;
    manager.client.post(&path, json!({})).await.refused(403, "forbidden");
    for scope in ["read", "send"] {
        app.client.with_key(&company.key(scope).await).post(&path, json!({})).await.refused(403, "forbidden");
    }
    app.client.with_key(&company.key("all").await).post(&path, json!({})).await.expect(200);
    let other = Company::register(&app.client, "other").await;
    other.admin.post(&path, json!({})).await.refused(404, "account_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_the_code_of_a_session_whose_codes_ran_out_brings_new_ones() {
    let app = TestApp::start().await;
    let id = session(&app.client, json!({"scanAfterMs": null, "codeMs": 500, "codes": 1})).await;
    for _ in 0..2 {
        let out = app.client.status(&id, "DISCONNECTED").await;
        assert_eq!(out["lastError"]["code"], "pairing_expired");
        let asked = app.client.get(&format!("/api/whatsapp/sessions/{id}/qr")).await.expect(200);
        assert_eq!(asked["data"], json!({"qrCode": null, "status": "CONNECTING"}));
        eventually("there is a code", 20, async || {
            let asked = app.client.get(&format!("/api/whatsapp/sessions/{id}/qr")).await.expect(200);
            asked["data"]["qrCode"].as_str()?.starts_with("data:image/png").then_some(())
        })
        .await;
    }
    // Under the accounts' own address a GET starts nothing: there is a POST for it.
    app.client.status(&id, "DISCONNECTED").await;
    app.client.get(&format!("/api/accounts/{id}/qr")).await.refused(409, "qr_not_available");
    app.client.status(&id, "DISCONNECTED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_the_code_after_a_plain_disconnect_starts_anew_and_after_a_logout_does_not() {
    let app = TestApp::start().await;
    let id = session(&app.client, json!({"scanAfterMs": null})).await;
    app.client.status(&id, "QR_READY").await;
    disconnect(&app.client, &id).await;
    app.client.get(&format!("/api/whatsapp/sessions/{id}/qr")).await.expect(200);
    app.client.status(&id, "QR_READY").await;
    app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
    app.client.status(&id, "DISCONNECTED").await;
    // One that is paired is switched on by a connect alone, and one that never was connected, too.
    let paired = ready_account(&app.client, json!({})).await;
    disconnect(&app.client, &paired).await;
    let new = app.client.create(json!({"name": "New"})).await;
    let all = [&id, &paired, &new];
    for id in all {
        let asked = app.client.get(&format!("/api/whatsapp/sessions/{id}/qr")).await.expect(200);
        assert_eq!(asked["data"], json!({"qrCode": null, "status": "DISCONNECTED"}));
        app.client.get(&format!("/api/accounts/{id}/qr")).await.refused(409, "qr_not_available");
    }
    let any_moves = async || {
        for id in all {
            if app.client.account(id).await["status"] != "DISCONNECTED" {
                return true;
            }
        }
        false
    };
    never("one of them starts", 1, any_moves).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_counts_what_is_switched_on() {
    let app = TestApp::with(&[("ANDANTE_COMPANY_ACCOUNTS", "1")]).await;
    let config = json!({"scanAfterMs": null});
    let first = session(&app.client, config.clone()).await;
    app.client.post("/api/whatsapp/sessions", json!({})).await.refused(409, "too_many_accounts");
    disconnect(&app.client, &first).await;
    let second = session(&app.client, config.clone()).await;
    for path in [format!("/api/whatsapp/sessions/{first}/connect"), format!("/api/accounts/{first}/connect")] {
        app.client.post(&path, json!({})).await.refused(409, "too_many_accounts");
    }
    app.client.get(&format!("/api/whatsapp/sessions/{second}/qr")).await.expect(200);
    // One that is on may be connected again; it is none more.
    app.client.connect(&second).await;
    disconnect(&app.client, &second).await;
    app.client.post(&format!("/api/whatsapp/sessions/{first}/connect"), json!({})).await.expect(200);
    app.client.post(&format!("/api/accounts/{second}/connect"), json!({})).await.refused(409, "too_many_accounts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_always_has_somebody_who_made_it() {
    let open = TestApp::start().await;
    let made = open.client.post("/api/whatsapp/sessions", json!({})).await.expect(201);
    assert!(made["data"]["adminId"].as_str().unwrap().starts_with("usr_"), "{made}");
    let listed = open.client.get("/api/whatsapp/sessions").await.expect(200);
    let operator = json!({"firstName": "Operator", "lastName": "", "email": "operator@localhost"});
    assert_eq!(listed["data"][0]["admin"], operator);
    let app = guarded(&[("ANDANTE_API_KEY", "a-key-of-the-operator")]).await;
    let company = Company::register(&app.client, "clinic").await;
    let me = company.admin.get("/api/auth/me").await.expect(200)["user"]["id"].clone();
    // A key's session is the first admin's.
    let key = app.client.with_key(&company.key("all").await);
    for client in [&company.admin, &key] {
        let made = client.post("/api/whatsapp/sessions", json!({})).await.expect(201);
        assert_eq!(made["data"]["adminId"], me, "{made}");
    }
    let listed = company.admin.get("/api/whatsapp/sessions").await.expect(200);
    for session in listed["data"].as_array().unwrap() {
        let admin = json!({"firstName": "Ivan", "lastName": "Petrov", "email": "admin@clinic.example"});
        assert_eq!(session["admin"], admin);
    }
    // The operator's own company has no people.
    let by_operator = app.client.with_key("a-key-of-the-operator");
    let made = by_operator.post("/api/whatsapp/sessions", json!({})).await.expect(201);
    assert!(made["data"]["adminId"].as_str().unwrap().starts_with("usr_"), "{made}");
    let listed = by_operator.get("/api/whatsapp/sessions").await.expect(200);
    assert_eq!(listed["data"][0]["admin"], operator);
}
