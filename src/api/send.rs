//! `/api/messages/send`: where messages come in; and what every other way of sending shares with it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use entity::ids::{AccountId, MessageId};
use entity::message::Status;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::accounts::find;
use super::attach::Referred;
use super::draft::{NewMessage, signed};
use super::read::{Unread, read, read_apart};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::intake::{Accepted, Draft, NotAccepted};
use crate::realtime::Event;
use crate::standing::{Hold, Standing};
use crate::store::account::Account;
use crate::view::Timestamp;

/// The longest a caller may wait for the outcome.
pub(super) const WAIT: Duration = Duration::from_secs(30);

/// One message to send, and from which account.
#[derive(Debug, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Send {
    #[serde(flatten)]
    from: From,
    #[serde(flatten)]
    message: NewMessage,
}

/// From which account.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct From {
    #[schema(value_type = AccountId)]
    account_id: String,
}

impl Send {
    /// Each of the two reads its own fields, and so can tell which of them is wrong.
    fn read(body: &[u8]) -> Result<Self, ApiError> {
        Ok(Self { from: read(body)?, message: read(body)? })
    }
}

/// A message was accepted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Sent)]
pub struct SendView {
    #[schema(example = true)]
    success: bool,
    /// Whether it waits: false only for a caller who waited and saw it leave, or end otherwise.
    queued: bool,
    pub(super) message_id: MessageId,
    /// 1 goes next; null while its time has not come.
    queue_position: Option<u64>,
    /// The account's status; `sent` for a caller who waited and saw it go.
    #[schema(example = "CONNECTED")]
    status: &'static str,
    /// When it will leave, on average; null while the account is held.
    pub(super) estimated_send_at: Option<Timestamp>,
    /// What holds the account, so that nobody can say when: `paused`, `disconnected` or `failed`.
    pub(super) hold_reason: Option<Hold>,
    /// The messenger's own id, for a caller who waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_message_id: Option<String>,
}

/// The header `Idempotency-Key`.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(names("Idempotency-Key"), parameter_in = Header)]
pub struct KeyHeader(
    /// Under the same key the same request is accepted once
    pub(super) Option<String>,
);

impl KeyHeader {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get("Idempotency-Key") else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(key) if (1..=200).contains(&key.len()) => Ok(Self(Some(key.to_owned()))),
            _ => Err(ApiError::field("Idempotency-Key", "must have 1 to 200 ASCII characters")),
        }
    }
}

/// The header `Prefer` (RFC 7240), of which `wait=N` counts: how long the caller wants to wait.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(names("Prefer"), parameter_in = Header)]
pub struct WaitHeader(
    /// `wait=N`: wait up to N (at most 30) seconds for the outcome
    #[param(value_type = Option<String>)]
    pub(super) Option<Duration>,
);

impl WaitHeader {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let preferences = headers.get_all("Prefer").filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
        let mut waits = preferences.filter_map(|p| p.trim().strip_prefix("wait=")?.trim().parse().ok());
        Self(waits.next().map(|seconds| Duration::from_secs(seconds).min(WAIT)))
    }
}

/// Accepts one message. It is durable when this is answered, and leaves at the account's pace.
#[utoipa::path(post, path = "/api/messages/send", tag = "messages", request_body = Send,
    params(KeyHeader, WaitHeader),
    responses((status = 200, body = SendView), (status = 202, body = SendView), ApiError))]
pub async fn send(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    body: Unread,
) -> Result<HttpResponse, ApiError> {
    let Send { from: From { account_id }, mut message } = read_apart(body.0, Send::read).await?;
    let account = find(&app, &caller, &account_id).await?;
    match KeyHeader::read(request.headers())?.0 {
        Some(key) if message.idempotency_key.as_ref().is_some_and(|other| *other != key) => {
            return Err(ApiError::field("idempotencyKey", "differs from the header Idempotency-Key"));
        }
        Some(key) => message.idempotency_key = Some(key),
        None => {}
    }
    let key = message.idempotency_key.clone().map(|key| caller.kept_key(key));
    let referred = Referred::look_up(&app, &caller, &[message.asks(&app, &account, key.clone())]).await?;
    let draft = signed(message.draft(&app, &account, &referred, key.as_deref())?, &caller);
    let sent = accept(&app, &account, draft, WaitHeader::read(request.headers()).0).await?;
    let mut response = sent.response();
    Ok(response.json(sent.view))
}

/// What became of one message that was asked to be sent.
pub(super) struct Sent {
    pub(super) view: SendView,
    /// 200 if the caller waited and it went out, else 202.
    status: StatusCode,
    is_repeat: bool,
}

impl Sent {
    /// The answer's head.
    pub(super) fn response(&self) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(self.status);
        if self.is_repeat {
            response.insert_header(("Idempotent-Replayed", "true"));
        }
        response
    }
}

/// Accepts one message, and waits so long for its outcome, if at all.
pub(super) async fn accept(
    app: &App,
    account: &Account,
    draft: Draft,
    wait_for: Option<Duration>,
) -> Result<Sent, ApiError> {
    // Watched before it is accepted, so that the outcome can't come in between.
    let waiting = wait_for.map(|span| (span, app.bus.watch(account.id)));
    let accepted = app.intake.accept(account, vec![draft]).await?;
    let Some(Accepted::Message { id, standing, is_repeat }) = accepted.into_iter().next() else {
        return Err(key_taken());
    };
    let view = view_of(app, account.id, id, standing);
    let sent = Sent { view, status: StatusCode::ACCEPTED, is_repeat };
    match waiting {
        Some((span, events)) => wait(app, account, sent, span, events).await,
        None => Ok(sent),
    }
}

impl std::convert::From<NotAccepted> for ApiError {
    fn from(error: NotAccepted) -> Self {
        match error {
            NotAccepted::Gone => Self::NotFound("account"),
            NotAccepted::Store(error) => error.into(),
        }
    }
}

pub(super) fn key_taken() -> ApiError {
    let message = "another request was accepted under this idempotency key".to_owned();
    ApiError::Conflict { code: "idempotency_key_taken", message }
}

pub(super) fn view_of(app: &App, account: AccountId, message_id: MessageId, standing: Standing) -> SendView {
    SendView {
        success: true,
        queued: true,
        message_id,
        queue_position: standing.position,
        status: app.sessions.status(account).as_str(),
        estimated_send_at: standing.estimated_at.map(Timestamp),
        hold_reason: standing.hold,
        provider_message_id: None,
    }
}

/// Waits for the outcome, heard of by `events`: 200 if the messenger took it in time, else the 202 it would have been.
pub(super) async fn wait(
    app: &App,
    account: &Account,
    mut sent: Sent,
    span: Duration,
    mut events: Receiver<Event>,
) -> Result<Sent, ApiError> {
    let id = sent.view.message_id;
    let outcome = async {
        loop {
            // The row first: a repeated request may ask for what was over long ago.
            let row = app.store.find_message(account.company_id, id).await?;
            if let Some(row) = row.filter(|row| !matches!(row.status, Status::Queued | Status::Sending)) {
                return Ok::<_, ApiError>((row.status, row.provider_message_id));
            }
            loop {
                match events.recv().await {
                    Ok(Event::MessageChanged { message, .. }) if message == id => break,
                    // It may have been taken back, or its account removed.
                    Ok(Event::AccountChanged) => break,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        }
    };
    let ended = tokio::select! {
        ended = app.clock.timeout(span, outcome) => ended,
        () = app.quiet.cancelled() => Err(crate::clock::Elapsed),
    };
    if let Ok(ended) = ended {
        let (status, provider_message_id) = ended?;
        let view = &mut sent.view;
        view.queue_position = None;
        view.estimated_send_at = None;
        view.hold_reason = None;
        view.queued = false;
        if matches!(status, Status::Sent | Status::Delivered | Status::Read) {
            view.status = Status::Sent.as_str();
            view.provider_message_id = provider_message_id;
            sent.status = StatusCode::OK;
        } else {
            view.status = app.sessions.status(account.id).as_str();
        }
    }
    Ok(sent)
}
