//! Below the events of Socket.IO: polling, the upgrade, limits, clients that hang or vanish.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Company, Entrance, Poll, Socket, TestApp, eventually, guarded, mark, ready_account};

#[tokio::test(flavor = "multi_thread")]
async fn too_many_handshakes_are_told_to_wait() {
    let app = TestApp::with(&[("ANDANTE_SOCKET_HANDSHAKES", "3")]).await;
    let ask = async || app.client.get("/socket.io/?EIO=4&transport=polling").await;
    let mut refused = None;
    for _ in 0..10 {
        let answer = ask().await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the fourth within a second is one too many");
    assert_eq!(refused.headers["Retry-After"], "1");
    refused.refused(429, "too_many_requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_in_our_shape_and_large_ones_not_read() {
    let app = TestApp::start().await;
    let half = app.client.get("/socket.io/?EIO=4&transport=websocket").await;
    half.refused(400, "invalid_transport");
    let large = app.client.request(reqwest::Method::POST, "/socket.io/?EIO=4&transport=polling&sid=x");
    app.client.run(large.body(vec![b'4'; 200_000])).await.refused(413, "too_large");
    let unknown = app.client.get("/socket.io/?EIO=4&transport=polling&sid=unknown").await;
    assert_eq!(unknown.status, 400);
    let mut socket = Socket::enter(&app.client, json!({})).await.socket();
    socket.say(format!("42[\"x\",\"{}\"]", "y".repeat(200_000))).await;
    socket.end().await;
    app.client.get("/health").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polling_client_is_upgraded_without_missing_anything() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let poll = Poll::open(&app).await;
    poll.say("40{}").await;
    poll.hear("40{").await;
    mark(&app, &account, "by poll");
    assert!(poll.hear("42[\"whatsapp:typing-status\"").await.contains("by poll"));
    let mut socket = Socket::upgrade(&app.client, &poll.sid).await;
    socket.say("2probe").await;
    assert_eq!(socket.text().await.unwrap(), "3probe");
    socket.say("5").await;
    mark(&app, &account, "by websocket");
    assert_eq!(socket.event("typing-status").await["chatId"], "by websocket");
    let over = reqwest::get(&poll.url).await.unwrap();
    assert_eq!(over.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_is_broken_off_leaves_no_client_behind() {
    let app = guarded(&[("ANDANTE_SOCKET_CONNECTIONS", "1")]).await;
    let company = Company::register(&app.client, "clinic").await;
    let poll = Poll::open(&app).await;
    poll.say(&format!("40{}", json!({"token": company.token}))).await;
    poll.hear("40{").await;
    // The first ping is answered, or the heartbeat would do what the upgrade should.
    poll.hear("2").await;
    poll.say("3").await;
    drop(Socket::upgrade(&app.client, &poll.sid).await);
    eventually("the place is free", 20, async || {
        matches!(Socket::enter(&app.client, json!({ "token": company.token })).await, Entrance::In(_)).then_some(())
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_cut_off() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = guarded(&[("ANDANTE_STALL_SECONDS", "1"), ("ANDANTE_SOCKET_CONNECTIONS", "1")]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = ready_account(&company.admin, json!({})).await;
    // As plain a client as can be: it says who it is, hears that it is in, and reads no more.
    let address = app.client.url.strip_prefix("http://").unwrap();
    let small = tokio::net::TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4_096).unwrap();
    let mut stream = small.connect(address.parse().unwrap()).await.unwrap();
    let hello = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(hello.as_bytes()).await.unwrap();
    let connect = format!("40{}", json!({"token": company.token}));
    // A text frame of more than 125 bytes, masked with zeroes.
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(connect.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(connect.as_bytes());
    stream.write_all(&frame).await.unwrap();
    let mut heard = Vec::new();
    while !heard.windows(9).any(|said| said == b"40{\"sid\":") {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "it is not let in");
    }
    // From here on it reads nothing.
    let long = "x".repeat(4_000);
    eventually("its place is free", 60, async || {
        for _ in 0..20 {
            mark(&app, &account, &long);
        }
        matches!(Socket::enter(&app.client, json!({ "token": company.token })).await, Entrance::In(_)).then_some(())
    })
    .await;
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_tells_the_clients_and_is_quick() {
    let mut app = TestApp::start().await;
    let mut sockets = Vec::new();
    for _ in 0..50 {
        sockets.push(Socket::enter(&app.client, json!({})).await.socket());
    }
    let poll = Poll::open(&app).await;
    poll.say("40{}").await;
    tokio::time::timeout(Duration::from_secs(10), app.stop()).await.expect("it stops");
    for socket in &mut sockets {
        socket.end().await;
    }
}
