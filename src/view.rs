//! Rows as front ends see them, chats and messages: the same in the API's answers and in events.

use chrono::{DateTime, SecondsFormat, Utc};
use entity::chat::{self, Kind};
use entity::ids::{AccountId, ChatId, MessageId, UserId};
use entity::media::Card;
use entity::message::{self, Origin, Status};
use serde::{Deserialize, Serialize, Serializer};

use crate::store::instant;
use crate::store::newest::Newest;

/// An instant as the API writes it: RFC 3339 in UTC, with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2025-12-01T10:00:00.000Z")]
pub struct Timestamp(pub DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Timestamp {
    /// The instant in a column.
    #[must_use]
    pub fn ms(ms: i64) -> Self {
        Self(instant(ms))
    }
}

/// A chat.
#[derive(Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Chat)]
pub struct ChatView {
    /// Its id.
    pub id: ChatId,
    /// The account whose it is.
    pub session_id: AccountId,
    /// The messenger's own id of it.
    #[schema(example = "77079856339@c.us")]
    pub chat_id: String,
    /// Its name; of one without, the number.
    pub chat_name: String,
    /// `individual`, `group` or `status`.
    pub chat_type: Kind,
    /// Whether it is with many.
    pub is_group: bool,
    /// When the last message came or went.
    pub last_message_at: Option<Timestamp>,
    /// The beginning of the last message.
    pub last_message_text: Option<String>,
    /// Who wrote the newest message, what it is and where it stands: in lists, and where a message enters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<LastMessage>,
    /// Received messages that nobody has read.
    pub unread_count: i32,
    /// Whether the company has put it away.
    pub is_archived: bool,
    /// When it was opened.
    pub created_at: Timestamp,
    /// How much is in it.
    #[serde(rename = "_count")]
    pub count: ChatCount,
}

impl ChatView {
    /// A chat that the message has just entered.
    #[must_use]
    pub fn entered_by(chat: chat::Model, message: &ChatMessageView) -> Self {
        let (from_me, message_type) = (message.from_me, message.message_type);
        let last = LastMessage { id: message.id, from_me, message_type, status: message.status.clone() };
        Self { last_message: Some(last), ..chat.into() }
    }
}

/// The newest message of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastMessage {
    /// Its id.
    pub id: MessageId,
    /// Whether the account sent it.
    pub from_me: bool,
    /// What it is.
    pub message_type: message::Kind,
    /// Where it stands, as in the chat's messages.
    #[schema(example = "read")]
    pub status: String,
}

impl From<Newest> for LastMessage {
    fn from(newest: Newest) -> Self {
        let (from_me, status) = (newest.origin != Origin::Received, newest.status.as_str().to_owned());
        Self { id: newest.id, from_me, message_type: newest.kind, status }
    }
}

/// How much is in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChatCount {
    /// Messages, in both directions.
    pub messages: i64,
}

impl From<chat::Model> for ChatView {
    fn from(row: chat::Model) -> Self {
        Self {
            id: row.id,
            session_id: row.account_id,
            chat_name: row.title(),
            chat_type: row.kind,
            is_group: row.kind == Kind::Group,
            last_message_at: row.last_message_at_ms.map(Timestamp::ms),
            last_message_text: row.last_message_text,
            last_message: None,
            unread_count: row.unread_count,
            is_archived: row.is_archived,
            created_at: Timestamp::ms(row.created_at_ms),
            count: ChatCount { messages: row.message_count },
            chat_id: row.address,
        }
    }
}

/// Why the last attempt went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageError {
    /// A stable word.
    pub code: String,
    /// A sentence.
    pub message: String,
}

impl MessageError {
    /// What a row's two columns say.
    #[must_use]
    pub fn of(code: Option<String>, message: Option<String>) -> Option<Self> {
        code.zip(message).map(|(code, message)| Self { code, message })
    }
}

/// A message in a chat.
#[derive(Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChatMessage)]
pub struct ChatMessageView {
    /// The id of its row.
    pub id: MessageId,
    /// The id that events name it by: the messenger's own of one that was received, else `id`.
    pub message_id: String,
    /// The id of its chat's row.
    pub chat_id: Option<ChatId>,
    /// Whether the account sent it.
    pub from_me: bool,
    /// The messenger's id of who wrote it; null of the account's own.
    pub from_number: Option<String>,
    /// Their name, if known.
    pub from_name: Option<String>,
    /// The text, or what is written under a picture.
    pub body: String,
    /// What it is.
    pub message_type: message::Kind,
    /// The file that goes with it, or came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Card>,
    /// When it was written; of one that was sent from here, when it left.
    pub timestamp: Timestamp,
    /// Whether it was read: by us if it was received, else by the other side.
    pub is_read: bool,
    /// Where it stands: `queued`, `sending`, `sent`, `delivered`, `read`, `failed`, `uncertain`, `cancelled` or `expired`.
    #[schema(example = "sent")]
    pub status: String,
    /// Why it did not arrive, or not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<MessageError>,
    /// When it will leave, on average, while it is queued and nothing holds the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_send_at: Option<Timestamp>,
    /// The person here who wrote it.
    pub manager_id: Option<UserId>,
    /// When it became a row.
    pub created_at: Timestamp,
}

impl From<message::Model> for ChatMessageView {
    fn from(row: message::Model) -> Self {
        let written_at = match row.origin {
            Origin::Received => row.delivered_at_ms,
            Origin::Accepted | Origin::Own => row.sent_at_ms,
        };
        Self {
            id: row.id,
            message_id: match (row.origin, row.provider_message_id) {
                (Origin::Accepted, _) | (_, None) => row.id.to_string(),
                (_, Some(id)) => id,
            },
            chat_id: row.chat_id,
            from_me: row.origin != Origin::Received,
            from_number: row.sender,
            from_name: row.sender_name,
            body: row.text,
            message_type: row.kind,
            media: row.media.as_deref().and_then(Card::read),
            timestamp: Timestamp::ms(written_at.unwrap_or(row.created_at_ms)),
            is_read: row.status == Status::Read,
            status: row.status.as_str().to_owned(),
            last_error: MessageError::of(row.error_code, row.error_message),
            estimated_send_at: None,
            manager_id: row.user_id,
            created_at: Timestamp::ms(row.created_at_ms),
        }
    }
}
