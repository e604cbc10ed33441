//! A message on its way in, and what becomes of it.

use chrono::{DateTime, Utc};
use entity::ids::{ChatId, MessageId, UserId};
use entity::media::Card;

use crate::phone::Recipient;
use crate::standing::Standing;
use crate::store::StoreError;

/// A message as it was asked for, checked.
#[derive(Debug, Clone)]
pub struct Draft {
    /// To whom.
    pub to: Recipient,
    /// The text.
    pub text: String,
    /// 0 to 9.
    pub priority: u8,
    /// Not before.
    pub send_at: Option<DateTime<Utc>>,
    /// Not after.
    pub expires_at: Option<DateTime<Utc>>,
    /// The caller's own id.
    pub reference: Option<String>,
    /// The idempotency key, and the hash of what was asked for under it.
    pub key: Option<(String, i64)>,
    /// The chat it was written in; none: it enters its chat when it leaves.
    pub chat: Option<ChatId>,
    /// The person who wrote it.
    pub user: Option<UserId>,
    /// The file that goes with it.
    pub media: Option<Card>,
}

/// What became of a draft.
#[derive(Debug, Clone, Copy)]
pub enum Accepted {
    /// It is a message.
    Message {
        /// Its id.
        id: MessageId,
        /// Where it stands in line.
        standing: Standing,
        /// Whether it was accepted before under the same key.
        is_repeat: bool,
    },
    /// Its key was used for another request.
    KeyTaken,
    /// Those before it were accepted; then the database could not be written any more.
    NotNow,
}

/// Why nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// The account was removed.
    #[error("the account is gone")]
    Gone,
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accepted {
    pub(super) fn of(id: MessageId, is_repeat: bool) -> Self {
        Self::Message { id, standing: Standing::default(), is_repeat }
    }
}
