//! What is decided before anybody reads what a request says: where it comes from, who makes it, how
//! it may be written, and how long it may take.

use std::time::Duration;

use andante::clock::Clock;
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Company, Socket, TestApp, guarded};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_server_serves_this_machine_alone() {
    let app =
        TestApp::with(&[("ANDANTE_HOSTS", "andante"), ("ANDANTE_CORS_ORIGINS", "https://desk.example.org")]).await;
    let port = app.client.url.rsplit(':').next().unwrap().to_owned();
    let ask = async |name: &str, value: &str| {
        let request = app.client.request(Method::POST, "/api/accounts").json(&json!({"name": "A"}));
        app.client.run(request.header(name, value)).await
    };
    for host in ["evil.example.org", "evil.example.org:3000", "localhost.example.org", "10.0.0.1"] {
        ask("Host", host).await.refused(403, "foreign_host");
    }
    for host in [format!("localhost:{port}"), "127.0.0.1".to_owned(), "[::1]:1".to_owned(), "andante:3000".to_owned()] {
        ask("Host", &host).await.expect(201);
    }
    for origin in ["https://evil.example.org", "null", "http://localhost.example.org"] {
        let refused = ask("Origin", origin).await;
        assert!(!refused.headers.contains_key("access-control-allow-origin"), "{origin} may read the answer");
        refused.refused(403, "foreign_origin");
        let request = app.client.request(Method::OPTIONS, "/api/accounts").header("Origin", origin);
        let asked = app.client.run(request.header("Access-Control-Request-Method", "POST")).await;
        assert!(!asked.headers.contains_key("access-control-allow-origin"), "{origin} may ask");
    }
    for origin in ["http://localhost:5173", "http://127.0.0.1", "https://desk.example.org"] {
        let answer = ask("Origin", origin).await;
        assert_eq!(answer.headers["access-control-allow-origin"], origin);
        answer.expect(201);
    }
    // A WebSocket is no different, nor are pages and metrics.
    Socket::enter_from(&app.client, &[("Origin", "http://localhost:1")]).await.socket();
    let socket = "/socket.io/?EIO=4&transport=polling";
    for path in [socket, "/metrics", "/health", "/docs/", "/qr/acc_00000000000000000000000000/state"] {
        let request = app.client.request(Method::GET, path).header("Origin", "https://evil.example.org");
        app.client.run(request).await.refused(403, "foreign_origin");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_users_or_keys_in_open_mode() {
    let app = TestApp::start().await;
    let user = json!({"companyName": "C", "email": "a@b.example", "password": "correct horse"});
    for path in ["/api/auth/register", "/api/auth/login", "/api/managers", "/api/api-keys"] {
        app.client.post(path, user.clone()).await.refused(403, "open_mode");
    }
    assert_eq!(app.client.get("/api/api-keys").await.expect(200)["pagination"]["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_calls_is_decided_before_what_they_say_is_read() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = company.admin.create(json!({"name": "A"})).await;
    let read = app.client.with_key(&company.key("read").await);
    let paths = [
        (Method::POST, "/api/messages/send".to_owned()),
        (Method::POST, "/api/messages/bulk".to_owned()),
        (Method::POST, "/api/accounts".to_owned()),
        (Method::PUT, format!("/api/accounts/{account}")),
        (Method::POST, "/api/managers".to_owned()),
        (Method::POST, "/api/whatsapp/send".to_owned()),
    ];
    for (method, path) in paths {
        for body in ["", "{", "[1]", "{\"a\": \"\u{1}\"}"] {
            let request = |client: &crate::harness::Client| {
                let request = client.request(method.clone(), &path);
                request.header("Content-Type", "application/json").body(body)
            };
            let nobody = app.client.with_key("made up, and long enough to be one");
            nobody.run(request(&nobody)).await.refused(401, "unauthorized");
            app.client.run(request(&app.client)).await.refused(401, "unauthorized");
            read.run(request(&read)).await.refused(403, "forbidden");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_taken_as_it_is_or_not_at_all() {
    let app = TestApp::start().await;
    for coding in ["gzip", "br", "deflate", "zstd", "gzip, gzip"] {
        for path in ["/api/auth/login", "/api/messages/send", "/api/messages/bulk", "/api/accounts"] {
            let request = app.client.request(Method::POST, path).header("Content-Encoding", coding);
            let request = request.header("Content-Type", "application/json").body(vec![0; 1_000]);
            app.client.run(request).await.refused(415, "unsupported_media_type");
        }
    }
    let request = app.client.request(Method::POST, "/api/accounts").header("Content-Encoding", "identity");
    app.client.run(request.json(&json!({"name": "A"}))).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let start: DateTime<Utc> = "2026-03-02T09:00:00Z".parse().unwrap();
    let clock = Clock::manual(start);
    let app = TestApp::on(&[], clock.clone()).await;
    let address = app.client.url.strip_prefix("http://").unwrap();
    for path in ["/api/accounts", "/api/messages/bulk"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut answer, mut part) = (Vec::new(), [0; 4_096]);
        crate::harness::eventually("it is answered, and the connection closed", 20, async || {
            // Whenever it began to wait: half a minute later it does not any more.
            clock.advance_to(clock.now() + Duration::from_secs(31));
            match stream.try_read(&mut part) {
                Ok(0) => Some(()),
                Ok(count) => {
                    answer.extend_from_slice(&part[..count]);
                    None
                }
                Err(_) => None,
            }
        })
        .await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_under_one_key_is_one_account_s() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let (first, second) =
        (company.admin.create(json!({"name": "A"})).await, company.admin.create(json!({"name": "B"})).await);
    let manager = company.manager("olga").await;
    company.grant(&second, &manager, &["read", "write"]).await;
    let bulk = async |client: &crate::harness::Client, account: &str| {
        let body = json!({"accountId": account, "messages": [{"to": "77777777777", "message": "m"}]});
        client.run(client.request(Method::POST, "/api/messages/bulk").header("Idempotency-Key", "k").json(&body)).await
    };
    let accepted = bulk(&company.admin, &first).await.expect(202);
    let other = bulk(&manager.client, &second).await;
    let id = accepted["results"][0]["messageId"].as_str().unwrap();
    assert!(!other.body.to_string().contains(id), "it is told of another account's message");
    other.refused(409, "idempotency_key_taken");
    assert_eq!(
        bulk(&company.admin, &first).await.expect(202)["results"][0]["messageId"],
        accepted["results"][0]["messageId"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_not_to_guess_and_refusals_can_be_read_elsewhere() {
    let app = guarded(&[("ANDANTE_HTTP_RATE", "4")]).await;
    let mut statuses = Vec::new();
    for path in ["/health/live", "/docs/", "/nowhere", "/api/accounts", "/api/accounts", "/api/accounts"] {
        let request = app.client.request(Method::GET, path).header("Origin", "https://desk.example.org");
        let answer = app.client.run(request).await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(
            answer.headers["access-control-allow-origin"], "https://desk.example.org",
            "{path} {}",
            answer.status
        );
        statuses.push(answer.status.as_u16());
    }
    assert!(statuses.contains(&401) && statuses.contains(&404) && statuses.contains(&429), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_line_before_the_proxy_s_own_switches_no_limit_off() {
    let app =
        TestApp::with(&[("ANDANTE_AUTH", "required"), ("ANDANTE_BEHIND_PROXY", "true"), ("ANDANTE_LOGIN_RATE", "5")])
            .await;
    let mut refused = 0;
    for number in 0..20 {
        let body = json!({"email": format!("user{number}@b.example"), "password": "wrong horse"});
        let request = app.client.request(Method::POST, "/api/auth/login").json(&body);
        let request = request.header("X-Forwarded-For", format!("10.0.0.{number}"));
        let answer = app.client.run(request.header("X-Forwarded-For", format!("1.1.1.{number}, 203.0.113.7"))).await;
        refused += u32::from(answer.status == 429);
    }
    assert!(refused >= 10, "only {refused} of 20 were refused");
}
