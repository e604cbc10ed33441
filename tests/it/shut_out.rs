//! Connections of Socket.IO clients that left, were shut out or never said who they are: they end.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Company, Poll, Socket, TestApp, eventually, guarded};

/// A WebSocket whose client knows nothing of closing one: only the server ends its connection.
struct Raw(TcpStream);

impl Raw {
    async fn open(app: &TestApp) -> Self {
        let mut stream = TcpStream::connect(app.client.url.strip_prefix("http://").unwrap()).await.unwrap();
        let head = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n\
                    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut raw = Self(stream);
        raw.hear("0{\"sid\"").await;
        raw
    }

    /// Says a text in a frame of the long form, masked with zeros.
    async fn say(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend([0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    async fn hear(&mut self, part: &str) {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(part) {
            assert_ne!(self.0.read_buf(&mut heard).await.unwrap(), 0, "{}", String::from_utf8_lossy(&heard));
        }
    }

    async fn enter(app: &TestApp, token: &str) -> Self {
        let mut raw = Self::open(app).await;
        raw.say(&format!("40{}", json!({ "token": token }))).await;
        raw.hear("40{").await;
        raw
    }

    /// Waits until the connection has ended: what came before.
    async fn end(mut self) -> String {
        let mut heard = Vec::new();
        let end = self.0.read_to_end(&mut heard);
        tokio::time::timeout(std::time::Duration::from_secs(20), end).await.expect("it ends within 20 s").unwrap();
        String::from_utf8_lossy(&heard).into_owned()
    }
}

/// Waits until the session is not known any more.
async fn ended(poll: &Poll) {
    eventually("the session is over", 20, async || (poll.ask().await == 400).then_some(())).await;
}

async fn company() -> (TestApp, Company) {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    (app, company)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_who_it_is_in_time_is_cut_off() {
    let (app, _) = company().await;
    let (silent, mut refused, mut astray) = (Raw::open(&app).await, Raw::open(&app).await, Raw::open(&app).await);
    refused.say("40{\"token\":\"nonsense\"}").await;
    refused.hear("44{").await;
    astray.say("40/elsewhere,").await;
    astray.hear("44/elsewhere").await;
    let polls = [Poll::open(&app).await, Poll::open(&app).await];
    polls[1].say("40{\"token\":\"nonsense\"}").await;
    let idle = Poll::open(&app).await;
    let (upgraded, half) = (Poll::open(&app).await, Poll::open(&app).await);
    let mut socket = upgrade(&app, &upgraded).await;
    socket.say("5").await;
    let mut probe = upgrade(&app, &half).await;
    let all = async {
        tokio::join!(
            silent.end(),
            refused.end(),
            astray.end(),
            socket.end(),
            probe.end(),
            is_over(&polls[0]),
            is_over(&polls[1])
        )
    };
    tokio::time::timeout(std::time::Duration::from_secs(15), all).await.expect("they end within 15 s");
    for poll in [&idle, &upgraded, &half] {
        ended(poll).await;
    }
}

/// Polls until the session is not known any more.
async fn is_over(poll: &Poll) {
    while poll.ask().await == 200 {}
}

/// Begins to go on over a WebSocket; the client has yet to say that it will.
async fn upgrade(app: &TestApp, poll: &Poll) -> Socket {
    let mut socket = Socket::upgrade(&app.client, &poll.sid).await;
    socket.say("2probe").await;
    assert_eq!(socket.text().await.unwrap(), "3probe");
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_takes_the_connection_along() {
    let (app, company) = company().await;
    let mut socket = Raw::enter(&app, &company.token).await;
    socket.say("41").await;
    socket.end().await;
    let polls = Poll::enter(&app, &company.token).await;
    polls.say("41").await;
    ended(&polls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shut_out_is_told_and_the_connection_ends() {
    let (app, company) = company().await;
    let key: Value = company.admin.post("/api/api-keys", json!({"name": "k"})).await.expect(201);
    let text = key["key"].as_str().unwrap();
    let socket = Raw::enter(&app, text).await;
    let (waits, idle) = (Poll::enter(&app, text).await, Poll::enter(&app, text).await);
    let upgraded = Poll::enter(&app, text).await;
    let mut moved = upgrade(&app, &upgraded).await;
    moved.say("5").await;
    let stays = Poll::enter(&app, &company.token).await;
    let told = async { waits.hear("41").await };
    let revoked = async { company.admin.delete(&format!("/api/api-keys/{}", key["id"].as_str().unwrap())).await };
    tokio::join!(told, revoked).1.expect(200);
    assert!(socket.end().await.contains("41"), "it is told");
    moved.end().await;
    for poll in [&waits, &idle, &upgraded] {
        ended(poll).await;
    }
    stays.say("42[\"x\"]").await;
}
