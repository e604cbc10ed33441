//! A Telegram Bot API server that checks requests as strictly as its documentation describes them
//! (core.telegram.org/bots/api: "Making requests", "getMe", "getUpdates", "sendMessage", "Sending files", "getFile",
//! "ResponseParameters"; core.telegram.org/bots/faq: "My bot is hitting limits"), and counts what arrives.

#[path = "bot_files.rs"]
mod files;

use std::collections::{HashMap, VecDeque};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::sync::Notify;

pub use self::files::Sent;

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
    /// The file it is under.
    pub file: Option<Sent>,
    pub at: DateTime<Utc>,
}

#[derive(Default)]
struct Seen {
    taken: Vec<Taken>,
    refused: Vec<String>,
    script: HashMap<String, VecDeque<Next>>,
    revoked: Vec<String>,
    updates: HashMap<String, VecDeque<Value>>,
    last_update: i64,
    /// Counts the requests for updates of a bot: a later one ends an earlier one.
    asked: HashMap<String, u64>,
    files: files::Files,
}

/// The server.
#[derive(Clone)]
pub struct BotApi {
    /// Its address.
    pub url: String,
    seen: Arc<Mutex<Seen>>,
    news: Arc<Notify>,
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
        let news = Arc::new(Notify::new());
        let (data, bell) = (Data::from(seen.clone()), Data::from(news.clone()));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(bell.clone())
                .app_data(web::PayloadConfig::new(64 << 20))
                .route("/file/bot{token}/{path:.*}", web::get().to(files::download))
                .route("/bot{token}/{method}", web::route().to(answer))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, seen, news, handle }
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
        self.news.notify_waiters();
    }

    /// Something happened that the bot is told of: `{"message": …}` or `{"channel_post": …}`.
    pub fn update(&self, token: &str, mut update: Value) {
        let mut seen = self.seen.lock().unwrap();
        seen.last_update += 1;
        update["update_id"] = json!(seen.last_update);
        seen.updates.entry(token.to_owned()).or_default().push_back(update);
        drop(seen);
        self.news.notify_waiters();
    }

    /// Somebody writes to the bot in a private chat.
    pub fn write(&self, token: &str, from: i64, name: &str, text: &str) {
        let person = json!({"id": from, "is_bot": false, "first_name": name});
        let chat = json!({"id": from, "type": "private", "first_name": name});
        let number = 1_000_000 + self.seen.lock().unwrap().last_update;
        let message = json!({"message_id": number, "date": 1_750_000_000, "from": person, "chat": chat, "text": text});
        self.update(token, json!({ "message": message }));
    }

    /// Somebody sends the bot a file, as `field` (`photo`, `voice`, `document`, …) with what else is told of it.
    pub fn send_file(&self, token: &str, from: i64, field: &str, content: &[u8], more: Value) {
        let told = self.seen.lock().unwrap().files.add(field, content, more);
        let number = 1_000_000 + self.seen.lock().unwrap().last_update;
        let chat = json!({"id": from, "type": "private", "first_name": "Aizada"});
        let mut message = json!({"message_id": number, "date": 1_750_000_000, "chat": chat,
                                 "from": {"id": from, "is_bot": false, "first_name": "Aizada"}});
        message[field] = told;
        self.update(token, json!({ "message": message }));
    }

    /// How many files were uploaded.
    pub fn uploads(&self) -> usize {
        self.seen.lock().unwrap().files.uploads
    }

    /// Telegram knows none of its files any more.
    pub fn forget_files(&self) {
        self.seen.lock().unwrap().files.forget();
    }

    /// How many updates the bot has not said that it has.
    pub fn unconfirmed(&self, token: &str) -> usize {
        self.seen.lock().unwrap().updates.get(token).map_or(0, VecDeque::len)
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
    news: Data<Notify>,
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
        "getUpdates" => get_updates(&seen, &news, &token, &body).await,
        "sendMessage" => send_message(&seen, &token, &request, &body).await,
        "getFile" => files::get_file(&seen, &body),
        method if files::field_of(method).is_some() => files::send_file(&seen, &token, method, &request, &body).await,
        _ => error(404, "Not Found: method not found", Value::Null),
    }
}

/// Holds the request until there is something to tell, as long as was asked for. What comes before
/// the offset is confirmed, and forgotten.
async fn get_updates(seen: &Mutex<Seen>, news: &Notify, token: &str, body: &Bytes) -> HttpResponse {
    let complain = |why: &str| {
        seen.lock().unwrap().refused.push(why.to_owned());
        error(400, &format!("Bad Request: {why}"), Value::Null)
    };
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return complain("can't parse the JSON object");
    };
    let known = ["offset", "limit", "timeout", "allowed_updates"];
    if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return complain(&format!("field {unknown} is not expected"));
    }
    let Some(hold) = fields.get("timeout").and_then(Value::as_u64) else {
        return complain("short polling is for testing only");
    };
    let offset = fields.get("offset").and_then(Value::as_i64).unwrap_or(0);
    let turn = {
        let mut seen = seen.lock().unwrap();
        if let Some(updates) = seen.updates.get_mut(token) {
            updates.retain(|update| update["update_id"].as_i64().unwrap() >= offset);
        }
        let asked = seen.asked.entry(token.to_owned()).or_default();
        *asked += 1;
        *asked
    };
    news.notify_waiters();
    let waiting = async {
        loop {
            let changed = news.notified();
            {
                let seen = seen.lock().unwrap();
                if seen.revoked.contains(&token.to_owned()) {
                    return error(401, "Unauthorized", Value::Null);
                }
                if seen.asked[token] != turn {
                    return error(409, "Conflict: terminated by other getUpdates request", Value::Null);
                }
                let waiting: Vec<&Value> = seen.updates.get(token).into_iter().flatten().take(100).collect();
                if !waiting.is_empty() {
                    return HttpResponse::Ok().json(json!({"ok": true, "result": waiting}));
                }
            }
            changed.await;
        }
    };
    let nothing = || HttpResponse::Ok().json(json!({"ok": true, "result": []}));
    tokio::time::timeout(Duration::from_secs(hold), waiting).await.unwrap_or_else(|_| nothing())
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
    deliver(seen, token, &chat, text, None).await
}

/// Takes a message, or does with it what the test says.
async fn deliver(
    seen: &Mutex<Seen>,
    token: &str,
    chat: &str,
    text: String,
    file: Option<(Sent, Value)>,
) -> HttpResponse {
    match chat {
        "403" => return error(403, "Forbidden: bot was blocked by the user", Value::Null),
        "404" | "@nobody_there" => return error(400, "Bad Request: chat not found", Value::Null),
        _ => {}
    }
    let next = seen.lock().unwrap().script.get_mut(chat).and_then(VecDeque::pop_front);
    match next {
        Some(Next::TooMany(seconds)) => {
            let description = format!("Too Many Requests: retry after {seconds}");
            return error(429, &description, json!({"retry_after": seconds}));
        }
        Some(Next::Broken) => return error(500, "Internal Server Error", Value::Null),
        Some(Next::Silence | Next::Garble) | None => {}
    }
    if let Some(response) = over_limit(seen, token, chat) {
        return response;
    }
    #[expect(clippy::disallowed_methods, reason = "a server of its own has its own clock")]
    let at = Utc::now();
    let number = {
        let mut seen = seen.lock().unwrap();
        let (token, file) = (token.to_owned(), file.as_ref().map(|(sent, _)| sent.clone()));
        seen.taken.push(Taken { token, chat: chat.to_owned(), text: text.clone(), file, at });
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
    let mut result = json!({"message_id": number, "date": at.timestamp(), "chat": chat});
    match file {
        Some((sent, told)) => {
            result[sent.field] = told;
            result["caption"] = json!(text);
        }
        None => result["text"] = json!(text),
    }
    HttpResponse::Ok().json(json!({"ok": true, "result": result}))
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
