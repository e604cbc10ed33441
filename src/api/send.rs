//! `/api/messages/send` and `/api/messages/bulk`: where messages come in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Json};
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder};
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};
use entity::message::Status;
use futures_util::future::LocalBoxFuture;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::accounts::find;
use super::json::{BULK_BODY, Timestamp, check, no_nul, read_error};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, Detail, ErrorBody};
use crate::gateway::sessions;
use crate::intake::{self, Accepted, Draft};
use crate::phone::Recipient;
use crate::realtime::Event;
use crate::store::account::Account;

/// Characters of a text: what Telegram and WhatsApp both take.
const TEXT: usize = 4_096;
/// Messages of one bulk request.
const BULK: usize = 10_000;
/// The longest a caller may wait for the outcome.
const WAIT: Duration = Duration::from_secs(30);

/// One message to send.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    /// To whom: a phone number as people write it, or what the messenger addresses chats by.
    #[garde(length(chars, min = 1, max = 100), custom(no_nul))]
    #[schema(min_length = 1, max_length = 100, example = "77777777777")]
    to: String,
    /// The text; or a `template`.
    #[garde(inner(length(chars, min = 1, max = TEXT), custom(no_nul)))]
    #[schema(min_length = 1, max_length = 4096)]
    message: Option<String>,
    /// A text with `{{name}}` in it, filled from `variables`.
    #[garde(inner(length(chars, min = 1, max = TEXT), custom(no_nul)))]
    #[schema(min_length = 1, max_length = 4096)]
    template: Option<String>,
    /// What stands for each `{{name}}`: texts or numbers.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    variables: Option<HashMap<String, Value>>,
    /// Not taken by any messenger here yet: refused, never dropped.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    media: Option<Value>,
    /// 0 goes first, 9 last; 5 unless said.
    #[garde(range(max = 9))]
    #[schema(maximum = 9)]
    priority: Option<u8>,
    /// Not before this instant.
    #[garde(skip)]
    send_at: Option<DateTime<Utc>>,
    /// Not after this instant: then it is `expired`.
    #[garde(skip)]
    expires_at: Option<DateTime<Utc>>,
    /// Under the same key the same request is accepted once; or the header `Idempotency-Key`.
    #[garde(inner(length(chars, min = 1, max = 200), custom(no_nul)))]
    #[schema(min_length = 1, max_length = 200)]
    idempotency_key: Option<String>,
    /// The caller's own id, to find the message by.
    #[garde(inner(length(chars, min = 1, max = 200), custom(no_nul)))]
    #[schema(min_length = 1, max_length = 200)]
    reference: Option<String>,
}

/// One message to send, and from which account.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Send {
    #[schema(value_type = AccountId)]
    account_id: String,
    #[serde(flatten)]
    message: NewMessage,
}

/// Up to 10,000 messages to send from one account.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bulk {
    #[schema(value_type = AccountId)]
    account_id: String,
    /// Read one by one, so that a bad one spoils no other.
    #[schema(value_type = Vec<NewMessage>, max_items = 10000)]
    messages: Vec<Value>,
}

/// A bulk request's body, which may be larger than others.
#[derive(Debug)]
pub struct BulkJson(Bulk);

impl FromRequest for BulkJson {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let mut payload = payload.take();
        let request = request.clone();
        Box::pin(async move {
            let body = actix_web::dev::JsonBody::<Bulk>::new(&request, &mut payload, None, true).limit(BULK_BODY);
            body.await.map(Self).map_err(|error| read_error(error).into())
        })
    }
}

/// A message was accepted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Sent)]
pub struct SendView {
    #[schema(example = true)]
    success: bool,
    /// Whether it is on its way: false only if the caller waited and it ended otherwise.
    queued: bool,
    message_id: MessageId,
    /// 1 goes next; null while its time has not come.
    queue_position: Option<u64>,
    /// The account's status; `sent` for a caller who waited and saw it go.
    #[schema(example = "CONNECTED")]
    status: &'static str,
    /// When it will leave, on average; null while the queue can't be asked.
    estimated_send_at: Option<Timestamp>,
    /// The messenger's own id, for a caller who waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_message_id: Option<String>,
}

/// What became of a bulk request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BulkView {
    #[schema(example = true)]
    success: bool,
    /// How many were accepted.
    accepted: usize,
    /// How many were not.
    refused: usize,
    /// One for each message, in order.
    results: Vec<BulkResult>,
}

/// What became of one message of a bulk request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum BulkResult {
    /// It was accepted.
    Accepted(SendView),
    /// It was not.
    Refused(ErrorBody),
}

impl NewMessage {
    fn draft(self, account: &Account, now: DateTime<Utc>) -> Result<Draft, ApiError> {
        check(&self)?;
        if self.media.as_ref().is_some_and(|media| !media.is_null()) {
            let message = format!("media can't be sent by {} accounts here", account.provider);
            return Err(ApiError::Refused { code: "media_not_supported", field: "media", message });
        }
        let to = Recipient::parse(account.provider, &self.to).map_err(|why| ApiError::Refused {
            code: "invalid_number",
            field: "to",
            message: why.to_string(),
        })?;
        if self.expires_at.is_some_and(|at| at <= now || self.send_at.is_some_and(|from| from >= at)) {
            return Err(ApiError::field("expiresAt", "must lie ahead, and after sendAt"));
        }
        let text = match (self.message, self.template) {
            (Some(text), None) => text,
            (None, Some(template)) => fill(&template, &self.variables.unwrap_or_default())?,
            _ => return Err(ApiError::field("message", "is needed, or a template, not both")),
        };
        if text.trim().is_empty() {
            return Err(ApiError::field("message", "must not be empty"));
        }
        let mut draft = Draft {
            to,
            text,
            priority: self.priority.unwrap_or(5),
            send_at: self.send_at,
            expires_at: self.expires_at,
            reference: self.reference,
            key: None,
        };
        draft.key = self.idempotency_key.map(|key| {
            let hash = hash_of(account.id, &draft);
            (key, hash)
        });
        Ok(draft)
    }
}

/// Fills a template: each `{{name}}` becomes the variable of that name.
fn fill(template: &str, variables: &HashMap<String, Value>) -> Result<String, ApiError> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) =
            after.split_once("}}").ok_or_else(|| ApiError::field("template", "has a {{ without its }}"))?;
        text += before;
        match variables.get(name.trim()) {
            Some(Value::String(value)) if !value.contains('\0') => text += value,
            Some(Value::Number(value)) => text += &value.to_string(),
            _ => {
                return Err(ApiError::field(
                    "variables",
                    format!("needs a text or number for {{{{{}}}}}", name.trim()),
                ));
            }
        }
        rest = after;
    }
    text += rest;
    if text.chars().count() > TEXT {
        return Err(ApiError::field("template", "is longer than 4096 characters once filled"));
    }
    Ok(text)
}

/// The first eight bytes of the SHA-256 of what is asked for.
fn hash_of(account: AccountId, draft: &Draft) -> i64 {
    let asked =
        (account, draft.to.as_str(), &draft.text, draft.priority, draft.send_at, draft.expires_at, &draft.reference);
    first_bytes(&serde_json::to_vec(&asked).unwrap_or_default())
}

fn first_bytes(bytes: &[u8]) -> i64 {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | i64::from(*byte))
}

/// The header `Idempotency-Key`.
fn header_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("Idempotency-Key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=200).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(ApiError::field("Idempotency-Key", "must have 1 to 200 ASCII characters")),
    }
}

/// How long the caller wants to wait: `Prefer: wait=N` (RFC 7240), in seconds.
fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("Prefer").filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let mut waits = preferences.filter_map(|p| p.trim().strip_prefix("wait=")?.trim().parse().ok());
    waits.next().map(|seconds| Duration::from_secs(seconds).min(WAIT))
}

/// Accepts one message. It is durable when this is answered, and leaves at the account's pace.
#[utoipa::path(post, path = "/api/messages/send", tag = "messages", request_body = Send,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Under the same key the same request is accepted once"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N (at most 30) seconds for the outcome"),
    ),
    responses((status = 200, body = SendView), (status = 202, body = SendView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn send(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    body: Json<Send>,
) -> Result<HttpResponse, ApiError> {
    let Send { account_id, mut message } = body.into_inner();
    let account = find(&app, caller, &account_id).await?;
    match header_key(request.headers())? {
        Some(key) if message.idempotency_key.as_ref().is_some_and(|other| *other != key) => {
            return Err(ApiError::field("idempotencyKey", "differs from the header Idempotency-Key"));
        }
        Some(key) => message.idempotency_key = Some(key),
        None => {}
    }
    let draft = message.draft(&account, app.clock.now())?;
    // Watched before it is accepted, so that the outcome can't come in between.
    let waiting = wait_of(request.headers()).map(|span| (span, app.bus.watch(account.id)));
    let accepted = intake::accept(&app, &account, vec![draft]).await?;
    let Some(Accepted::Message { id, position, estimated_at, is_repeat }) = accepted.into_iter().next() else {
        return Err(key_taken());
    };
    let view = view_of(&app, account.id, id, position, estimated_at);
    let mut response = HttpResponse::Accepted();
    if is_repeat {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    match waiting {
        Some((span, events)) => wait(&app, &account, view, span, events, response).await,
        None => Ok(response.json(view)),
    }
}

fn key_taken() -> ApiError {
    let message = "another request was accepted under this idempotency key".to_owned();
    ApiError::Conflict { code: "idempotency_key_taken", message }
}

fn view_of(
    app: &App,
    account: AccountId,
    message_id: MessageId,
    queue_position: Option<u64>,
    estimated_at: Option<DateTime<Utc>>,
) -> SendView {
    SendView {
        success: true,
        queued: true,
        message_id,
        queue_position,
        status: app.sessions.status(account).as_str(),
        estimated_send_at: estimated_at.map(Timestamp),
        provider_message_id: None,
    }
}

/// Waits for the outcome: 200 if the messenger took it in time, else the 202 it would have been.
async fn wait(
    app: &App,
    account: &Account,
    mut view: SendView,
    span: Duration,
    mut events: Receiver<Event>,
    mut response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let outcome = async {
        loop {
            // The row first: a repeated request may ask for what was over long ago.
            let row = app.store.find_message(account.company_id, view.message_id).await?;
            if let Some(row) = row.filter(|row| !matches!(row.status, Status::Queued | Status::Sending)) {
                return Ok::<_, ApiError>((row.status, row.provider_message_id));
            }
            loop {
                match events.recv().await {
                    Ok(Event::MessageChanged { message, .. }) if message == view.message_id => break,
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
        view.queue_position = None;
        view.estimated_send_at = None;
        if matches!(status, Status::Sent | Status::Delivered | Status::Read) {
            view.status = Status::Sent.as_str();
            view.provider_message_id = provider_message_id;
            response.status(StatusCode::OK);
        } else {
            view.queued = false;
            view.status = sessions::Status::as_str(app.sessions.status(account.id));
        }
    }
    Ok(response.json(view))
}

/// Accepts many messages. Bad ones are refused singly; a header `Idempotency-Key` holds for the request as a whole.
#[utoipa::path(post, path = "/api/messages/bulk", tag = "messages", request_body = Bulk,
    params(("Idempotency-Key" = Option<String>, Header, description = "Under the same key the same request is accepted once")),
    responses((status = 202, body = BulkView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn bulk(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    body: BulkJson,
) -> Result<HttpResponse, ApiError> {
    let Bulk { account_id, messages } = body.0;
    let account = find(&app, caller, &account_id).await?;
    if messages.is_empty() || messages.len() > BULK {
        return Err(ApiError::field("messages", "must be 1 to 10000"));
    }
    let whole = header_key(request.headers())?
        .map(|key| (key, first_bytes(&serde_json::to_vec(&messages).unwrap_or_default())));
    if let Some((key, hash)) = &whole {
        refuse_if_taken(&app, caller, key, *hash, messages.len()).await?;
    }
    let now = app.clock.now();
    let mut drafts = Vec::with_capacity(messages.len());
    let read: Vec<Result<(), ErrorBody>> = messages
        .into_iter()
        .enumerate()
        .map(|(index, value)| {
            let mut draft = read_entry(value, &account, now).map_err(|error| error.body())?;
            if let Some((key, hash)) = &whole {
                draft.key = Some((key_of(key, index), *hash));
            }
            drafts.push(draft);
            Ok(())
        })
        .collect();
    let mut accepted = intake::accept(&app, &account, drafts).await?.into_iter();
    let mut is_repeat = whole.is_some();
    let results: Vec<BulkResult> = read
        .into_iter()
        .map(|read| match read.map(|()| accepted.next()) {
            Ok(Some(Accepted::Message { id, position, estimated_at, is_repeat: again })) => {
                is_repeat &= again;
                BulkResult::Accepted(view_of(&app, account.id, id, position, estimated_at))
            }
            Ok(_) => BulkResult::Refused(key_taken().body()),
            Err(error) => BulkResult::Refused(error),
        })
        .collect();
    let refused = results.iter().filter(|result| matches!(result, BulkResult::Refused(_))).count();
    let mut response = HttpResponse::Accepted();
    if is_repeat && refused < results.len() {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    Ok(response.json(BulkView { success: true, accepted: results.len() - refused, refused, results }))
}

/// The key of one message of a request that has a key as a whole.
fn key_of(key: &str, index: usize) -> String {
    format!("{key}#{index}")
}

async fn refuse_if_taken(app: &Arc<App>, caller: Caller, key: &str, hash: i64, count: usize) -> Result<(), ApiError> {
    let keys: Vec<String> = (0..count).map(|index| key_of(key, index)).collect();
    let found = app.store.find_by_keys(caller.company, &keys).await?;
    if found.iter().any(|(_, _, other)| *other != hash) { Err(key_taken()) } else { Ok(()) }
}

fn read_entry(value: Value, account: &Account, now: DateTime<Utc>) -> Result<Draft, ApiError> {
    let message: NewMessage = serde_json::from_value(value)
        .map_err(|why| ApiError::Fields(vec![Detail { field: "messages".to_owned(), message: why.to_string() }]))?;
    message.draft(account, now)
}
