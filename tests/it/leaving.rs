//! Socket.IO clients that never say who they are, that leave, or that are shut out: the transport
//! ends with them, whichever it is.

use std::time::Duration;

use andante::clock::Clock;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Company, Socket, TestApp, eventually, guarded, login, mark, ready_account};

/// A client that polls.
struct Poll {
    client: Client,
    path: String,
}

impl Poll {
    async fn silent(client: &Client) -> Self {
        let path = "/socket.io/?EIO=4&transport=polling".to_owned();
        let said = client.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
        let opened: Value = serde_json::from_str(&said[1..]).unwrap();
        let path = format!("{path}&sid={}", opened["sid"].as_str().unwrap());
        Self { client: Client::new(&client.url), path }
    }

    async fn say(&self, text: impl Into<String>) {
        let request = self.client.request(Method::POST, &self.path).body(text.into());
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    /// The status of a poll and what it brought; a short one, since nothing may come.
    async fn hear(&self) -> Option<(u16, String)> {
        let request = self.client.request(Method::GET, &self.path).timeout(Duration::from_secs(2));
        let answer = request.send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    async fn with_token(client: &Client, token: &str) -> Self {
        let poll = Self::silent(client).await;
        poll.say(format!("40{}", json!({ "token": token }))).await;
        eventually("it is in", 20, async || poll.hear().await?.1.contains("40{").then_some(())).await;
        poll
    }

    /// Waits until its session is nobody's.
    async fn is_over(&self) {
        eventually("a poll is refused", 20, async || (self.hear().await?.0 == 400).then_some(())).await;
    }
}

/// Waits until the connection itself is closed.
async fn is_closed(socket: &mut Socket) {
    while socket.text().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transport_that_joins_nothing_is_closed_after_its_time() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let mut joined = Socket::enter(&app.client, json!({})).await.socket();
    let polled = Poll::with_token(&app.client, "").await;
    let (mut socket, poll) = (Socket::silent(&app.client).await, Poll::silent(&app.client).await);
    // One that was refused is as silent as one that never asked.
    let mut elsewhere = Socket::silent(&app.client).await;
    elsewhere.say("40/nowhere,{}").await;
    tokio::join!(is_closed(&mut socket), is_closed(&mut elsewhere), poll.is_over());
    mark(&app, &account, "still here");
    joined.event("typing-status").await;
    assert_ne!(polled.hear().await.unwrap().0, 400, "who joined stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_refused_is_closed_as_well() {
    let app = guarded(&[]).await;
    let (mut socket, poll) = (Socket::silent(&app.client).await, Poll::silent(&app.client).await);
    socket.say("40{\"token\":\"nonsense\"}").await;
    poll.say("40{\"token\":\"nonsense\"}").await;
    tokio::join!(is_closed(&mut socket), poll.is_over());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_takes_the_transport_along() {
    let app = TestApp::start().await;
    let mut socket = Socket::enter(&app.client, json!({})).await.socket();
    let poll = Poll::with_token(&app.client, "").await;
    socket.say("41").await;
    poll.say("41").await;
    tokio::join!(is_closed(&mut socket), poll.is_over());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shut_out_loses_the_transport() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let other = login(&app.client, "admin@clinic.example").await;
    let manager = company.manager("anna").await;
    let key = company.admin.post("/api/api-keys", json!({"name": "k"})).await.expect(201);
    let tokens = [key["key"].as_str().unwrap(), &other, &manager.token];
    let (mut sockets, mut polls) = (Vec::new(), Vec::new());
    for token in tokens {
        sockets.push(Socket::with_token(&app.client, token).await);
        polls.push(Poll::with_token(&app.client, token).await);
    }
    company.admin.delete(&format!("/api/api-keys/{}", key["id"].as_str().unwrap())).await.expect(200);
    app.client.with_key(&other).post("/api/auth/logout", json!({})).await.expect(200);
    company.admin.delete(&format!("/api/managers/{}", manager.id)).await.expect(200);
    for (socket, poll) in sockets.iter_mut().zip(&polls) {
        tokio::join!(is_closed(socket), poll.is_over());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_ends_the_transport() {
    let clock = Clock::manual(Clock::system().now());
    let app = TestApp::on(&[("ANDANTE_AUTH", "required"), ("ANDANTE_LOGIN_HOURS", "1")], clock.clone()).await;
    let company = Company::register(&app.client, "clinic").await;
    let mut socket = Socket::with_token(&app.client, &company.token).await;
    let poll = Poll::with_token(&app.client, &company.token).await;
    clock.advance_to(clock.now() + TimeDelta::hours(1));
    tokio::join!(is_closed(&mut socket), poll.is_over());
}
