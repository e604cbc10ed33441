//! A Telegram Bot API server that checks requests as strictly as its documentation describes them
//! (core.telegram.org/bots/api: "Making requests", "getMe", "sendMessage", "ResponseParameters";
//! core.telegram.org/bots/faq: "My bot is hitting limits"), and counts what arrives.

use std::collections::{HashMap, VecDeque};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// What to do with the next request for a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// 429, with seconds to wait.
    TooMany(u32),
    /// 500, as an internal error.
    Broken,
    /// Take the message, and never answer.
    Silence,
    /// Take the message, and answer what is no JSON.
    Garble,
}

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    pub token: String,
    pub chat: String,
    pub text: String,
    pub at: DateTime<Utc>,
}

#[derive(Default)]
struct Seen {
    taken: Vec<Taken>,
    refused: Vec<String>,
    script: HashMap<String, VecDeque<Next>>,
    revoked: Vec<String>,
}

/// The server.
#[derive(Clone)]
pub struct BotApi {
    /// Its address.
    pub url: String,
    seen: Arc<Mutex<Seen>>,
    handle: ServerHandle,
}

/// A token of the right form for the bot of this number.
pub fn token(bot: u32) -> String {
    format!("{}:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw{bot}", 1_000 + bot)
}

impl BotApi {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let data = Data::from(seen.clone());
        let server = HttpServer::new(move || {
            App::new().app_data(data.clone()).route("/bot{token}/{method}", web::route().to(answer))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, seen, handle }
    }

    /// Every message that was taken.
    pub fn taken(&self) -> Vec<Taken> {
        self.seen.lock().unwrap().taken.clone()
    }

    /// How many messages were taken.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().taken.len()
    }

    /// Requests that broke the documentation's rules, each as a sentence.
    pub fn complaints(&self) -> Vec<String> {
        self.seen.lock().unwrap().refused.clone()
    }

    /// What to do with the next requests for `chat`.
    pub fn script(&self, chat: &str, next: impl IntoIterator<Item = Next>) {
        self.seen.lock().unwrap().script.entry(chat.to_owned()).or_default().extend(next);
    }

    /// The token is no longer good.
    pub fn revoke(&self, token: &str) {
        self.seen.lock().unwrap().revoked.push(token.to_owned());
    }

    /// Stops listening.
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

fn error(code: u16, description: &str, parameters: Value) -> HttpResponse {
    let mut body = json!({"ok": false, "error_code": code, "description": description});
    if !parameters.is_null() {
        body["parameters"] = parameters;
    }
    HttpResponse::build(actix_web::http::StatusCode::from_u16(code).unwrap()).json(body)
}

async fn answer(
    seen: Data<Mutex<Seen>>,
    path: Path<(String, String)>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let (token, method) = path.into_inner();
    let is_token = token.split_once(':').is_some_and(|(id, secret)| id.parse::<u64>().is_ok() && secret.len() >= 30);
    if !is_token || seen.lock().unwrap().revoked.contains(&token) {
        return error(401, "Unauthorized", Value::Null);
    }
    match method.as_str() {
        "getMe" => {
            let id: u64 = token.split(':').next().unwrap().parse().unwrap();
            let bot = json!({"id": id, "is_bot": true, "first_name": "Clinic", "username": format!("clinic_{id}_bot"),
                "can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false});
            HttpResponse::Ok().json(json!({"ok": true, "result": bot}))
        }
        "sendMessage" => send_message(&seen, &token, &request, &body).await,
        _ => error(404, "Not Found: method not found", Value::Null),
    }
}

async fn send_message(seen: &Mutex<Seen>, token: &str, request: &HttpRequest, body: &Bytes) -> HttpResponse {
    let complain = |why: &str| {
        seen.lock().unwrap().refused.push(why.to_owned());
        error(400, &format!("Bad Request: {why}"), Value::Null)
    };
    if request.method() != "POST" || request.headers().get("content-type").is_none_or(|kind| kind != "application/json")
    {
        return complain("only POST with application/json is understood");
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return complain("can't parse the JSON object");
    };
    if let Some(unknown) = fields.keys().find(|name| !matches!(name.as_str(), "chat_id" | "text")) {
        return complain(&format!("field {unknown} is not expected"));
    }
    let chat = match fields.get("chat_id") {
        Some(Value::Number(id)) if id.is_i64() => id.to_string(),
        Some(Value::String(name)) if name.starts_with('@') => name.clone(),
        _ => return complain("chat_id is an integer or @channelusername"),
    };
    let text = fields.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
    if text.is_empty() || text.chars().count() > 4096 {
        return complain("message text must have 1 to 4096 characters");
    }
    match chat.as_str() {
        "403" => return error(403, "Forbidden: bot was blocked by the user", Value::Null),
        "404" | "@nobody_there" => return error(400, "Bad Request: chat not found", Value::Null),
        _ => {}
    }
    let next = seen.lock().unwrap().script.get_mut(&chat).and_then(VecDeque::pop_front);
    match next {
        Some(Next::TooMany(seconds)) => {
            let description = format!("Too Many Requests: retry after {seconds}");
            return error(429, &description, json!({"retry_after": seconds}));
        }
        Some(Next::Broken) => return error(500, "Internal Server Error", Value::Null),
        Some(Next::Silence | Next::Garble) | None => {}
    }
    if let Some(response) = over_limit(seen, token, &chat) {
        return response;
    }
    #[expect(clippy::disallowed_methods, reason = "a server of its own has its own clock")]
    let at = Utc::now();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.taken.push(Taken { token: token.to_owned(), chat: chat.clone(), text: text.clone(), at });
        seen.taken.len()
    };
    match next {
        Some(Next::Silence) => std::future::pending().await,
        Some(Next::Garble) => return HttpResponse::Ok().body("<html>"),
        _ => {}
    }
    let chat = match chat.parse::<i64>() {
        Ok(id) => json!({"id": id, "type": "private", "first_name": "Patient"}),
        Err(_) => json!({"id": -1_001_234_567_890_i64, "type": "channel", "title": "News", "username": &chat[1..]}),
    };
    HttpResponse::Ok()
        .json(json!({"ok": true, "result": {"message_id": number, "date": at.timestamp(), "chat": chat, "text": text}}))
}

/// 30 messages a second for a bot, one a second for a chat; a tenth of a second of grace, since
/// the network may bring two requests nearer together than they left.
fn over_limit(seen: &Mutex<Seen>, token: &str, chat: &str) -> Option<HttpResponse> {
    #[expect(clippy::disallowed_methods, reason = "a server of its own has its own clock")]
    let since = Utc::now() - TimeDelta::from_std(Duration::from_millis(900)).unwrap();
    let mut seen = seen.lock().unwrap();
    let recent: Vec<&Taken> =
        seen.taken.iter().rev().take_while(|t| t.at > since).filter(|t| t.token == token).collect();
    let why = if recent.iter().any(|taken| taken.chat == chat) {
        "more than one message a second to a chat"
    } else if recent.len() > 30 {
        "more than 30 messages a second from a bot"
    } else {
        return None;
    };
    seen.refused.push(why.to_owned());
    Some(error(429, "Too Many Requests: retry after 1", json!({"retry_after": 1})))
}
