//! A message: one text to or from one chat, from acceptance to its final state.
//!
//! `Status` is the state machine. The moves are written down once, in [`Status::may_become`], and
//! the schema enforces the same ones by a trigger, whoever writes to the table.

use std::fmt;
use std::str::FromStr;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ValueTypeErr;

use crate::ids::{AccountId, ChatId, CompanyId, MediaId, MessageId, UserId};

/// Where a message stands.
///
/// ```text
/// queued -> sending -> sent -> delivered -> read
///    |         |-> queued (nothing left: later again)
///    |         |-> failed
///    |         `-> uncertain (it may have left; never sent again by itself)
///    |-> cancelled
///    `-> expired
/// ```
/// `failed` and `uncertain` go back to `queued` when a person or the caller says so. A receipt
/// that comes for a `sending` or `uncertain` message proves that it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, DeriveValueType, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[sea_orm(value_type = "String")]
pub enum Status {
    /// Waits for its turn, or for its time.
    Queued,
    /// Handed to the gateway; the outcome is not known yet.
    Sending,
    /// The messenger took it.
    Sent,
    /// It reached the recipient's device.
    Delivered,
    /// The recipient opened it.
    Read,
    /// It can't arrive, or was tried too often.
    Failed,
    /// It may have left; nobody knows.
    Uncertain,
    /// Taken back before it started.
    Cancelled,
    /// Its time ran out before it started.
    Expired,
}

impl Status {
    /// Every status, in the order of a message's life.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Failed,
        Self::Uncertain,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The legal moves. The schema's trigger knows the same list; a test compares the two.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use Status::{Cancelled, Delivered, Expired, Failed, Queued, Read, Sending, Sent, Uncertain};
        match self {
            Queued => matches!(next, Sending | Cancelled | Expired),
            Sending => matches!(next, Queued | Sent | Delivered | Read | Failed | Uncertain),
            Sent => matches!(next, Delivered | Read),
            Delivered => next == Read,
            Uncertain => matches!(next, Queued | Delivered | Read),
            Failed => next == Queued,
            Read | Cancelled | Expired => false,
        }
    }

    /// The word used in the table, the API and the events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Uncertain => "uncertain",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = ValueTypeErr;
    fn from_str(text: &str) -> Result<Self, ValueTypeErr> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(ValueTypeErr)
    }
}

crate::words! {
    /// How a message came to be a row.
    Origin ("Origin") {
        /// It was accepted here, to be sent.
        Accepted = "accepted",
        /// Somebody sent it to the account. It starts as `delivered` and becomes `read` here.
        Received = "received",
        /// The account's owner sent it past us, on the phone.
        Own = "own",
    }
}

crate::words! {
    /// What a message is.
    Kind ("MessageKind") {
        /// A text.
        Text = "text",
        /// A picture.
        Image = "image",
        /// A film.
        Video = "video",
        /// A sound.
        Audio = "audio",
        /// Somebody's voice, recorded in the chat.
        Voice = "voice",
        /// A file.
        Document = "document",
        /// A sticker.
        Sticker = "sticker",
        /// A place.
        Location = "location",
        /// Somebody's number.
        Contact = "contact",
        /// What has no word here.
        Other = "other",
    }
}

/// One message.
#[sea_orm::model]
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub struct Model {
    /// Its id, fixed at acceptance.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MessageId,
    /// Whose it is.
    pub company_id: CompanyId,
    /// The account that sends or received it.
    pub account_id: AccountId,
    /// To whom; of a message that was not accepted here, the messenger's id of the chat.
    pub recipient: String,
    /// The text, or what is written under a picture.
    pub text: String,
    /// How it came to be.
    pub origin: Origin,
    /// What it is.
    pub kind: Kind,
    /// The file that goes with it, or came with it.
    pub media_id: Option<MediaId>,
    /// What it tells of that file: a [`Card`](crate::media::Card).
    pub media: Option<String>,
    /// The chat it is in. One that an app sends enters its chat when it leaves.
    pub chat_id: Option<ChatId>,
    /// Its place in the chat: a number like `seq`, drawn when it entered.
    pub filed_seq: Option<i64>,
    /// The messenger's id of who wrote it, if it was received.
    pub sender: Option<String>,
    /// … and the name.
    pub sender_name: Option<String>,
    /// The person here who wrote it.
    pub user_id: Option<UserId>,
    /// Where it stands.
    pub status: Status,
    /// 0 (first) to 9 (last).
    pub priority: i16,
    /// Order of acceptance within a priority: microseconds since 2025-01-01 UTC, never repeated.
    pub seq: i64,
    /// Not before this instant: what the caller asked for, or when to try again.
    pub due_at_ms: Option<i64>,
    /// Not after this instant.
    pub expires_at_ms: Option<i64>,
    /// The caller's own id.
    pub reference: Option<String>,
    /// The key under which the caller may repeat the request.
    pub idempotency_key: Option<String>,
    /// The first eight bytes of the SHA-256 of what was asked for under that key.
    pub request_hash: Option<i64>,
    /// How often it was handed to the gateway.
    pub attempts: i32,
    /// Why the last attempt went wrong: a stable word.
    pub error_code: Option<String>,
    /// … and a sentence.
    pub error_message: Option<String>,
    /// The messenger's own id.
    pub provider_message_id: Option<String>,
    /// When it was accepted.
    pub created_at_ms: i64,
    /// Its latest attempt, as a number drawn for it.
    pub attempt: Option<i64>,
    /// When the last attempt began.
    pub attempted_at_ms: Option<i64>,
    /// When the messenger took it.
    pub sent_at_ms: Option<i64>,
    /// When it reached the device.
    pub delivered_at_ms: Option<i64>,
    /// When it was opened.
    pub read_at_ms: Option<i64>,
}

impl fmt::Debug for Model {
    /// Names the message and leaves out what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("message").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for ModelEx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("message").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ActiveModelBehavior for ActiveModel {}
