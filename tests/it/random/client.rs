//! The clients: they ask for what the plan says, hang up in the middle, and repeat under the same key
//! what was not answered.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::limits::limits_of;
use super::plan::{Act, Entry, Order};
use super::{Stage, now, pause};
use crate::harness::Answer;

/// A caller's patience.
const PATIENCE: Duration = Duration::from_secs(20);

impl Stage {
    /// Does all of it.
    pub async fn act_all(&self, acts: Vec<(Duration, Act)>) {
        for (after, act) in acts {
            pause(after).await;
            self.act(act).await;
        }
    }

    async fn act(&self, act: Act) {
        match act {
            Act::Send(order) => self.send(&order).await,
            Act::Pause(account) => drop(self.ask(Method::POST, &self.of(account, "/queue/pause"), None).await),
            Act::Resume(account) => drop(self.resume(account).await),
            Act::Disconnect(account) => {
                self.ledger().disconnects += 1;
                self.ask(Method::POST, &self.of(account, "/disconnect"), None).await;
            }
            Act::Connect(account) => drop(self.connect(account).await),
            Act::Change(account, is_strict) => drop(self.change(account, is_strict).await),
            Act::Cancel(account, place) => self.cancel(account, place).await,
            Act::Clear(account) => {
                self.ledger().cleared.insert(account);
                self.ask(Method::DELETE, &self.of(account, "/queue"), None).await;
            }
            Act::Retry(number) => self.retry(number).await,
            Act::Peek(account, patience) => self.peek(account, &patience).await,
            Act::Hasty(act, patience) => drop(timeout(patience, Box::pin(self.act(*act))).await),
        }
    }

    pub async fn resume(&self, account: usize) -> Option<Answer> {
        self.ask(Method::POST, &self.of(account, "/queue/resume"), None).await
    }

    pub async fn connect(&self, account: usize) -> Option<Answer> {
        self.ask(Method::POST, &self.of(account, "/connect"), None).await
    }

    async fn change(&self, account: usize, is_strict: bool) -> Option<Answer> {
        let limits = if is_strict { limits_of(account).stricter() } else { limits_of(account) };
        let body = json!({"name": format!("Bot {account} {is_strict}"), "limits": limits.json(&self.zone)});
        self.ask(Method::PUT, &self.of(account, ""), Some(&body)).await
    }

    fn of(&self, account: usize, rest: &str) -> String {
        format!("/api/accounts/{}{rest}", self.accounts[account])
    }

    /// Asks; answers what went well. What went wrong while something is broken is passed over, and
    /// what should never be answered is noted.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Answer> {
        self.ask_under(method, path, body, None, PATIENCE).await.filter(|answer| answer.status.is_success())
    }

    async fn ask_under(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
        patience: Duration,
    ) -> Option<Answer> {
        let client = self.client();
        let mut request = client.request(method.clone(), path).timeout(patience);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = client.try_run(request).await?;
        if !answer.status.is_success() && !matches!(answer.status.as_u16(), 409 | 503) {
            let path = path.split('/').filter(|part| !part.contains('_')).collect::<Vec<_>>().join("/");
            self.ledger().note_strange(format!("{method} {path} was answered {} {}", answer.status, answer.body));
        }
        Some(answer)
    }

    /// Asks for messages until they are accepted, unless the caller gives up after it has hung up.
    async fn send(&self, order: &Order) {
        let (path, body) = self.request_of(order);
        self.ledger().ask(order);
        for entry in &order.entries {
            self.api.script(&entry.to, entry.mishap);
        }
        if let Some(after) = order.hang_up {
            self.hang_up(path, &body, &order.key, after).await;
            if order.is_abandoned {
                return;
            }
        }
        let mut times = if order.is_repeated { 2 } else { 1 };
        while times > 0 {
            match self.ask_under(Method::POST, path, Some(&body), Some(&order.key), PATIENCE).await {
                Some(answer) if answer.status.is_success() => {
                    let id = |result: &Value| result["messageId"].as_str().map(str::to_owned);
                    let results = answer.body["results"].as_array().cloned().unwrap_or_else(|| vec![answer.body]);
                    // One that broke off is asked for again, until all of it is accepted.
                    if results.iter().any(|result| result["code"] == "unavailable") {
                        pause(Duration::from_millis(200)).await;
                        continue;
                    }
                    self.ledger().accept(order, &results.iter().map(id).collect::<Vec<_>>());
                    times -= 1;
                }
                Some(answer) if answer.status.is_client_error() => {
                    return self.ledger().note_strange(format!("{} was answered {}", order.key, answer.body));
                }
                _ => pause(Duration::from_millis(200)).await,
            }
        }
    }

    fn request_of(&self, order: &Order) -> (&'static str, Value) {
        let now = now();
        let instant = |ahead: Option<Duration>| {
            let at = now + TimeDelta::from_std(ahead?).unwrap();
            Some(at.to_rfc3339_opts(SecondsFormat::Millis, true))
        };
        let message = |entry: &Entry| {
            json!({"to": entry.to, "message": entry.text, "priority": entry.priority,
                "sendAt": instant(entry.send_in), "expiresAt": instant(entry.expires_in)})
        };
        let account = &self.accounts[order.account];
        if order.is_bulk {
            let messages: Vec<Value> = order.entries.iter().map(message).collect();
            return ("/api/messages/bulk", json!({"accountId": account, "messages": messages}));
        }
        let mut body = message(&order.entries[0]);
        body["accountId"] = json!(account);
        ("/api/messages/send", body)
    }

    /// Asks, and is gone before or after the answer.
    async fn hang_up(&self, path: &str, body: &Value, key: &str, after: Duration) {
        let url = self.client().url;
        let address = url.strip_prefix("http://").unwrap();
        let Ok(mut stream) = TcpStream::connect(address).await else { return };
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(request.as_bytes()).await.is_ok() {
            // Whatever comes in that time is not read by anybody.
            drop(timeout(after, stream.read(&mut [0; 1_024])).await);
        }
    }

    async fn cancel(&self, account: usize, place: usize) {
        let Some(queue) = self.ask(Method::GET, &self.of(account, "/queue"), None).await else { return };
        let waiting = queue.body["messages"].as_array().cloned().unwrap_or_default();
        let Some(message) = waiting.get(place % waiting.len().max(1)) else { return };
        let (id, text) = (message["id"].as_str().unwrap(), message["message"].as_str().unwrap());
        let answer = self.ask_under(Method::DELETE, &format!("/api/messages/{id}"), None, None, PATIENCE).await;
        if answer.is_none_or(|answer| answer.status != 409)
            && let Some(asked) = self.ledger().messages.get_mut(text)
        {
            asked.may_be_cancelled = true;
        }
    }

    async fn retry(&self, number: usize) {
        let status = if number.is_multiple_of(4) { "failed" } else { "uncertain" };
        let path = format!("/api/messages?status={status}&limit=200");
        let Some(list) = self.ask(Method::GET, &path, None).await else { return };
        let ended = list.body["data"].as_array().cloned().unwrap_or_default();
        let Some(message) = ended.get(number % ended.len().max(1)) else { return };
        let (id, text) = (message["id"].as_str().unwrap(), message["message"].as_str().unwrap());
        // After a new connection nobody remembers the chat's own quota, of one message a second.
        let lately = now() - TimeDelta::milliseconds(1_500);
        if self.api.taken().iter().rev().take_while(|taken| taken.at > lately).any(|taken| taken.text == text) {
            return;
        }
        let answer = self.ask_under(Method::POST, &format!("/api/messages/{id}/retry"), None, None, PATIENCE).await;
        if answer.is_none_or(|answer| answer.status != 409)
            && let Some(asked) = self.ledger().messages.get_mut(text)
        {
            asked.retries += 1;
        }
    }

    /// Disconnects an account whose messenger takes a message and does not answer: the message must
    /// come to an end by that, although nobody sends for the account any more.
    pub async fn cut_off(&self, account: usize) {
        let order = Order::unanswered(account);
        self.send(&order).await;
        let is_taken = || self.api.taken().iter().rev().any(|taken| taken.text == order.entries[0].text);
        self.expect("the first message is not sent", 60, async || is_taken()).await;
        self.ledger().disconnects += 1;
        self.ask(Method::POST, &self.of(account, "/disconnect"), None).await;
        let sending = format!("/api/messages?accountId={}&status=sending", self.accounts[account]);
        self.expect("a message is sending, and its account is disconnected", 20, async || {
            self.ask(Method::GET, &sending, None).await.is_some_and(|list| list.body["pagination"]["total"] == 0)
        })
        .await;
    }

    /// Waits until something is so; notes what is wrong if it does not come to that.
    async fn expect(&self, otherwise: &str, seconds: u64, is_so: impl AsyncFn() -> bool) {
        let waiting = async {
            while !is_so().await {
                pause(Duration::from_millis(200)).await;
            }
        };
        if timeout(Duration::from_secs(seconds), waiting).await.is_err() {
            self.ledger().note_strange(otherwise.to_owned());
        }
    }

    async fn peek(&self, account: usize, patience: &[Duration]) {
        let message = self.ledger().some_id(patience.len() * account).map(|id| format!("/api/messages/{id}"));
        let paths = [
            self.of(account, ""),
            self.of(account, "/queue"),
            message.unwrap_or_else(|| "/api/messages".to_owned()),
            "/api/accounts".to_owned(),
        ];
        let asking = patience.iter().zip(paths.iter().cycle());
        join_all(asking.map(|(patience, path)| self.ask_under(Method::GET, path, None, None, *patience))).await;
    }
}
