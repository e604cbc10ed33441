//! What is written of a message in the course of its life.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ChatId, CompanyId, MessageId, UserId};
use entity::media::Card;
use entity::message::Status;
use sea_orm::ConnectionTrait;

use super::{Store, StoreError};

impl Store {
    /// To whom a message that waits is addressed, and of how many characters it is.
    pub async fn outgoing(&self, message: MessageId) -> Result<Option<(String, usize)>, StoreError> {
        let sql = "SELECT recipient, CAST(LENGTH(text) AS BIGINT) FROM message WHERE id = $1 AND status = 'queued'";
        let Some(row) = self.reader.query_one_raw(self.sql(sql, [message.into()])).await? else { return Ok(None) };
        let (recipient, length): (String, i64) = row.try_get_many_by_index()?;
        Ok(Some((recipient, usize::try_from(length).unwrap_or_default())))
    }
}

/// A message to be accepted.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its id, fixed from here on.
    pub id: MessageId,
    /// Whose it is.
    pub company: CompanyId,
    /// Who sends it.
    pub account: AccountId,
    /// To whom.
    pub recipient: String,
    /// The text.
    pub text: String,
    /// 0 to 9.
    pub priority: i16,
    /// Not before.
    pub due_at: Option<DateTime<Utc>>,
    /// Not after.
    pub expires_at: Option<DateTime<Utc>>,
    /// The caller's own id.
    pub reference: Option<String>,
    /// The idempotency key, and the hash of what was asked for under it.
    pub key: Option<(String, i64)>,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// The chat it enters at once: a person wrote it there.
    pub chat: Option<ChatId>,
    /// That person.
    pub user: Option<UserId>,
    /// The file that goes with it.
    pub media: Option<Card>,
}

/// What became of a [`NewMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is a row now.
    New,
    /// The same request was accepted before, as this message.
    Repeat(MessageId),
    /// Another request was accepted under the same key.
    Conflict,
}

/// One attempt to send a message, named so that nobody else's is begun or ended in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Whose message.
    pub account: AccountId,
    /// Which message.
    pub message: MessageId,
    /// The epoch of the lane that makes it; of an account with another one nothing is written.
    pub epoch: i64,
    /// Drawn at random: tells it from others of the message.
    pub token: i64,
    /// When it begins.
    pub at: DateTime<Utc>,
}

/// A message whose attempt has begun: its row says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// To whom.
    pub recipient: String,
    /// The text.
    pub text: String,
    /// Attempts, this one included.
    pub attempts: u32,
    /// The chat it is in already.
    pub chat: Option<ChatId>,
    /// The person here who wrote it.
    pub user: Option<UserId>,
    /// The file that goes with it.
    pub media: Option<Box<Card>>,
}

/// What `begin` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// The row is `sending`.
    Begun(Begun),
    /// Its time had run out; the row is `expired`.
    Expired,
    /// The row is not `queued`: cancelled, or started before.
    NotQueued,
    /// The account's queue is paused.
    Held,
    /// The account has a lane of another epoch, or is gone.
    Lost,
}

/// What `finish` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The row says how the attempt ended.
    Written,
    /// The attempt was over already: written before, or settled by whoever took the account.
    Settled,
}

/// How an attempt ended, for the row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The new status; `queued` puts it back.
    pub status: Option<Status>,
    /// Why, for statuses that need a reason.
    pub error: Option<(&'static str, String)>,
    /// The messenger's own id.
    pub provider_message_id: Option<String>,
    /// Not before, when it goes back.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether the attempt counts as one; waiting never does.
    pub is_attempt: bool,
    /// When the messenger took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// What pacing counted, if it did.
    pub paced: Option<Paced>,
    /// Where it is to be put, if it left or may have.
    pub filing: Option<Filing>,
    /// Until when the messenger asked the account to wait.
    pub restricted_until: Option<DateTime<Utc>>,
}

impl Outcome {
    /// The same without what a messenger said, for a database that refuses its words.
    #[must_use]
    pub fn bare(self) -> Self {
        let wordless = |(code, _)| (code, "the messenger's words could not be kept".to_owned());
        Self { error: self.error.map(wordless), provider_message_id: None, filing: None, ..self }
    }
}

/// Where a message that left is put, a moment later.
#[derive(Debug, Clone, PartialEq)]
pub struct Filing {
    /// The messenger's own id of its chat.
    pub address: String,
    /// Its place there, unless it is in one already.
    pub seq: i64,
}

/// What is kept of the account's pace after this send, for good: another attempt of the same
/// message is counted beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paced {
    /// The instant counted.
    pub at: DateTime<Utc>,
    /// The next instant planned.
    pub next_at: DateTime<Utc>,
    /// Sends since the rest.
    pub since_rest: u32,
    /// How long a send lately took, in milliseconds.
    pub took_ms: u32,
    /// Whether it is the first of its day: what was counted days ago is forgotten then.
    pub is_first: bool,
}

/// How far a message got, as the messenger reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Whose. Of another account's message it moves nothing.
    pub account: AccountId,
    /// Which.
    pub message: MessageId,
    /// `Delivered` or `Read`.
    pub status: Status,
    /// When.
    pub at: DateTime<Utc>,
}

/// A message that a receipt moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The receipt.
    pub receipt: Receipt,
    /// The id of its chat; its address, if it is in none yet.
    pub chat: Option<String>,
}
