//! `/api/accounts/{id}/chats`: an account's conversations; and what the session view of them shares.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use entity::chat::Model;
use entity::ids::{AccountId, ChatId};
use entity::message::{Kind, Model as Message};
use garde::Validate;
use serde::Deserialize;

use super::accounts::find;
use super::attach::{Asked, NewMedia, Referred};
use super::chat_list::{ChatQuery, page_of_chats};
use super::draft::{hash_of, signed};
use super::list::{Listed, PageQuery, read_cursor};
use super::read::{Body, Query, object};
use super::send::{KeyHeader, SendView, Sent, WaitHeader, accept};
use super::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::intake::Draft;
use crate::phone::Recipient;
use crate::standing::Standing;
use crate::store::account::Account;
use crate::store::file::NewChat;
use crate::store::list::Page;
use crate::view::{ChatMessageView, ChatView, Timestamp};

/// An account's chats, the latest first: with people and groups, unless the query says otherwise.
#[utoipa::path(get, path = "/api/accounts/{id}/chats", tag = "chats", params(("id" = AccountId, Path), ChatQuery),
    responses((status = 200, body = Listed<ChatView>), ApiError))]
pub async fn list(
    caller: Caller,
    app: Data<App>,
    id: Path<String>,
    query: Query<ChatQuery>,
) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    Ok(Json(page_of_chats(&app, caller.company, Some(vec![account.id]), &query.0, true).await?))
}

/// Which messages of a chat.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChatMessageQuery {
    /// Which page, from 1.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// How many, 50 unless said, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
    /// Goes on where a page ended, however far that is; instead of `page`.
    cursor: Option<String>,
}

/// A page of a chat's messages, newest first; of those that are queued, with when they leave.
pub(super) async fn page_of_messages(
    app: &App,
    account: &Account,
    chat: &Model,
    query: &ChatMessageQuery,
) -> Result<Listed<ChatMessageView>, ApiError> {
    let part = PageQuery { page: query.page, limit: query.limit }.read()?;
    let page = match &query.cursor {
        Some(cursor) => Page::After(read_cursor(cursor, |text| text.parse().ok())?),
        None => Page::Offset(part.offset),
    };
    let rows = app.store.list_chat_messages(chat.id, page, part.limit).await?;
    let next_cursor = part.next_cursor(&rows, |row| row.filed_seq.unwrap_or_default().to_string());
    let total = chat.message_count.unsigned_abs();
    let standings = app.standings.of_all(account, &rows).await?;
    let views = rows.into_iter().map(|row| {
        let standing = standings.get(&row.id).copied().unwrap_or_default();
        view_of(row, standing)
    });
    Ok(part.list(views.collect(), total).going_on(next_cursor))
}

fn view_of(row: Message, standing: Standing) -> ChatMessageView {
    ChatMessageView { estimated_send_at: standing.estimated_at.map(Timestamp), ..row.into() }
}

/// A message of a chat, with when it leaves.
pub(super) async fn message_view(app: &App, account: &Account, row: Message) -> Result<ChatMessageView, ApiError> {
    let standing = app.standings.of(account, &row).await?;
    Ok(view_of(row, standing))
}

/// The chat that an address of the API names: by its row's id, or by the messenger's.
pub(super) async fn find_chat(app: &App, account: &Account, text: &str) -> Result<Model, ApiError> {
    let found = match text.parse() {
        Ok(id) => app.store.find_chat(account.id, id).await?,
        Err(_) => app.store.find_chat_at(account.id, &address_of(app, account, text)).await?,
    };
    found.ok_or(ApiError::NotFound("chat"))
}

/// A number as people write it leads to the chat with it; other addresses are the messenger's own.
fn address_of(app: &App, account: &Account, text: &str) -> String {
    let recipient = Recipient::parse(account.provider, text, app.config.phone_region);
    recipient.map_or_else(|_| text.replace('\0', ""), |recipient| recipient.chat(account.provider))
}

/// The address of a chat.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct ChatPath {
    #[param(value_type = AccountId)]
    pub(super) id: String,
    /// The row's id, or the messenger's own
    pub(super) chat_id: String,
}

/// A chat's messages, newest first.
#[utoipa::path(get, path = "/api/accounts/{id}/chats/{chatId}", tag = "chats",
    params(ChatPath, ChatMessageQuery),
    responses((status = 200, body = Listed<ChatMessageView>), ApiError))]
pub async fn messages(
    caller: Caller,
    app: Data<App>,
    path: Path<ChatPath>,
    query: Query<ChatMessageQuery>,
) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &path.id).await?;
    let chat = find_chat(&app, &account, &path.chat_id).await?;
    Ok(Json(page_of_messages(&app, &account, &chat, &query.0).await?))
}

/// A text or a file for a chat.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatText {
    /// The text. Under a file it may be left out.
    #[garde(inner(custom(text(1..=4_096))))]
    #[schema(min_length = 1, max_length = 4096, example = "Hello! How are you?")]
    message: Option<String>,
    /// The file.
    #[garde(skip)]
    #[serde(default, deserialize_with = "object")]
    media: Option<NewMedia>,
    /// `text`, or what the file goes as; neither need be said.
    #[garde(skip)]
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl ChatText {
    /// A text, a file, or a file with a text under it.
    pub(super) fn new(message: Option<String>, media: Option<NewMedia>) -> Self {
        Self { message, media, kind: None }
    }

    /// The text and the file, if they are what it says that it is.
    fn read(self, account: &Account) -> Result<(String, Option<NewMedia>), ApiError> {
        check(&self)?;
        let kind = match (self.kind.as_deref(), &self.media) {
            (None | Some("text"), _) => None,
            (Some(word), Some(_)) => Some(word.parse::<Kind>().map_err(|_| unknown_type(account))?),
            (Some(_), None) => return Err(unknown_type(account)),
        };
        let text = self.message.unwrap_or_default();
        if text.trim().is_empty() && self.media.is_none() {
            return Err(ApiError::field("message", "is needed, or media"));
        }
        Ok((text, self.media.map(|media| media.or_as(kind))))
    }
}

fn unknown_type(account: &Account) -> ApiError {
    let message = format!("{} accounts send texts, and files that media names", account.provider);
    ApiError::Refused { code: "type_not_supported", field: "type", message }
}

/// Where a person writes: in a chat that an address of the API names, or to a number.
#[derive(Clone, Copy)]
pub(super) enum To<'a> {
    Chat(&'a str),
    Phone(&'a str),
}

/// Sends a text or a file through the account's queue; it is in its chat at once. A chat with somebody who
/// was never written to is opened, once it is known what is sent.
pub(super) async fn send_in(
    app: &App,
    caller: &Caller,
    account: &Account,
    to: To<'_>,
    text: ChatText,
    request: &HttpRequest,
) -> Result<Sent, ApiError> {
    let (text, asked) = text.read(account)?;
    let key = KeyHeader::read(request.headers())?.0;
    let kept_key = key.clone().map(|key| caller.kept_key(key));
    let media = match &asked {
        Some(media) => {
            let asked = Asked { media: Some(media), template: None, key: kept_key.clone() };
            let referred = Referred::look_up(app, caller, &[asked]).await?;
            let is_known = kept_key.is_some_and(|key| referred.knows(&key));
            if is_known { None } else { Some(referred.card(app, account.provider, media, &text)?) }
        }
        None => None,
    };
    let (chat, to) = chat_to(app, account, to).await?;
    let mut draft = Draft {
        to,
        text,
        priority: 5,
        send_at: None,
        expires_at: None,
        reference: None,
        key: None,
        chat: Some(chat.id),
        user: None,
        media,
    };
    draft.key = key.map(|key| (key, hash_of(account.id, &draft, asked.as_ref(), None)));
    accept(app, account, signed(draft, caller), WaitHeader::read(request.headers()).0).await
}

/// The chat to write in, opened if need be, and whom a message in it is for.
async fn chat_to(app: &App, account: &Account, to: To<'_>) -> Result<(Model, Recipient), ApiError> {
    let (text, field) = match to {
        To::Chat(text) => (text, "chatId"),
        To::Phone(text) => (text, "phone"),
    };
    let read = |text: &str| {
        Recipient::parse(account.provider, text, app.config.phone_region).map_err(|why| ApiError::Refused {
            code: "invalid_number",
            field,
            message: why.to_string(),
        })
    };
    let known = match to {
        To::Chat(text) => match find_chat(app, account, text).await {
            Err(ApiError::NotFound(_)) if text.parse::<ChatId>().is_err() => None,
            found => Some(found?),
        },
        To::Phone(_) => None,
    };
    if let Some(chat) = known {
        let recipient = read(&chat.address)?;
        return Ok((chat, recipient));
    }
    let recipient = read(text)?;
    let new = NewChat::with(account, recipient.chat(account.provider), app.clock.now());
    Ok((app.store.open_chat(new).await?, recipient))
}

/// Sends a text in a chat: as `POST /api/messages/send`, and it is in the chat at once.
#[utoipa::path(post, path = "/api/accounts/{id}/chats/{chatId}", tag = "chats", request_body = ChatText,
    params(ChatPath, KeyHeader, WaitHeader),
    responses((status = 200, body = SendView), (status = 202, body = SendView), ApiError))]
pub async fn send(
    caller: Caller,
    app: Data<App>,
    path: Path<ChatPath>,
    request: HttpRequest,
    body: Body<ChatText>,
) -> Result<HttpResponse, ApiError> {
    let account = find(&app, &caller, &path.id).await?;
    let sent = send_in(&app, &caller, &account, To::Chat(&path.chat_id), body.0, &request).await?;
    Ok(sent.response().json(sent.view))
}
