//! `/qr/{id}`: the public page that pairs an account, and what it reads. Whoever has the link may
//! see this one account's name, status and code, and start its pairing; nothing else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use entity::action::Deed;
use entity::ids::AccountId;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::actions::note_visit;
use super::connection::{drawn, present_code};
use super::files::{Files, guarded};
use super::json::id;
use crate::account::WAITS;
use crate::app::App;
use crate::error::ApiError;
use crate::gateway::Pairing;
use crate::gateway::sessions::Status;
use crate::qr;
use crate::realtime::Event;
use crate::seats::Seats;
use crate::store::account::Account;
use crate::view::Timestamp;

/// How often a silent stream says that it is still there, so that proxies let it live.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

async fn find(app: &App, text: &str) -> Result<Arc<Account>, ApiError> {
    let id: AccountId = id(text, "account")?;
    app.store.account(id).await?.ok_or(ApiError::NotFound("account"))
}

/// The page, or one that says that there is no such account.
pub async fn show(
    request: HttpRequest,
    app: Data<App>,
    files: Data<Files>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    match find(&app, &id).await {
        Ok(_) => Ok(files.page(&request, StatusCode::OK, "qr.html")),
        Err(ApiError::NotFound(_)) => Ok(files.page(&request, StatusCode::NOT_FOUND, "unknown.html")),
        Err(error) => Err(error),
    }
}

/// What the page shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    name: String,
    provider: entity::account::Provider,
    status: Status,
    /// Whether the account is known to its messenger, connected or not.
    is_paired: bool,
    /// Whether whoever has the link may start to pair it.
    may_pair: bool,
    /// Of the paired number, the last two digits: who has the link need not know the rest.
    phone_number: Option<String>,
    display_name: Option<String>,
    /// The code as text if it is typed; a scanned one is the picture at `code.svg`.
    typed_code: Option<String>,
    /// Changes with the code, so that the picture is fetched anew.
    code_version: Option<i64>,
    code_expires_at: Option<Timestamp>,
    /// The present instant, for a countdown that does not trust the phone's clock.
    now: Timestamp,
    error: Option<String>,
    error_code: Option<String>,
}

/// The last two digits.
fn ending(digits: &str) -> String {
    let before = digits.chars().count().saturating_sub(2);
    digits.chars().skip(before).fold("…".to_owned(), |ending, digit| format!("{ending}{digit}"))
}

async fn state_of(app: &App, id: AccountId) -> Result<State, ApiError> {
    let account = app.store.account(id).await?.ok_or(ApiError::NotFound("account"))?;
    let session = app.sessions.snapshot(id);
    let now = app.clock.now();
    let code = session.code.filter(|code| code.expires_at > now);
    // What went wrong is over once somebody is pairing again, save what keeps the account from being let in.
    let is_told = match session.status {
        Status::Disconnected | Status::Failed => true,
        Status::Connecting => account.error_code.as_deref().is_some_and(|code| WAITS.contains(&code)),
        Status::QrReady | Status::Authenticating | Status::Connected => false,
    };
    Ok(State {
        name: account.name.clone(),
        provider: account.provider,
        status: session.status,
        is_paired: account.pairing.is_some(),
        may_pair: account.may_pair,
        phone_number: account.phone_number.as_deref().map(ending),
        display_name: account.display_name.clone(),
        typed_code: code.as_ref().filter(|code| code.is_typed).map(|code| code.text.clone()),
        code_version: code.as_ref().map(|code| code.expires_at.timestamp_millis()),
        code_expires_at: code.map(|code| Timestamp(code.expires_at)),
        now: Timestamp(now),
        error: account.error_message.clone().filter(|_| is_told),
        error_code: account.error_code.clone().filter(|_| is_told),
    })
}

/// What the page shows, once: for browsers that can't listen.
pub async fn state(app: Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let account = find(&app, &id).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(state_of(&app, account.id).await?))
}

/// The streams that are open, by whom limits count them to.
#[derive(Default)]
pub struct Streams(Arc<Seats<IpAddr>>);

/// What the page shows, each time that it changes, as server-sent events.
pub async fn events(
    app: Data<App>,
    request: HttpRequest,
    streams: Data<Streams>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let account = find(&app, &id).await?;
    let seat = match (app.config.address_streams, app.guard.address(&request)) {
        (Some(most), Some(address)) => {
            Some(streams.0.take(address, most).ok_or(ApiError::TooMany { after: KEEP_ALIVE })?)
        }
        _ => None,
    };
    let id = account.id;
    let first = (app.bus.watch(id), true);
    let changes = stream::unfold((app, first, seat), move |(app, (mut events, is_first), seat)| async move {
        let is_change = is_first || next_change(&app, &mut events).await?;
        let text = if is_change {
            let state = state_of(&app, id).await.ok()?;
            format!("data: {}\n\n", serde_json::to_string(&state).ok()?)
        } else {
            ": still here\n\n".to_owned()
        };
        Some((Ok::<_, actix_web::Error>(Bytes::from(text)), (app, (events, false), seat)))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(changes))
}

/// Waits until the account has changed: true, or until the stream must say that it is still there:
/// false. None: it ends.
async fn next_change(app: &App, events: &mut Receiver<Event>) -> Option<bool> {
    let still_here = app.clock.now() + KEEP_ALIVE;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(Event::AccountChanged) | Err(RecvError::Lagged(_)) => return Some(true),
                Ok(_) => {}
                Err(RecvError::Closed) => return None,
            },
            () = app.clock.sleep_until(still_here) => return Some(false),
            () = app.quiet.cancelled() => return None,
        }
    }
}

/// The present code as a picture.
pub async fn code(app: Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let account = find(&app, &id).await?;
    let code = present_code(&app, account.id)?;
    let picture = drawn(code.text, qr::svg).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    Ok(guarded(response, "image/svg+xml").body(picture))
}

/// Starts pairing, if nobody has and the account is not paired: opening the page does this. One
/// that is paired and switched off, or that somebody here logged out, stays so.
pub async fn start(app: Data<App>, request: HttpRequest, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &id).await?;
    let is_idle = matches!(app.sessions.status(account.id), Status::Disconnected | Status::Failed);
    if is_idle && account.pairing.is_none() && account.may_pair {
        app.lanes.connect(account.id, Pairing::Qr).await?;
        note_visit(&app, &account, app.guard.peer(&request), Deed::Connected).await;
    }
    Ok(Json(state_of(&app, account.id).await?))
}
