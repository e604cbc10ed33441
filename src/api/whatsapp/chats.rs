//! `/api/whatsapp/sessions/{id}/chats`: the conversations of a session.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use entity::ids::AccountId;
use garde::Validate;
use serde::Deserialize;

use super::{Wrapped, WrappedPage};
use crate::api::accounts::{Done, find};
use crate::api::chat_list::{ChatQuery, page_of_chats};
use crate::api::chats::{ChatMessageQuery, ChatPath, ChatText, To, find_chat, message_view, page_of_messages, send_in};
use crate::api::read::{Body, Query};
use crate::api::send::{KeyHeader, WaitHeader};
use crate::api::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::realtime::Event;
use crate::view::{ChatMessageView, ChatView};

/// A session's chats, the latest first: with people alone, unless the query says otherwise.
#[utoipa::path(get, path = "/api/whatsapp/sessions/{id}/chats", tag = "sessions", params(("id" = AccountId, Path), ChatQuery),
    responses((status = 200, body = WrappedPage<ChatView>), ApiError))]
pub async fn list(
    caller: Caller,
    app: Data<App>,
    id: Path<String>,
    query: Query<ChatQuery>,
) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    Ok(Json(WrappedPage::from(page_of_chats(&app, caller.company, Some(vec![account.id]), &query.0, false).await?)))
}

/// Which of all chats.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct SessionQuery {
    /// Of one session; else of all that the caller may read.
    #[param(value_type = Option<AccountId>)]
    session_id: Option<String>,
}

/// The chats of all sessions that the caller may read, the latest first: with people alone, unless the
/// query says otherwise.
#[utoipa::path(get, path = "/api/whatsapp/chats", tag = "sessions", params(SessionQuery, ChatQuery),
    responses((status = 200, body = WrappedPage<ChatView>), ApiError))]
pub async fn list_all(
    caller: Caller,
    app: Data<App>,
    session: Query<SessionQuery>,
    query: Query<ChatQuery>,
) -> Result<impl Responder, ApiError> {
    let accounts = match &session.0.session_id {
        Some(id) => Some(vec![find(&app, &caller, id).await?.id]),
        None => caller.visible(),
    };
    Ok(Json(WrappedPage::from(page_of_chats(&app, caller.company, accounts, &query.0, false).await?)))
}

/// One chat.
#[utoipa::path(get, path = "/api/whatsapp/sessions/{id}/chats/{chatId}", tag = "sessions",
    params(ChatPath),
    responses((status = 200, body = Wrapped<ChatView>), ApiError))]
pub async fn show(caller: Caller, app: Data<App>, path: Path<ChatPath>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &path.id).await?;
    let chat = find_chat(&app, &account, &path.chat_id).await?;
    Ok(Json(Wrapped::new(ChatView::from(chat))))
}

/// What may be changed of a chat; what is absent stays.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatChange {
    /// What the company calls it.
    #[garde(inner(custom(text(1..=200))))]
    #[schema(min_length = 1, max_length = 200)]
    chat_name: Option<String>,
    /// Whether it is put away.
    #[garde(skip)]
    is_archived: Option<bool>,
}

/// Renames a chat, or puts it away and back.
#[utoipa::path(put, path = "/api/whatsapp/sessions/{id}/chats/{chatId}", tag = "sessions", request_body = ChatChange,
    params(ChatPath),
    responses((status = 200, body = Wrapped<ChatView>), ApiError))]
pub async fn change(
    caller: Caller,
    app: Data<App>,
    path: Path<ChatPath>,
    body: Body<ChatChange>,
) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check(&asked)?;
    let account = find(&app, &caller, &path.id).await?;
    let chat = find_chat(&app, &account, &path.chat_id).await?;
    let changed = app.store.change_chat(chat.id, asked.chat_name, asked.is_archived).await?;
    let chat = ChatView::from(changed.ok_or(ApiError::NotFound("chat"))?);
    app.bus.publish(account.company_id, account.id, Event::ChatChanged { chat: chat.clone() });
    Ok(Json(Wrapped::new(chat)))
}

/// A chat's messages, newest first.
#[utoipa::path(get, path = "/api/whatsapp/sessions/{id}/chats/{chatId}/messages", tag = "sessions",
    params(ChatPath, ChatMessageQuery),
    responses((status = 200, body = WrappedPage<ChatMessageView>), ApiError))]
pub async fn messages(
    caller: Caller,
    app: Data<App>,
    path: Path<ChatPath>,
    query: Query<ChatMessageQuery>,
) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &path.id).await?;
    let chat = find_chat(&app, &account, &path.chat_id).await?;
    Ok(Json(WrappedPage::from(page_of_messages(&app, &account, &chat, &query.0).await?)))
}

/// Sends a text in a chat, through the account's queue: the stored message.
#[utoipa::path(post, path = "/api/whatsapp/sessions/{id}/chats/{chatId}/messages", tag = "sessions", request_body = ChatText,
    params(ChatPath, KeyHeader, WaitHeader),
    responses((status = 200, body = Wrapped<ChatMessageView>), (status = 202, body = Wrapped<ChatMessageView>), ApiError))]
pub async fn send(
    caller: Caller,
    app: Data<App>,
    path: Path<ChatPath>,
    request: HttpRequest,
    body: Body<ChatText>,
) -> Result<HttpResponse, ApiError> {
    let account = find(&app, &caller, &path.id).await?;
    let sent = send_in(&app, &caller, &account, To::Chat(&path.chat_id), body.0, &request).await?;
    let row = app.store.find_message(account.company_id, sent.view.message_id).await?;
    let message = message_view(&app, &account, row.ok_or(ApiError::NotFound("message"))?).await?;
    Ok(sent.response().json(Wrapped::new(message)))
}

/// The same under the name that the first guide gave it.
#[utoipa::path(post, path = "/api/whatsapp/sessions/{id}/chats/{chatId}/send", tag = "sessions", request_body = ChatText,
    params(ChatPath, KeyHeader, WaitHeader),
    responses((status = 200, body = Wrapped<ChatMessageView>), (status = 202, body = Wrapped<ChatMessageView>), ApiError))]
pub async fn send_plainly(
    caller: Caller,
    app: Data<App>,
    path: Path<ChatPath>,
    request: HttpRequest,
    body: Body<ChatText>,
) -> Result<HttpResponse, ApiError> {
    send(caller, app, path, request, body).await
}

/// Notes that somebody has read a chat, and tells the messenger.
#[utoipa::path(post, path = "/api/whatsapp/sessions/{id}/chats/{chatId}/read", tag = "sessions",
    params(ChatPath),
    responses((status = 200, body = Done), ApiError))]
pub async fn read(caller: Caller, app: Data<App>, path: Path<ChatPath>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &path.id).await?;
    let chat = find_chat(&app, &account, &path.chat_id).await?;
    if !app.inbox.read_chat(&account, chat.id).await? {
        return Err(ApiError::NotFound("chat"));
    }
    Ok(Json(Done::new("the messages are marked as read")))
}
