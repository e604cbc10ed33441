//! What an instance answers at its own port, and under `/instances/{id}` on the server's: how it is, who
//! it is, and what it sends.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use entity::account::Provider;
use entity::ids::{AccountId, MessageId};
use entity::message::Status;
use garde::Validate;
use serde::{Deserialize, Serialize};

use super::view::{InstanceStatus, status_of};
use crate::account::WAITS;
use crate::api::accounts::find;
use crate::api::attach::{NewMedia, Referred};
use crate::api::draft::{NewMessage, signed};
use crate::api::json::id;
use crate::api::read::{Untitled, object, text_or_number};
use crate::api::send::{KeyHeader, WAIT, accept, wait};
use crate::api::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::standing::Hold;
use crate::store::account::Account;
use crate::view::{MessageError, Timestamp};

/// How an instance is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InstanceHealth {
    /// Always `healthy`: it answers, and takes messages.
    #[schema(example = "healthy")]
    status: &'static str,
    provider: Provider,
    /// Where its connection stands.
    instance_status: InstanceStatus,
    timestamp: Timestamp,
}

/// An instance by its id, and its provider where the address names it.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OwnPath {
    #[param(value_type = AccountId)]
    id: String,
    /// Its messenger.
    provider: String,
}

fn of_provider(account: Arc<Account>, provider: &str) -> Result<Arc<Account>, ApiError> {
    if account.provider.to_string() == provider { Ok(account) } else { Err(ApiError::NotFound("account")) }
}

async fn health_of(app: &App, text: &str, provider: Option<&str>) -> Result<impl Responder + use<>, ApiError> {
    let account: AccountId = id(text, "account")?;
    let account = app.store.account(account).await?.ok_or(ApiError::NotFound("account"))?;
    let account = match provider {
        Some(provider) => of_provider(account, provider)?,
        None => account,
    };
    Ok(Json(InstanceHealth {
        status: "healthy",
        provider: account.provider,
        instance_status: status_of(app, &account),
        timestamp: Timestamp(app.clock.now()),
    }))
}

/// How the instance is. Needs no key: who knows the address may ask.
#[utoipa::path(get, path = "/instances/{id}/api/v1/health", tag = "instances", params(("id" = AccountId, Path)),
    responses((status = 200, body = InstanceHealth), ApiError))]
pub async fn health(app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    health_of(&app, &id, None).await
}

/// How the instance is. Needs no key: who knows the address may ask.
#[utoipa::path(get, path = "/instances/{id}/api/v1/{provider}/health", tag = "instances", params(OwnPath),
    responses((status = 200, body = InstanceHealth), ApiError))]
pub async fn provider_health(app: Data<App>, path: Path<OwnPath>) -> Result<impl Responder, ApiError> {
    health_of(&app, &path.id, Some(&path.provider)).await
}

/// Who an instance is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InstanceMe {
    id: AccountId,
    name: String,
    provider: Provider,
    status: InstanceStatus,
    /// `+` and digits; null of a bot, and until it is paired.
    #[schema(example = "+996700123456")]
    phone_number: Option<String>,
    /// The name the messenger shows; of a bot, its user name.
    display_name: Option<String>,
}

/// Who the instance is at its messenger.
#[utoipa::path(get, path = "/instances/{id}/api/v1/{provider}/me", tag = "instances", params(OwnPath),
    responses((status = 200, body = InstanceMe), ApiError))]
pub async fn me(caller: Caller, app: Data<App>, path: Path<OwnPath>) -> Result<impl Responder, ApiError> {
    let account = of_provider(find(&app, &caller, &path.id).await?, &path.provider)?;
    Ok(Json(InstanceMe {
        id: account.id,
        name: account.name.clone(),
        provider: account.provider,
        status: status_of(&app, &account),
        phone_number: account.phone_number.as_ref().map(|digits| format!("+{digits}")),
        display_name: account.display_name.clone(),
    }))
}

/// A text or a file for a chat.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnText {
    /// The messenger's id of the chat, or a phone number where the messenger has those.
    #[garde(custom(text(1..=100)))]
    #[schema(min_length = 1, max_length = 100, example = "134527512")]
    #[serde(deserialize_with = "text_or_number", alias = "chat_id")]
    chat_id: String,
    /// The text. Under a file it may be left out.
    #[garde(inner(custom(text(1..=4_096))))]
    #[schema(min_length = 1, max_length = 4096)]
    message: Option<String>,
    /// The file.
    #[garde(skip)]
    #[serde(default, deserialize_with = "object")]
    media: Option<NewMedia>,
}

/// What became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnSent {
    /// The messenger's own id of it; null as long as the messenger has not taken it.
    #[schema(example = "225")]
    message_id: Option<String>,
    provider: Provider,
    /// The id by which it is found at `/api/messages/{id}`.
    id: MessageId,
    /// `sent`; or, where the answer is 202, where it stands.
    #[schema(example = "sent")]
    status: String,
    /// Why it will not arrive, or not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<MessageError>,
    /// When it will leave, on average, where it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_send_at: Option<Timestamp>,
    /// What holds the instance, so that nobody can say when: `paused`, `disconnected` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_reason: Option<Hold>,
}

/// What is wrong with a text, by the name that its recipient has here.
fn in_own_words(error: ApiError) -> ApiError {
    match error {
        ApiError::Refused { code, field: "to", message } => ApiError::Refused { code, field: "chatId", message },
        other => other,
    }
}

/// Sends a text or a file through the instance's queue, at its pace. Answers 200 once the messenger took it; and 202
/// if that takes longer than 30 s or does not happen, at once where that is known.
#[utoipa::path(post, path = "/instances/{id}/api/v1/{provider}/send", tag = "instances", params(OwnPath, KeyHeader),
    request_body = OwnText, responses((status = 200, body = OwnSent), (status = 202, body = OwnSent), ApiError))]
pub async fn send(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    path: Path<OwnPath>,
    body: Untitled<OwnText>,
) -> Result<HttpResponse, ApiError> {
    let account = of_provider(find(&app, &caller, &path.id).await?, &path.provider)?;
    let asked = body.0;
    check(&asked)?;
    let key = KeyHeader::read(request.headers())?.0;
    let kept_key = key.clone().map(|key| caller.kept_key(key));
    let message = NewMessage::plain(asked.chat_id, asked.message, asked.media, key);
    let referred = Referred::look_up(&app, &caller, &[message.asks(&app, &account, kept_key.clone())]).await?;
    let draft = signed(message.draft(&app, &account, &referred, kept_key.as_deref()).map_err(in_own_words)?, &caller);
    // Watched before it is accepted, so that the outcome can't come in between.
    let events = app.bus.watch(account.id);
    let mut sent = accept(&app, &account, draft, None).await?;
    let (estimated_send_at, hold_reason) = (sent.view.estimated_send_at, sent.view.hold_reason);
    let is_soon = estimated_send_at.is_none_or(|at| at.0 < app.clock.now() + WAIT);
    // Of an account that is held, or whose messenger is not reached, nobody knows when it sends.
    let is_reached = !account.error_code.as_deref().is_some_and(|code| WAITS.contains(&code));
    if is_soon && hold_reason.is_none() && is_reached {
        sent = wait(&app, &account, sent, WAIT, events).await?;
    }
    let mut response = sent.response();
    // The row alone says what became of it, also of one that was sent before and is asked for again.
    let row = app.store.find_message(account.company_id, sent.view.message_id).await?;
    let row = row.ok_or(ApiError::NotFound("message"))?;
    let is_taken = matches!(row.status, Status::Sent | Status::Delivered | Status::Read);
    response.status(if is_taken { StatusCode::OK } else { StatusCode::ACCEPTED });
    Ok(response.json(OwnSent {
        message_id: row.provider_message_id.filter(|_| is_taken),
        provider: account.provider,
        id: row.id,
        status: if is_taken { "sent".to_owned() } else { row.status.to_string() },
        last_error: MessageError::of(row.error_code, row.error_message).filter(|_| !is_taken),
        estimated_send_at: estimated_send_at.filter(|_| row.status == Status::Queued),
        hold_reason: hold_reason.filter(|_| row.status == Status::Queued),
    }))
}

/// Sends a text or a file through the instance's queue, as its own address does.
#[utoipa::path(post, path = "/api/v1/multi-provider/instances/{provider}/{id}/send-message", tag = "instances",
    params(OwnPath, KeyHeader), request_body = OwnText,
    responses((status = 200, body = OwnSent), (status = 202, body = OwnSent), ApiError))]
pub async fn send_message(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    path: Path<OwnPath>,
    body: Untitled<OwnText>,
) -> Result<HttpResponse, ApiError> {
    send(caller, app, request, path, body).await
}
