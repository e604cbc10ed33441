//! How much one address may take: connections, event streams, requests, handshakes. An address of
//! IPv6 is its /64, and one of IPv4 that is written as IPv6 is that of IPv4.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Client, TestApp, eventually};

/// Two of this machine's own addresses.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
const KEY: &str = "a-key-of-the-operator";

/// A connection to the server from one of this machine's addresses.
struct Line(TcpStream);

impl Line {
    async fn from(address: IpAddr, client: &Client) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let server = client.url.strip_prefix("http://").unwrap().parse().unwrap();
        Self(socket.connect(server).await.unwrap())
    }

    /// Asks, and reads the answer's head; none: the connection was closed without one.
    async fn ask(&mut self, path: &str) -> Option<String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.ok()?;
        let mut heard = Vec::new();
        let read = async {
            while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
                if self.0.read_buf(&mut heard).await.unwrap_or(0) == 0 {
                    return heard.is_empty().then_some(());
                }
            }
            Some(())
        };
        let read = tokio::time::timeout(std::time::Duration::from_secs(20), read).await;
        read.expect("answered or closed within 20 s").expect("not closed in the middle of an answer");
        (!heard.is_empty()).then(|| String::from_utf8(heard).unwrap())
    }

    /// The status of the answer; 0: it was closed without one.
    async fn status(&mut self, path: &str) -> u16 {
        let head = self.ask(path).await;
        head.map_or(0, |head| head.split(' ').nth(1).unwrap().parse().unwrap())
    }
}

/// An account, and the path of its events, which stay open as long as they are listened to.
async fn events(client: &Client) -> String {
    let account = client.create(json!({"name": "A", "config": {"scanAfterMs": null}})).await;
    format!("/qr/{account}/events")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_and_gets_them_back() {
    let app = TestApp::with(&[("ANDANTE_ADDRESS_CONNECTIONS", "4")]).await;
    let events = events(&app.client).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut line = Line::from(HERE, &app.client).await;
        assert_eq!(line.status(&events).await, 200);
        open.push(line);
    }
    for _ in 0..10 {
        assert_eq!(Line::from(HERE, &app.client).await.status("/health/live").await, 0, "closed without an answer");
    }
    assert_eq!(Line::from(THERE, &app.client).await.status("/health/live").await, 200, "others have their own");
    open.pop();
    eventually("a place is free", 20, async || {
        let status = Line::from(HERE, &app.client).await.status("/health/live").await;
        (status == 200).then_some(())
    })
    .await;
    // Who was in is not thrown out by who was not.
    for line in open {
        assert_ne!(line.0.try_read(&mut [0; 4_096]).ok(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_count_as_well() {
    let app = TestApp::with(&[("ANDANTE_ADDRESS_CONNECTIONS", "3")]).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(Line::from(HERE, &app.client).await);
    }
    // Workers take connections in turn, and each meets its own in the order in which they came: once
    // each has answered a later one, it has met these.
    let workers = std::thread::available_parallelism().unwrap().get();
    for number in 0..2 * workers {
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 1, u8::try_from(number % 250).unwrap() + 1));
        assert_eq!(Line::from(address, &app.client).await.status("/health/live").await, 200);
    }
    assert_eq!(Line::from(HERE, &app.client).await.status("/health/live").await, 0);
    // Who was in may speak later.
    assert_ne!(silent[0].status("/health/live").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cap_on_connections_can_be_off_and_is_behind_a_proxy() {
    let off = [("ANDANTE_ADDRESS_CONNECTIONS", "0")];
    let behind = [("ANDANTE_ADDRESS_CONNECTIONS", "2"), ("ANDANTE_BEHIND_PROXY", "true"), ("ANDANTE_HTTP_RATE", "0")];
    for settings in [off.as_slice(), &behind] {
        let app = TestApp::with(settings).await;
        let mut open = Vec::new();
        for _ in 0..20 {
            let mut line = Line::from(HERE, &app.client).await;
            assert_eq!(line.status("/health/live").await, 200, "{settings:?}");
            open.push(line);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_listens_to_so_many_pages_and_can_do_everything_else() {
    let app = TestApp::with(&[("ANDANTE_ADDRESS_STREAMS", "3")]).await;
    let events = events(&app.client).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut line = Line::from(HERE, &app.client).await;
        assert_eq!(line.status(&events).await, 200);
        open.push(line);
    }
    let head = Line::from(HERE, &app.client).await.ask(&events).await.unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 429") && head.contains("\r\nretry-after: "), "{head}");
    assert_eq!(Line::from(HERE, &app.client).await.status(&events.replace("events", "state")).await, 200);
    assert_eq!(Line::from(THERE, &app.client).await.status(&events).await, 200);
    open.pop();
    eventually("a place is free", 20, async || {
        (Line::from(HERE, &app.client).await.status(&events).await == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_cap_on_streams_unless_it_is_off() {
    let (capped, off) = (TestApp::start().await, TestApp::with(&[("ANDANTE_ADDRESS_STREAMS", "0")]).await);
    for (app, last) in [(capped, 429), (off, 200)] {
        let events = events(&app.client).await;
        let mut open = Vec::new();
        for number in 0..101 {
            let mut line = Line::from(HERE, &app.client).await;
            let status = line.status(&events).await;
            assert_eq!(status, if number < 100 { 200 } else { last }, "{number}");
            open.push(line);
        }
    }
}

/// A server behind a proxy, with a key of the operator's.
async fn behind_proxy(setting: (&str, &str)) -> (TestApp, Client) {
    let app = TestApp::with(&[
        ("ANDANTE_API_KEY", KEY),
        ("ANDANTE_BEHIND_PROXY", "true"),
        ("ANDANTE_HTTP_RATE", "0"),
        ("ANDANTE_SOCKET_HANDSHAKES", "0"),
        setting,
    ])
    .await;
    let operator = app.client.with_key(KEY);
    (app, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_those_of_a_whole_network() {
    let (app, operator) = behind_proxy(("ANDANTE_ADDRESS_STREAMS", "2")).await;
    let events = events(&operator).await;
    let mut open = Vec::new();
    for (from, status) in [
        ("2001:db8:1:2::1", 200),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", 200),
        ("2001:db8:1:2:3:4:5:6", 429),
        ("2001:db8:1:3::1", 200),
        ("203.0.113.7", 200),
        ("::ffff:203.0.113.7", 200),
        ("203.0.113.7", 429),
        ("::ffff:203.0.113.8", 200),
    ] {
        let client = app.client.from(from);
        let answer = client.request(Method::GET, &events).send().await.unwrap();
        assert_eq!(answer.status(), status, "{from}");
        if status == 429 {
            assert!(answer.headers()["Retry-After"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        }
        // Open for as long as it is held.
        open.push(answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_handshakes_are_those_of_a_whole_network() {
    let handshake = "/socket.io/?EIO=4&transport=polling";
    for (setting, path, good) in
        [("ANDANTE_HTTP_RATE", "/health/live", 200), ("ANDANTE_SOCKET_HANDSHAKES", handshake, 200)]
    {
        let (app, _) = behind_proxy((setting, "5")).await;
        let mut refused = 0;
        for number in 0..60 {
            let status = app.client.from(&format!("2001:db8:1:2::{number:x}")).get(path).await.status;
            assert!(status == good || status == 429, "{setting} {status}");
            refused += u32::from(status == 429);
        }
        assert!(refused > 0, "{setting}: one network makes sixty requests, and none is too many");
        assert_eq!(app.client.from("2001:db8:1:3::1").get(path).await.status, good, "{setting}");
    }
}

/// The server's program under a limit on descriptors, as a shell sets it; it is killed with the test.
#[cfg(target_os = "linux")]
async fn under(limit: &str) -> (tokio::process::Child, Client, tempfile::TempDir) {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let folder = tempfile::TempDir::new().unwrap();
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", &format!("ulimit {limit} && exec \"$0\""), env!("CARGO_BIN_EXE_andante")]);
    command.env("ANDANTE_BIND", "127.0.0.1:0").env("ANDANTE_DATA_DIR", folder.path().join("data"));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("it says where it listens");
        if let Some(url) = line.strip_prefix("Andante listens on ") {
            let client = Client::new(url);
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (child, client, folder);
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_server_takes_all_the_descriptors_it_may() {
    let (child, _client, _folder) = under("-Sn 256").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id().unwrap())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut numbers = line.split_whitespace();
    let (soft, hard) = (numbers.next().unwrap(), numbers.next().unwrap());
    assert_eq!(soft, hard);
    assert_ne!(hard, "256", "a limit that can be raised");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_a_quarter_of_the_descriptors_unless_it_is_said() {
    let (_child, client, _folder) = under("-n 400").await;
    let mut open = Vec::new();
    let served = loop {
        let mut line = Line::from(HERE, &client).await;
        if open.len() == 200 || line.status("/health/live").await == 0 {
            break open.len();
        }
        open.push(line);
    };
    // One that says nothing more is closed after a while, which a slow machine may see.
    assert!((100..200).contains(&served), "{served}");
    assert_eq!(Line::from(THERE, &client).await.status("/health/live").await, 200);
}
