//! Who sees the code that pairs an account: those who may pair it. And what the public page tells
//! and does, which knows nobody.

use serde_json::{Value, json};

use crate::harness::{Company, Socket, TestApp, eventually, guarded, mark, never, ready_account};

const OPERATOR: &str = "a-key-of-the-operator";

/// A company, its account that waits to be scanned on command, and a manager who may do everything with it.
async fn unpaired(app: &TestApp) -> (Company, String, crate::harness::Manager) {
    let company = Company::register(&app.client, "clinic").await;
    let account = company.admin.create(json!({"name": "A", "config": {"scanAfterMs": null, "codeMs": 600_000}})).await;
    let manager = company.manager("anna").await;
    company.grant(&account, &manager, &["read", "write", "manage"]).await;
    (company, account, manager)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_and_the_link_are_for_those_who_may_pair() {
    let app = guarded(&[]).await;
    let (company, account, manager) = unpaired(&app).await;
    company.admin.connect(&account).await;
    company.admin.status(&account, "QR_READY").await;
    let all = app.client.with_key(&company.key("all").await);
    for client in [&company.admin, &all] {
        let shown = client.account(&account).await;
        let listed = client.get("/api/accounts").await.expect(200)["data"][0].clone();
        for shown in [shown, listed] {
            assert!(shown["qrCode"].as_str().unwrap().starts_with("data:image/png"), "{shown}");
            assert!(shown["qrUrl"].as_str().unwrap().ends_with(&format!("/qr/{account}")), "{shown}");
        }
        client.get(&format!("/api/accounts/{account}/qr")).await.expect(200);
    }
    let (send, read) = (company.key("send").await, company.key("read").await);
    for client in [manager.client, app.client.with_key(&send), app.client.with_key(&read)] {
        let shown = client.account(&account).await;
        let listed = client.get("/api/accounts").await.expect(200)["data"][0].clone();
        for shown in [shown, listed] {
            assert_eq!((&shown["qrCode"], &shown["qrUrl"]), (&Value::Null, &Value::Null), "{shown}");
            assert_eq!(shown["status"], "QR_READY", "what else there is, they see");
            assert!(shown.get("qrCode").is_some() && shown.get("qrUrl").is_some(), "null, not absent");
        }
        for path in ["accounts", "whatsapp/sessions"] {
            client.get(&format!("/api/{path}/{account}/qr")).await.refused(403, "forbidden");
        }
        let sessions = client.get("/api/whatsapp/sessions").await.expect(200);
        assert!(!sessions.to_string().contains("data:image"), "{sessions}");
    }
    // Where nobody signs in, everybody may pair.
    let open = TestApp::start().await;
    let account = open.client.create(json!({"name": "A", "config": {"scanAfterMs": null}})).await;
    assert!(open.client.account(&account).await["qrUrl"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_with_the_code_are_for_those_who_may_pair() {
    let app = guarded(&[("ANDANTE_API_KEY", OPERATOR)]).await;
    let (company, account, manager) = unpaired(&app).await;
    let mut may = Vec::new();
    for token in [company.token.clone(), company.key("all").await] {
        may.push(Socket::with_token(&app.client, &token).await);
    }
    let mut may_not = Vec::new();
    for token in [manager.token, company.key("send").await, company.key("read").await] {
        may_not.push(Socket::with_token(&app.client, &token).await);
    }
    company.admin.connect(&account).await;
    for socket in &mut may {
        assert!(socket.event("qr-updated").await["qrCode"].as_str().unwrap().starts_with("data:image/png"));
        assert!(socket.event("qr").await["qrCode"].is_string());
    }
    mark(&app, &account, "after");
    for (number, socket) in may_not.iter_mut().enumerate() {
        let heard = socket.until("typing-status").await;
        let told =
            |(name, payload): &(String, Value)| name.contains("qr") || payload.to_string().contains("data:image");
        assert!(!heard.iter().any(told), "number {number} is told the code");
    }
    // The operator, whose company it is, too.
    let operator = app.client.with_key(OPERATOR);
    let mut socket = Socket::with_token(&app.client, OPERATOR).await;
    let own = operator.create(json!({"name": "B", "config": {"scanAfterMs": null}})).await;
    operator.connect(&own).await;
    assert!(socket.event("qr-updated").await["qrCode"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_paired_account_tells_two_digits_of_its_number() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let number = app.client.account(&account).await["phoneNumber"].as_str().unwrap().to_owned();
    let state = app.client.get(&format!("/qr/{account}/state")).await.expect(200);
    assert_eq!(state["phoneNumber"], format!("…{}", &number[number.len() - 2..]));
    let mut events = reqwest::get(format!("{}/qr/{account}/events", app.client.url)).await.unwrap();
    let first = String::from_utf8(events.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    for said in [&first, &state.to_string()] {
        assert!(!said.contains(&number[1..]), "the number is in {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_link_pairs_while_pairing_is_open_and_not_after_a_logout() {
    let app = TestApp::start().await;
    let config = json!({"scanAfterMs": null, "codeMs": 600_000});
    let account = app.client.create(json!({"name": "A", "config": config})).await;
    let start = async || app.client.post(&format!("/qr/{account}/start"), json!({})).await.expect(200);
    let state = async || app.client.get(&format!("/qr/{account}/state")).await.expect(200);
    let disconnect = async |logout: bool| {
        let path = format!("/api/accounts/{account}/disconnect");
        app.client.post(&path, json!({ "logout": logout })).await.expect(200);
        app.client.status(&account, "DISCONNECTED").await;
    };
    let stage = || app.app().simulator.stage(TestApp::id(&account)).unwrap();
    // From creation on.
    assert_eq!(state().await["mayPair"], true);
    start().await;
    app.client.status(&account, "QR_READY").await;
    // A plain disconnect closes nothing.
    disconnect(false).await;
    assert_eq!(state().await["mayPair"], true);
    start().await;
    app.client.status(&account, "QR_READY").await;
    stage().scan();
    app.client.status(&account, "CONNECTED").await;
    // Lost on the phone: it is paired again by who has the link.
    stage().log_out();
    eventually("the pairing is lost", 20, async || {
        let state = state().await;
        (state["isPaired"] == false && state["status"] != "CONNECTED").then_some(())
    })
    .await;
    start().await;
    app.client.status(&account, "QR_READY").await;
    stage().scan();
    app.client.status(&account, "CONNECTED").await;
    // Logged out by an admin: it is not.
    disconnect(true).await;
    assert_eq!((&state().await["mayPair"], &state().await["isPaired"]), (&json!(false), &json!(false)));
    assert_eq!(start().await["status"], "DISCONNECTED");
    never("a stranger starts pairing", 1, async || app.client.account(&account).await["status"] != "DISCONNECTED")
        .await;
    // Nor is that forgotten by a restart.
    let mut app = app;
    app.stop().await;
    app.resume().await;
    let path = format!("/qr/{account}");
    let said = app.client.post(&format!("{path}/start"), json!({})).await.expect(200);
    assert_eq!((&said["status"], &said["mayPair"]), (&json!("DISCONNECTED"), &json!(false)));
    // Until an admin connects it.
    app.client.connect(&account).await;
    app.client.status(&account, "QR_READY").await;
    let plainly = json!({"logout": false});
    app.client.post(&format!("/api/accounts/{account}/disconnect"), plainly).await.expect(200);
    assert_eq!(app.client.get(&format!("{path}/state")).await.expect(200)["mayPair"], true);
    app.client.post(&format!("{path}/start"), json!({})).await.expect(200);
    app.client.status(&account, "QR_READY").await;
}
