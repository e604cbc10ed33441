//! `/api/messages`: look at messages, take one back, try one again.

use actix_web::Responder;
use actix_web::web::{Data, Json, Path};
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};
use entity::media::Card;
use entity::message::Model;
use serde::{Deserialize, Serialize};

use super::accounts::Done;
use super::json::id;
use super::list::{Listed, PageQuery, read_cursor};
use super::read::Query;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::standing::{Hold, Standing};
use crate::store::list::{Filter, Page, Shown};
use crate::view::{MessageError, Timestamp};

/// A message as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Message)]
pub struct MessageView {
    id: MessageId,
    account_id: AccountId,
    to: String,
    message: String,
    /// The file that goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<Card>,
    /// `queued`, `scheduled`, `sending`, `sent`, `delivered`, `read`, `failed`, `uncertain`, `cancelled` or `expired`.
    #[schema(example = "queued")]
    status: &'static str,
    /// 0 goes first, 9 last.
    priority: i16,
    /// 1 goes next; only while its turn could be now.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_send_at: Option<Timestamp>,
    /// What holds its account, so that nobody can say when it leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_reason: Option<Hold>,
    /// How often it was handed to the messenger.
    attempts: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<MessageError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    created_at: Timestamp,
    /// Not before: the time that was asked for, or that of the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<Timestamp>,
    /// Not after.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_at: Option<Timestamp>,
}

impl MessageView {
    /// The row as it looks at `now`.
    pub(super) fn of(row: Model, now: DateTime<Utc>) -> Self {
        Self {
            status: Shown::of(&row, now).as_str(),
            id: row.id,
            account_id: row.account_id,
            to: row.recipient,
            message: row.text,
            media: row.media.as_deref().and_then(Card::read),
            priority: row.priority,
            queue_position: None,
            estimated_send_at: None,
            hold_reason: None,
            attempts: row.attempts,
            last_error: MessageError::of(row.error_code, row.error_message),
            provider_message_id: row.provider_message_id,
            reference: row.reference,
            created_at: Timestamp::ms(row.created_at_ms),
            send_at: row.due_at_ms.map(Timestamp::ms),
            expires_at: row.expires_at_ms.map(Timestamp::ms),
            sent_at: row.sent_at_ms.map(Timestamp::ms),
            delivered_at: row.delivered_at_ms.map(Timestamp::ms),
            read_at: row.read_at_ms.map(Timestamp::ms),
        }
    }

    /// With its place in the queue.
    pub(super) fn standing(mut self, standing: Standing) -> Self {
        self.queue_position = standing.position;
        self.estimated_send_at = standing.estimated_at.map(Timestamp);
        self.hold_reason = standing.hold;
        self
    }
}

async fn view(app: &App, row: Model) -> Result<MessageView, ApiError> {
    let standing = match app.store.account(row.account_id).await? {
        Some(account) => app.standings.of(&account, &row).await?,
        None => Standing::default(),
    };
    Ok(MessageView::of(row, app.clock.now()).standing(standing))
}

async fn find(app: &App, caller: &Caller, text: &str) -> Result<Model, ApiError> {
    let id: MessageId = id(text, "message")?;
    let message = app.store.find_message(caller.company, id).await?.ok_or(ApiError::NotFound("message"))?;
    caller.check(message.account_id)?;
    Ok(message)
}

/// One message, with its place in the queue.
#[utoipa::path(get, path = "/api/messages/{id}", tag = "messages", params(("id" = MessageId, Path)),
    responses((status = 200, body = MessageView), ApiError))]
pub async fn show(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let row = find(&app, &caller, &id).await?;
    Ok(Json(view(&app, row).await?))
}

/// Which messages.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// Of one account.
    #[param(value_type = Option<AccountId>)]
    account_id: Option<String>,
    /// In one status.
    status: Option<String>,
    /// With the caller's own id.
    reference: Option<String>,
    /// Accepted at or after this instant.
    from: Option<DateTime<Utc>>,
    /// Accepted before this instant.
    to: Option<DateTime<Utc>>,
    /// Which page, from 1.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// How many, 50 unless said, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
    /// Goes on where a page ended, however far that is; instead of `page`.
    cursor: Option<String>,
}

/// Messages, newest first.
#[utoipa::path(get, path = "/api/messages", tag = "messages", params(MessageQuery),
    responses((status = 200, body = Listed<MessageView>), ApiError))]
pub async fn list(caller: Caller, app: Data<App>, query: Query<MessageQuery>) -> Result<impl Responder, ApiError> {
    let query = query.0;
    let part = PageQuery { page: query.page, limit: query.limit }.read()?;
    let accounts = match &query.account_id {
        Some(text) => Some(vec![super::accounts::find(&app, &caller, text).await?.id]),
        None => caller.visible(),
    };
    let status = match &query.status {
        Some(word) => Some(Shown::parse(word).ok_or_else(|| ApiError::field("status", "is not a status of messages"))?),
        None => None,
    };
    if query.reference.as_ref().is_some_and(|text| text.contains('\0')) {
        return Err(ApiError::field("reference", "must not contain a NUL character"));
    }
    let page = match &query.cursor {
        Some(cursor) => Page::After(read_cursor(cursor, |text| text.parse().ok())?),
        None => Page::Offset(part.offset),
    };
    let filter = Filter { accounts, status, reference: query.reference, from: query.from, to: query.to };
    let now = app.clock.now();
    let (rows, total) = app.store.list_messages(caller.company, &filter, page, part.limit, now).await?;
    let next_cursor = part.next_cursor(&rows, |row| row.id.to_string());
    let data = rows.into_iter().map(|row| MessageView::of(row, now)).collect();
    Ok(Json(part.list(data, total).going_on(next_cursor)))
}

/// Takes a message back that has not started.
#[utoipa::path(delete, path = "/api/messages/{id}", tag = "messages", params(("id" = MessageId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn cancel(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let row = find(&app, &caller, &id).await?;
    if !app.intake.cancel(&row).await? {
        let status = find(&app, &caller, &id).await?.status;
        let message = format!("only a message that has not started can be cancelled; this one is {status}");
        return Err(ApiError::Conflict { code: "not_cancellable", message });
    }
    Ok(Json(Done::new("the message is cancelled")))
}

/// Queues a message again that failed, or whose outcome nobody knows.
#[utoipa::path(post, path = "/api/messages/{id}/retry", tag = "messages", params(("id" = MessageId, Path)),
    responses((status = 202, body = MessageView), ApiError))]
pub async fn retry(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let Some(account) = app.store.account(row.account_id).await? else {
        let message = "the message's account was removed".to_owned();
        return Err(ApiError::Conflict { code: "account_removed", message });
    };
    let Some(row) = app.intake.retry(&account, row.id).await? else {
        let message = format!("only a failed or uncertain message can be tried again; this one is {}", row.status);
        return Err(ApiError::Conflict { code: "not_retryable", message });
    };
    Ok((Json(view(&app, row).await?), actix_web::http::StatusCode::ACCEPTED))
}
