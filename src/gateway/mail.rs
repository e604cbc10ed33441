//! What comes in by a messenger: letters, in bundles.

use chrono::{DateTime, Utc};
use entity::{chat, message};

use super::media::Enclosure;

/// Messages that were not sent through here. Reported by [`Reports::deliver`](super::Reports::deliver) where the messenger
/// may forget them only once they are rows.
pub struct Mail {
    /// The messages, in the order they came.
    pub messages: Vec<Letter>,
    /// Up to where the messenger was read, to go on from after a restart.
    pub position: Option<i64>,
}

/// One message that was not sent through here. Never logged.
#[derive(Clone)]
pub struct Letter {
    /// The messenger's id of its chat.
    pub chat: String,
    /// What the chat is.
    pub chat_kind: chat::Kind,
    /// What the messenger calls the chat.
    pub chat_name: Option<String>,
    /// The messenger's own id of the message.
    pub provider_message_id: String,
    /// Whether the account itself sent it, past us.
    pub is_own: bool,
    /// The messenger's id of who wrote it.
    pub sender: Option<String>,
    /// … and the name.
    pub sender_name: Option<String>,
    /// The text, or what is written under a picture.
    pub text: String,
    /// What it is.
    pub kind: message::Kind,
    /// The file that came with it.
    pub media: Option<Enclosure>,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// Whether it is from before the account was connected.
    pub is_history: bool,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mail({} messages)", self.messages.len())
    }
}
