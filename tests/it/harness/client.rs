//! The API's endpoints, one call each, and their answers.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::eventually;

/// Calls one server.
#[derive(Clone)]
pub struct Client {
    /// Its address, without a slash at the end.
    pub url: String,
    key: Option<String>,
    from: Option<String>,
    http: reqwest::Client,
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as JSON, or null.
    pub body: Value,
}

impl Answer {
    /// Asserts the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// Asserts an error: its status, its code, and the shape all errors have.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["success"], false, "{body}");
        assert_eq!(body["code"], code, "{body}");
        assert!(body["error"].as_str().is_some_and(|sentence| sentence.len() > 10), "{body}");
        body
    }
}

impl Client {
    /// Calls the server at `url`.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), key: None, from: None, http: reqwest::Client::new() }
    }

    /// Shows `key` with each call.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// Comes from `address`, as a reverse proxy says.
    pub fn from(&self, address: &str) -> Self {
        Self { from: Some(address.to_owned()), ..self.clone() }
    }

    /// A request to be completed.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(from) = &self.from {
            request = request.header("X-Forwarded-For", from);
        }
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends a request, if the server can be reached.
    pub async fn try_run(&self, request: RequestBuilder) -> Option<Answer> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.ok()?;
        Some(Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    /// Sends a request.
    pub async fn run(&self, request: RequestBuilder) -> Answer {
        self.try_run(request).await.expect("the server answers")
    }

    /// Sends a request as a caller does who hangs up after `patience`; the answer, if it came first.
    pub async fn hang_up(&self, request: RequestBuilder, patience: Duration) -> Option<Answer> {
        self.try_run(request.timeout(patience)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.run(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.run(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.run(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.run(self.request(Method::DELETE, path)).await
    }

    /// Creates an account: its id.
    pub async fn create(&self, account: Value) -> String {
        let body = self.post("/api/accounts", account).await.expect(201);
        body["id"].as_str().unwrap().to_owned()
    }

    pub async fn account(&self, id: &str) -> Value {
        self.get(&format!("/api/accounts/{id}")).await.expect(200)
    }

    pub async fn connect(&self, id: &str) -> Value {
        self.run(self.request(Method::POST, &format!("/api/accounts/{id}/connect"))).await.expect(200)
    }

    /// Waits until the account has `status`.
    pub async fn status(&self, id: &str, status: &str) -> Value {
        eventually(&format!("the account is {status}"), 20, async || {
            let account = self.account(id).await;
            (account["status"] == status).then_some(account)
        })
        .await
    }

    /// Sends a text: the answer's body.
    pub async fn send(&self, account: &str, to: &str, text: &str) -> Value {
        let body = json!({"accountId": account, "to": to, "message": text});
        self.post("/api/messages/send", body).await.expect(202)
    }

    /// Sends many texts of equal priority: their ids, in order.
    pub async fn send_many(&self, account: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            let chunk = (count - ids.len()).min(10_000);
            let messages: Vec<Value> = (0..chunk).map(|_| json!({"to": "77777777777", "message": "m"})).collect();
            let body = json!({"accountId": account, "messages": messages});
            let answer = self.post("/api/messages/bulk", body).await.expect(202);
            let results = answer["results"].as_array().unwrap();
            ids.extend(results.iter().map(|result| result["messageId"].as_str().unwrap().to_owned()));
        }
        ids
    }

    /// How many messages of the account have a status, as the rows say.
    pub async fn count(&self, account: &str, status: &str) -> u64 {
        let list = self.get(&format!("/api/messages?accountId={account}&status={status}&limit=1")).await.expect(200);
        list["pagination"]["total"].as_u64().unwrap()
    }

    /// Pauses the account's queue, or lets it go on.
    pub async fn pause(&self, account: &str, is_paused: bool) {
        let what = if is_paused { "pause" } else { "resume" };
        self.post(&format!("/api/accounts/{account}/queue/{what}"), json!({})).await.expect(200);
    }

    pub async fn message(&self, id: &str) -> Value {
        self.get(&format!("/api/messages/{id}")).await.expect(200)
    }

    /// Waits until the message has one of `statuses`.
    pub async fn reaches(&self, id: &str, statuses: &[&str]) -> Value {
        eventually(&format!("message {id} becomes {statuses:?}"), 30, async || {
            let message = self.message(id).await;
            statuses.contains(&message["status"].as_str()?).then_some(message)
        })
        .await
    }

    pub async fn queue(&self, account: &str) -> Value {
        self.get(&format!("/api/accounts/{account}/queue")).await.expect(200)
    }

    /// A number of the metrics, 0 if it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.http.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }
}
