//! Clients that send nonsense, and requests that aren't WebSockets.

use fake_whatsapp::FakeWhatsApp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use whatsapp_rust::NodeBuilder;
use whatsapp_rust::version::parse_sw_js;

use crate::harness::{ALICE, Account, CAROL, get, server};

/// The head of a WebSocket request, and the mask that makes the key below zero.
const UPGRADE: &str = "GET /anything HTTP/1.1\r\nhost: fake\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

async fn socket(fake: &FakeWhatsApp) -> TcpStream {
    TcpStream::connect(fake.url().split('/').nth(2).unwrap()).await.unwrap()
}

/// A WebSocket message of a client, its mask being zero.
fn message(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126);
    [&[0x82, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn the_script_has_a_version() {
    let fake = server().await;
    let script = get(&fake.script_url()).await.unwrap();
    assert_eq!(parse_sw_js(&script), Some((2, 3000, 1_042_742_319)));
}

#[tokio::test]
async fn nonsense_ends_its_own_connection_only() {
    let fake = server().await;
    for nonsense in [
        &b"no prologue at all"[..],
        b"WA\x06\x03\xff\xff\xff and nothing like so much",
        b"WA\x06\x03\x00\x00\x03abc",
        b"ED\0\x01\xff\xff\xff",
    ] {
        let mut socket = socket(&fake).await;
        socket.write_all(UPGRADE.as_bytes()).await.unwrap();
        socket.write_all(&message(nonsense)).await.unwrap();
        let mut answer = Vec::new();
        let _reset = socket.read_to_end(&mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{nonsense:?}: {}", String::from_utf8_lossy(&answer));
    }
    let mut socket = socket(&fake).await;
    socket.write_all(b"GET / HTTP/1.1\r\nhost: fake\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _reset = socket.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    drop(socket);
    fake.wait_for("all have been sent away", |fake| (fake.open_connections() == 0).then_some(())).await;
    Account::linked(&fake, ALICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_stanza_ends_the_connection() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    fake.wait_for_active(ALICE).await;
    alice.client.send_node(NodeBuilder::new("message").attr("to", "nobody in particular").build()).await.unwrap();
    alice.connected().await;
    assert_eq!(fake.logins(ALICE), 2);
    let id = alice.send(CAROL, "all is well").await;
    assert_eq!(alice.ack(&id).await, None);
}
