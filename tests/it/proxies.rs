//! An account's proxy is no way into this machine or its network: neither by a literal address nor
//! by a name, unless the operator allows it; then it is used.

use std::net::IpAddr;

use serde_json::{Value, json};
use tokio::net::{TcpListener, lookup_host};

use crate::bot_api::{BotApi, token};
use crate::harness::{Client, Proxy, TestApp, eventually, never};

fn bot(proxy: &str) -> Value {
    json!({"name": "Bot", "provider": "telegram", "useLimits": false, "config": {"token": token(1)}, "proxy": proxy})
}

/// Listens where no proxy should be reached, and counts who comes.
struct Trap {
    listener: TcpListener,
    port: u16,
}

impl Trap {
    async fn set() -> Self {
        // On every address of this machine's.
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    async fn is_untouched(&self) {
        let accept = async || {
            let accept = self.listener.accept();
            tokio::time::timeout(std::time::Duration::from_millis(10), accept).await.is_ok()
        };
        never("somebody connects", 1, accept).await;
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// A name, other than `localhost`, that this machine resolves to an address of its own or nearby, if
/// it has one.
async fn private_name() -> Option<String> {
    let own = std::process::Command::new("hostname").output().ok().and_then(|said| String::from_utf8(said.stdout).ok());
    let names =
        [own.unwrap_or_default().trim().to_owned(), "ip6-localhost".to_owned(), "localhost.localdomain".to_owned()];
    for name in names.into_iter().filter(|name| !name.is_empty() && name != "localhost") {
        let addresses = lookup_host((name.as_str(), 1)).await.into_iter().flatten();
        if addresses.map(|address| address.ip()).any(is_private) {
            return Some(name);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_at_a_private_address_is_refused_when_it_is_given() {
    let trap = Trap::set().await;
    let app = TestApp::start().await;
    let id = app.client.create(bot("http://1.1.1.1:3128")).await;
    for host in [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "2130706433",
        "0x7f000001",
        "127.1",
    ] {
        let proxy = format!("http://{host}:{}", trap.port);
        let created = app.client.post("/api/accounts", bot(&proxy)).await;
        let changed = app.client.put(&format!("/api/accounts/{id}"), json!({ "proxy": proxy })).await;
        for answer in [created, changed] {
            assert_eq!(answer.status, 400, "{host}: {}", answer.body);
            let said = answer.refused(400, "invalid_request");
            assert_eq!(said["details"][0]["field"], "proxy", "{said}");
        }
    }
    for proxy in ["socks5://127.0.0.1:1080", "socks5h://[::1]:1080", "https://user:word@10.0.0.1", "socks5://localhost"]
    {
        app.client.post("/api/accounts", bot(proxy)).await.refused(400, "invalid_request");
    }
    for proxy in [
        "http://1.1.1.1:3128",
        "https://proxy.example.org",
        "socks5://user:word@9.9.9.9:1080",
        "socks5h://proxy.example.org:1080",
        "http://8.8.8.8",
        "http://172.32.0.1",
        "http://[2606:4700::1111]:3128",
    ] {
        app.client.post("/api/accounts", bot(proxy)).await.expect(201);
    }
    for proxy in ["ftp://1.1.1.1", "http://", "socks4://1.1.1.1", "1.1.1.1:3128", ""] {
        let said = app.client.post("/api/accounts", bot(proxy)).await.refused(400, "invalid_request");
        assert_eq!(said["details"][0]["field"], "proxy", "{said}");
    }
    trap.is_untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_uses_no_proxy_is_given_none() {
    let app = TestApp::start().await;
    let body = json!({"name": "A", "provider": "simulator", "proxy": "http://1.1.1.1:3128"});
    let said = app.client.post("/api/accounts", body).await.refused(400, "invalid_request");
    assert_eq!(said["details"][0]["field"], "proxy");
    let id = app.client.create(json!({"name": "A", "proxy": null})).await;
    let change = json!({"proxy": "http://1.1.1.1:3128"});
    let said = app.client.put(&format!("/api/accounts/{id}"), change).await.refused(400, "invalid_request");
    assert_eq!(said["details"][0]["field"], "proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_a_private_address_fails_the_account_and_is_not_connected_to() {
    let (trap, api) = (Trap::set().await, BotApi::start());
    let app = TestApp::with(&[("ANDANTE_TELEGRAM_API_URL", &api.url)]).await;
    let named = private_name().await.into_iter();
    let named = named.flat_map(|name| ["http", "socks5", "socks5h"].map(|scheme| format!("{scheme}://{name}")));
    // An address to resolvers, and to those who read URLs of these schemes a name.
    let short = ["socks5", "socks5h"].map(|scheme| format!("{scheme}://127.1"));
    for proxy in named.chain(short) {
        let id = app.client.create(bot(&format!("{proxy}:{}", trap.port))).await;
        app.client.connect(&id).await;
        let failed = app.client.status(&id, "FAILED").await;
        assert_eq!(failed["lastError"]["code"], "private_proxy", "{proxy}: {failed}");
    }
    trap.is_untouched().await;
    assert_eq!(api.complaints(), [""; 0]);
}

/// The bot gets in, and sends; only through the proxy can it.
async fn gets_in(client: &Client, proxy: &str, chat: &str) {
    let id = client.create(bot(proxy)).await;
    client.connect(&id).await;
    let connected = client.status(&id, "CONNECTED").await;
    assert_eq!(connected["displayName"], "@clinic_1001_bot");
    let sent = client.send(&id, chat, "through the proxy").await;
    client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    client.delete(&format!("/api/accounts/{id}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_operator_allows_it_a_private_proxy_is_used() {
    let api = BotApi::start();
    let target: u16 = api.url.rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(target).await;
    // Nobody but the proxy knows where that is.
    let settings = [("ANDANTE_TELEGRAM_API_URL", "http://telegram.invalid"), ("ANDANTE_PRIVATE_PROXIES", "true")];
    let app = TestApp::with(&settings).await;
    gets_in(&app.client, &format!("http://127.0.0.1:{}", proxy.port), "42").await;
    gets_in(&app.client, &format!("http://localhost:{}", proxy.port), "43").await;
    assert_eq!(api.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_was_allowed_once_is_not_connected_to_any_more() {
    let (trap, api) = (Trap::set().await, BotApi::start());
    let settings = [("ANDANTE_TELEGRAM_API_URL", api.url.as_str()), ("ANDANTE_PRIVATE_PROXIES", "true")];
    let mut app = TestApp::with(&settings).await;
    let id = app.client.create(bot(&format!("http://127.0.0.1:{}", trap.port))).await;
    app.client.connect(&id).await;
    eventually("it is used", 20, async || {
        tokio::time::timeout(std::time::Duration::from_millis(100), trap.listener.accept()).await.ok()
    })
    .await
    .unwrap();
    app.stop().await;
    // What was on its way when it stopped.
    while let Ok(come) = tokio::time::timeout(std::time::Duration::from_millis(10), trap.listener.accept()).await {
        come.unwrap();
    }
    app.set("ANDANTE_PRIVATE_PROXIES", "false");
    app.resume().await;
    let failed = app.client.status(&id, "FAILED").await;
    assert_eq!(failed["lastError"]["code"], "private_proxy");
    trap.is_untouched().await;
}
