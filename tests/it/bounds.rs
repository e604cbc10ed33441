//! What one address may take of the server, and to what the server may be sent.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bot_api::{BotApi, token};
use crate::harness::{Company, Proxy, Socket, TestApp, eventually, guarded};

/// Whether a new connection is answered; one that is closed at once hears nothing.
async fn is_answered(app: &TestApp) -> bool {
    let mut stream = TcpStream::connect(app.client.url.strip_prefix("http://").unwrap()).await.unwrap();
    let mut heard = Vec::new();
    let asked = stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    if asked.is_ok() {
        let _ = stream.read_to_end(&mut heard).await;
    }
    assert!(heard.is_empty() || heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard));
    !heard.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_and_gets_them_back() {
    let app = TestApp::with(&[("ANDANTE_ADDRESS_CONNECTIONS", "3")]).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(Socket::enter(&app.client, json!({})).await.socket());
    }
    for _ in 0..20 {
        assert!(!is_answered(&app).await, "a WebSocket is a connection as long as it lasts");
    }
    sockets.pop();
    // What was closed at once took no place.
    eventually("one has ended", 20, async || is_answered(&app).await.then_some(())).await;
    eventually("and the other, too", 20, async || is_answered(&app).await.then_some(())).await;
    drop(sockets);
    let behind = TestApp::with(&[
        ("ANDANTE_ADDRESS_CONNECTIONS", "1"),
        ("ANDANTE_BEHIND_PROXY", "true"),
        ("ANDANTE_API_KEY", "a-key-of-the-operator"),
    ])
    .await;
    let _first = Socket::with_token(&behind.client, "a-key-of-the-operator").await;
    assert!(is_answered(&behind).await, "all connections are the proxy's");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_have_so_many_pages_open_and_its_network_is_one() {
    let app = guarded(&[("ANDANTE_ADDRESS_STREAMS", "2"), ("ANDANTE_BEHIND_PROXY", "true")]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = company.admin.create(json!({"name": "A"})).await;
    let open = async |from: &str| {
        let request = app.client.request(Method::GET, &format!("/qr/{account}/events"));
        request.header("X-Forwarded-For", from).send().await.unwrap()
    };
    let first = open("2001:db8:1:2::1").await;
    let second = open("2001:db8:1:2:ffff::7").await;
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    let third = open("2001:db8:1:2::3").await;
    assert_eq!(third.status(), 429);
    assert!(third.headers().contains_key("Retry-After"));
    assert!(third.text().await.unwrap().contains("too_many_requests"));
    for other in ["2001:db8:1:3::1", "203.0.113.7", "::ffff:203.0.113.7"] {
        assert_eq!(open(other).await.status(), 200, "{other}");
    }
    drop(first);
    eventually("a page was closed", 40, async || (open("2001:db8:1:2::3").await.status() == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_s_pages_load_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    for path in ["/docs/", "/docs/swagger-initializer.js", "/docs/nowhere"] {
        let answer = app.client.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{path}: {policy}");
    }
}

fn bot(proxy: &str) -> Value {
    json!({"name": "Bot", "provider": "telegram", "config": {"token": token(1)}, "proxy": proxy})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_on_this_machine_is_used_where_that_is_allowed() {
    let api = BotApi::start();
    let proxy = Proxy::start(api.url.rsplit(':').next().unwrap().parse().unwrap()).await;
    // Only through the proxy is anybody there.
    let settings = [("ANDANTE_TELEGRAM_API_URL", "http://telegram.invalid"), ("ANDANTE_PRIVATE_PROXIES", "true")];
    let app = TestApp::with(&settings).await;
    for host in ["127.0.0.1", "localhost"] {
        let account = app.client.create(bot(&format!("http://{host}:{}", proxy.port))).await;
        app.client.connect(&account).await;
        app.client.status(&account, "CONNECTED").await;
        app.client.delete(&format!("/api/accounts/{account}")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_into_the_servers_own_network_by_a_proxy() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "2130706433"] {
        let refused = company.admin.post("/api/accounts", bot(&format!("http://{host}:{port}"))).await;
        assert_eq!(refused.refused(400, "invalid_request")["details"][0]["field"], "proxy", "{host}");
    }
    // A name that leads here: what the system's resolver makes of it, and we do not.
    for scheme in ["socks5", "socks5h"] {
        let account = company.admin.create(bot(&format!("{scheme}://127.1:{port}"))).await;
        company.admin.connect(&account).await;
        let failed = company.admin.status(&account, "FAILED").await;
        assert_eq!(failed["lastError"]["code"], "private_proxy");
    }
    assert!(trap.accept().is_err(), "somebody connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_the_server_to_himself_may_let_it_break() {
    let breaking = json!({"name": "A", "config": {"faults": ["fine", "crash"]}});
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let refused = company.admin.post("/api/accounts", breaking.clone()).await.refused(400, "invalid_request");
    assert_eq!(refused["details"][0]["field"], "config.faults");
    TestApp::start().await.client.create(breaking).await;
}
