//! Bad input of every kind: its 4xx, a sentence, the one shape, and nothing changed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn bad_messages_get_a_sentence_and_change_nothing() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A"})).await;
    let good = json!({"accountId": account, "to": "77777777777", "message": "m"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let cases = [
        (with("accountId", json!("acc_nobody")), 404, "account_not_found"),
        (with("accountId", json!(7)), 400, "invalid_request"),
        (with("accountId", Value::Null), 400, "invalid_request"),
        (with("to", json!("")), 400, "invalid_request"),
        (with("to", json!("call me")), 422, "invalid_number"),
        (with("to", json!("123")), 422, "invalid_number"),
        (with("to", json!("7".repeat(200))), 400, "invalid_request"),
        (with("message", json!("")), 400, "invalid_request"),
        (with("message", json!("  \n ")), 400, "invalid_request"),
        (with("message", Value::Null), 400, "invalid_request"),
        (with("message", json!({"text": "m"})), 400, "invalid_request"),
        (with("message", json!("я".repeat(4_097))), 400, "invalid_request"),
        (with("message", json!("a\0b")), 400, "invalid_request"),
        (with("to", json!("7777777\u{0}7777")), 400, "invalid_request"),
        (with("reference", json!("r\0")), 400, "invalid_request"),
        (with("reference", json!("")), 400, "invalid_request"),
        (with("priority", json!(10)), 400, "invalid_request"),
        (with("priority", json!(-1)), 400, "invalid_request"),
        (with("priority", json!("high")), 400, "invalid_request"),
        (with("sendAt", json!("tomorrow")), 400, "invalid_request"),
        (with("expiresAt", json!("2001-01-01T00:00:00Z")), 400, "invalid_request"),
        (with("media", json!({"url": "http://127.0.0.1/y.png"})), 422, "media_unreachable"),
        (with("media", json!({})), 400, "invalid_request"),
        (with("media", json!([])), 400, "invalid_request"),
        (with("media", json!({"id": "med_1"})), 404, "media_not_found"),
        (with("media", json!({"id": "a", "url": "b"})), 400, "invalid_request"),
        (with("template", json!("both")), 400, "invalid_request"),
        (json!([]), 400, "invalid_request"),
        (json!("text"), 400, "invalid_request"),
        (json!({}), 400, "invalid_request"),
    ];
    for (body, status, code) in cases {
        println!("{body}");
        app.client.post("/api/messages/send", body).await.refused(status, code);
    }
    assert_eq!(app.client.get("/api/messages").await.expect(200)["pagination"]["total"], 0);
    assert_eq!(app.client.queue(&account).await["queueLength"], 0);
    // 4,096 characters are not too many, however many bytes they have; unknown fields are ignored.
    let mut most = with("message", json!("👋".repeat(4_096)));
    most["unheardOf"] = json!(1);
    app.client.post("/api/messages/send", most).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_even_json_is_refused_in_the_same_shape() {
    let app = TestApp::start().await;
    let send = |kind: &'static str, body: Vec<u8>| {
        let request = app.client.request(Method::POST, "/api/messages/send").header("Content-Type", kind).body(body);
        app.client.run(request)
    };
    let json = "application/json";
    send(json, b"{\"to\": ".to_vec()).await.refused(400, "invalid_json");
    send(json, vec![]).await.refused(400, "invalid_json");
    send(json, vec![0xff, 0xfe]).await.refused(400, "invalid_json");
    let deep = format!("{{\"unknown\": {}", "[".repeat(100_000));
    send(json, deep.into_bytes()).await.refused(400, "invalid_json");
    send("text/plain", b"{}".to_vec()).await.refused(415, "unsupported_media_type");
    send("application/x-www-form-urlencoded", b"to=1".to_vec()).await.refused(415, "unsupported_media_type");
    send(json, vec![b' '; 300_000]).await.refused(413, "too_large");
    let huge = app.client.request(Method::POST, "/api/messages/bulk").header("Content-Type", json);
    app.client.run(huge.body(vec![b' '; 33 * 1024 * 1024])).await.refused(413, "too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_addresses_methods_and_parameters_are_answered_in_the_same_shape() {
    let app = TestApp::start().await;
    for path in ["/nowhere", "/api", "/api/accounts/acc_x/nothing", "/static/qr.html", "/static/../Cargo.toml"] {
        app.client.get(path).await.refused(404, "address_not_found");
    }
    app.client.run(app.client.request(Method::PATCH, "/api/accounts")).await.refused(405, "method_not_allowed");
    app.client.delete("/health").await.refused(405, "method_not_allowed");
    app.client.get("/api/messages/msg_0").await.refused(404, "message_not_found");
    app.client.get("/api/accounts/acc_0/qr").await.refused(404, "account_not_found");
    for query in ["page=0", "limit=0", "limit=201", "status=lost", "cursor=x"] {
        app.client.get(&format!("/api/messages?{query}")).await.refused(400, "invalid_request");
    }
    for query in ["page=x", "from=yesterday", "limit=-1"] {
        app.client.get(&format!("/api/messages?{query}")).await.refused(400, "invalid_query");
    }
    let answer = app.client.get("/nowhere").await;
    assert_eq!(answer.headers["X-Request-Id"].len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_accounts_get_a_sentence_that_names_the_field() {
    let app = TestApp::start().await;
    for (account, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "n".repeat(201)}), "name"),
        (json!({"name": "a\0"}), "name"),
        (json!({"name": "A", "provider": "icq"}), "provider"),
        (json!({"name": "A", "provider": "telegram"}), "config"),
        (
            json!({"name": "A", "provider": "whatsapp", "config": {"token": "x"}}),
            if cfg!(feature = "whatsapp") { "config" } else { "provider" },
        ),
        (json!({"name": "A", "provider": "telegram", "config": {"token": "nonsense"}}), "config.token"),
        (json!({"name": "A", "provider": "telegram", "config": {"token": 7}}), "config.token"),
        (json!({"name": "A", "provider": "telegram", "config": {"tokens": "x"}}), "config.tokens"),
        (json!({"name": "A", "config": {"latency": 3}}), "config.latency"),
        (json!({"name": "A", "config": {"codes": 101}}), "config.codes"),
        (json!({"name": "A", "proxy": "http://1.1.1.1:3128"}), "proxy"),
        (json!({"name": "A", "limits": {"perMinute": 0}}), "limits.perMinute"),
        (json!({"name": "A", "limits": {"delayMs": [9, 1]}}), "limits.delayMs"),
        (json!({"name": "A", "limits": {"timezone": "Mars/Olympus"}}), "limits.timezone"),
        (json!({"name": "A", "limits": {"quietHours": ["22:00", "25:00"]}}), "limits.quietHours"),
    ] {
        println!("{account}");
        let body = app.client.post("/api/accounts", account).await.refused(400, "invalid_request");
        assert_eq!(body["details"][0]["field"], field);
    }
    app.client.post("/api/accounts", json!({"useLimits": true})).await.refused(400, "invalid_request");
    app.client.post("/api/accounts", json!({"name": "A", "useLimits": "no"})).await.refused(400, "invalid_request");
    assert_eq!(app.client.get("/api/accounts").await.expect(200)["pagination"]["total"], 0);
    let id = app.client.create(json!({"name": "A"})).await;
    let body = json!({"method": "code"});
    app.client.post(&format!("/api/accounts/{id}/connect"), body).await.refused(400, "invalid_request");
    app.client.put(&format!("/api/accounts/{id}"), json!({"name": ""})).await.refused(400, "invalid_request");
}
