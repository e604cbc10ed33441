//! The events, published after the commit of what they tell. A closed list.

use chrono::{DateTime, Utc};
use entity::ids::MessageId;
use entity::message::Status;

/// Something happened to an account or to one of its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The account's status, code, number or name changed: look again.
    AccountChanged,
    /// A message moved.
    MessageChanged {
        /// Which.
        message: MessageId,
        /// Where it stands now.
        status: Status,
        /// The messenger's own id, once it took the message.
        provider_message_id: Option<String>,
        /// When.
        at: DateTime<Utc>,
    },
}
