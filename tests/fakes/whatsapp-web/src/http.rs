//! What a page asks the server, and what it hears.

use actix_web::web::{Bytes, Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use crate::state::{behind, lid_of, number_of};
use crate::{Behaviour, Composing, Page, Sent, Shared, file};

/// As strict as the real page's is said to be, with trusted types on top.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; style-src 'self'; \
                      base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const SCRIPTS: [(&str, &str); 7] = [
    ("base.js", include_str!("../page/base.js")),
    ("store.js", include_str!("../page/store.js")),
    ("wire.js", include_str!("../page/wire.js")),
    ("media.js", include_str!("../page/media.js")),
    ("chats.js", include_str!("../page/chats.js")),
    ("modules.js", include_str!("../page/modules.js")),
    ("app.js", include_str!("../page/app.js")),
];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(page))
        .route("/page/events", web::get().to(events))
        .route("/page/{name}.js", web::get().to(script))
        .route("/page/upload", web::post().to(file::upload))
        .route("/page/{what}", web::post().to(told))
        .route("/content/{number}", web::get().to(file::fetch))
        .default_service(web::route().to(stray));
}

async fn page(shared: Data<Shared>) -> HttpResponse {
    let kind = shared.state().page;
    let text = match kind {
        Page::Normal => include_str!("../page/page.html"),
        Page::Unsupported => include_str!("../page/unsupported.html"),
        Page::Silent => std::future::pending().await,
    };
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("cache-control", "no-store"))
        .body(text)
}

async fn script(name: Path<String>, shared: Data<Shared>) -> HttpResponse {
    let name = format!("{name}.js");
    match SCRIPTS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => HttpResponse::Ok().content_type("text/javascript").body(*text),
        None => lost(&shared, format!("GET /page/{name}")),
    }
}

async fn stray(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    lost(&shared, format!("{} {}", request.method(), request.path()))
}

pub(crate) fn lost(shared: &Shared, what: String) -> HttpResponse {
    shared.state().strays.push(what);
    HttpResponse::NotFound().finish()
}

#[derive(Deserialize)]
struct Who {
    identity: String,
}

/// The line on which a page hears of things, as server-sent events.
async fn events(who: Query<Who>, shared: Data<Shared>) -> HttpResponse {
    let (line, orders) = unbounded_channel::<Value>();
    shared.state().devices.entry(who.into_inner().identity).or_default().connect(line);
    let stream = unfold(orders, async |mut orders| {
        let order = orders.recv().await?;
        Some((Ok::<_, actix_web::Error>(Bytes::from(format!("data: {order}\n\n"))), orders))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(stream)
}

async fn told(what: Path<String>, body: Json<Value>, shared: Data<Shared>) -> HttpResponse {
    let answer = shared.told(&what, &body);
    shared.news.notify_waiters();
    match answer {
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(Trouble::Unknown) => lost(&shared, format!("POST /page/{what}")),
        Err(Trouble::Broken) => HttpResponse::InternalServerError().finish(),
    }
}

enum Trouble {
    Unknown,
    Broken,
}

impl Shared {
    fn told(&self, what: &str, body: &Value) -> Result<Value, Trouble> {
        let text = |field: &str| body[field].as_str().unwrap_or_default();
        let mut state = self.state();
        let state = &mut *state;
        let device = state.devices.entry(text("identity").to_owned()).or_default();
        let account = device.account.clone().unwrap_or_default();
        match what {
            "hello" => {
                // A page that begins has left the one before.
                device.hang_up();
                device.subscribed.clear();
                let is_linked = device.account.is_some();
                let (is_migrated, known, groups) = (state.is_migrated, state.known(), state.groups_of(&account));
                let most = state.contents.most;
                return Ok(json!({
                    "isLinked": is_linked, "isMigrated": is_migrated, "most": most, "known": known, "groups": groups,
                }));
            }
            "ref" => device.reference = Some(text("ref").to_owned()),
            "code" => {
                state.count += 1;
                let code = format!("WEB{:05}", state.count);
                device.code = Some(code.clone());
                return Ok(json!({ "code": code }));
            }
            "linked" => return Ok(json!({ "groups": state.groups_of(&account) })),
            "online" => device.is_online = true,
            "got" => device.got(body["seq"].as_u64().unwrap_or_default()),
            "left" => device.account = None,
            "violation" => state.violations.push(text("text").to_owned()),
            "sent" => {
                let file = Some(&body["file"]).filter(|file| file.is_object()).map(|file| state.contents.sent(file));
                let sent = Sent {
                    key: text("key").to_owned(),
                    to: behind(text("to")),
                    text: text("text").to_owned(),
                    file: file.transpose().unwrap_or_else(|flaw| {
                        state.violations.push(flaw);
                        None
                    }),
                    participant: body["participant"].as_str().map(str::to_owned),
                    attempts: 1,
                };
                state.take(&account, sent);
            }
            "seen" => state.read.entry(account).or_default().push(behind(text("chat"))),
            "subscribe" => {
                device.subscribed.insert(text("chat").to_owned());
            }
            "composing" => {
                let chat = behind(text("chat"));
                let composing = Composing { chat, on: body["on"].as_bool().unwrap_or_default() };
                state.composing.entry(account).or_default().push(composing);
            }
            "exists" => {
                let phone = behind(text("user"));
                let lid = match state.behaviour(&phone) {
                    Behaviour::NotOnWhatsApp => return Ok(json!({ "exists": false })),
                    Behaviour::LookupFails => return Err(Trouble::Broken),
                    Behaviour::NoLid => None,
                    _ => Some(lid_of(&phone)),
                };
                return Ok(json!({ "exists": true, "lid": lid, "number": number_of(&phone) }));
            }
            _ => return Err(Trouble::Unknown),
        }
        Ok(json!({}))
    }
}
