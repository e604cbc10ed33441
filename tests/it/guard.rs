//! Who may call, how often, and from where; and what stops a start.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Binary, TestApp, guarded};

const KEY: &str = "a-key-of-the-administrator";

#[tokio::test(flavor = "multi_thread")]
async fn where_credentials_are_required_the_operators_key_opens_everything() {
    let app = TestApp::with(&[("ANDANTE_API_KEY", KEY), ("ANDANTE_AUTH", "required")]).await;
    let guarded = app.client.with_key(KEY);
    let account = guarded.create(json!({"name": "A"})).await;
    for client in [app.client.clone(), app.client.with_key("another-key-than-the-right-one")] {
        client.get(&format!("/api/accounts/{account}")).await.refused(401, "unauthorized");
    }
    let by_header = app.client.request(Method::GET, "/api/accounts").header("X-API-Key", KEY);
    app.client.run(by_header).await.expect(200);
    for open in ["/health", "/health/live", "/openapi.json"] {
        app.client.get(open).await.expect(200);
    }
    // The pairing page needs no key, and shows nothing but its one account.
    let state = app.client.get(&format!("/qr/{account}/state")).await.expect(200);
    assert!(state.get("limits").is_none() && state.get("queueLength").is_none(), "{state}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_told_when_to_come_back() {
    let settings = [("ANDANTE_API_KEY", KEY), ("ANDANTE_AUTH", "required"), ("ANDANTE_HTTP_RATE", "5")];
    let app = TestApp::with(&settings).await;
    let guarded = app.client.with_key(KEY);
    let mut refused = None;
    for _ in 0..50 {
        let answer = app.client.get("/health/live").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the sixth request within a second is one too many");
    assert!(refused.headers["Retry-After"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    refused.refused(429, "too_many_requests");
    // Who shows the key has a limit of his own; who makes one up does not.
    guarded.get("/api/accounts").await.expect(200);
    app.client.with_key("made-up").get("/api/accounts").await.refused(429, "too_many_requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_may_call_from_anywhere_or_from_the_listed_origins() {
    let preflight = async |app: &TestApp, origin: &str| {
        let request = app.client.request(Method::OPTIONS, "/api/messages/send");
        let request = request.header("Origin", origin).header("Access-Control-Request-Method", "POST");
        app.client.run(request.header("Access-Control-Request-Headers", "content-type,idempotency-key")).await
    };
    let anywhere = guarded(&[]).await;
    let answer = preflight(&anywhere, "https://clinic.example").await;
    assert_eq!(answer.headers["Access-Control-Allow-Origin"], "https://clinic.example");
    assert_eq!(answer.headers["Access-Control-Allow-Credentials"], "true");
    let listed = TestApp::with(&[("ANDANTE_CORS_ORIGINS", "https://clinic.example, https://crm.example")]).await;
    let answer = preflight(&listed, "https://crm.example").await;
    assert_eq!(answer.headers["Access-Control-Allow-Origin"], "https://crm.example");
    let answer = preflight(&listed, "https://evil.example").await;
    assert!(!answer.headers.contains_key("Access-Control-Allow-Origin"));
}

#[test]
fn a_start_that_can_not_be_meant_is_refused_with_what_to_change() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    for (settings, said) in [
        (vec![("ANDANTE_BIND", "0.0.0.0:0"), ("ANDANTE_AUTH", "open")], "ANDANTE_ALLOW_OPEN"),
        (vec![("ANDANTE_API_KEY", "short")], "ANDANTE_API_KEY"),
        (vec![("ANDANTE_BNID", "127.0.0.1:0")], "did you mean ANDANTE_BIND?"),
        (vec![("DATABASE_URL", "mysql://x")], "sqlite:// or postgres://"),
        (vec![("ANDANTE_CONFIG", "/nonexistent.toml")], "/nonexistent.toml"),
    ] {
        let mut all = vec![("ANDANTE_DATA_DIR", data.as_str()), ("ANDANTE_BIND", "127.0.0.1:0")];
        all.extend(settings);
        let (succeeded, output) = Binary::run(&all, &[]);
        assert!(!succeeded && output.contains(said), "{output}");
        assert!(!output.contains("panicked") && !output.contains('\u{1b}'), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_file_refuses_to_start() {
    let app = TestApp::start().await;
    let data = app.app().config.data_dir.display().to_string();
    let (succeeded, output) = Binary::run(&[("ANDANTE_DATA_DIR", &data), ("ANDANTE_BIND", "127.0.0.1:0")], &[]);
    assert!(!succeeded && output.contains("another process uses"), "{output}");
}

#[test]
fn the_command_line_prints_the_contract_and_the_settings() {
    let (succeeded, contract) = Binary::run(&[], &["openapi"]);
    assert!(succeeded);
    let contract: serde_json::Value = serde_json::from_str(&contract).unwrap();
    assert!(contract["openapi"].as_str().unwrap().starts_with("3.1"));
    let (succeeded, settings) = Binary::run(&[], &["settings"]);
    assert!(succeeded && settings.contains("ANDANTE_TELEGRAM_API_URL"));
}
