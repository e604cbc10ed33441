//! The events, published after the commit of what they tell. A closed list.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, CompanyId, LoginId, MessageId, UserId};
use entity::message::Status;
use serde::{Deserialize, Serialize};

use crate::view::{ChatMessageView, ChatView, MessageError};

/// Something happened. It has no `Debug`: texts, names and numbers must not be logged.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The account's status, code, number or name changed: look again.
    AccountChanged,
    /// The account's queue is longer, or shorter.
    QueueChanged,
    /// A code waits to be scanned.
    CodeShown {
        /// The content of the QR code.
        text: String,
    },
    /// The account can send.
    Connected {
        /// The number, digits only.
        phone_number: Option<String>,
        /// What the company calls the account.
        name: String,
    },
    /// The account can't send any more, or not now.
    Disconnected {
        /// A stable word.
        reason: String,
    },
    /// Something is wrong with the account.
    AccountFailed {
        /// A stable word.
        code: String,
        /// A sentence.
        message: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// A message moved.
    MessageChanged {
        /// Which.
        message: MessageId,
        /// The id of its chat; its address, if it is in none.
        chat: Option<String>,
        /// Where it stands now.
        status: Status,
        /// Why it did not arrive, if it did not.
        error: Option<MessageError>,
        /// The messenger's own id, once it took the message.
        provider_message_id: Option<String>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The messenger took a message.
    MessageSent {
        /// The message.
        message: ChatMessageView,
    },
    /// A message will not arrive, or nobody knows.
    SendFailed {
        /// Which.
        id: MessageId,
        /// The id of its chat; its address, if it is in none.
        chat: String,
        /// The text.
        text: String,
        /// A stable word.
        code: String,
        /// A sentence.
        message: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// A message, to or from, is in its chat now.
    MessageFiled {
        /// The chat, with it in.
        chat: ChatView,
        /// The message.
        message: ChatMessageView,
    },
    /// A chat was read, renamed or put away.
    ChatChanged {
        /// The chat.
        chat: ChatView,
    },
    /// Somebody is typing, or has stopped.
    Typing {
        /// The messenger's id of the chat.
        chat: String,
        /// Whether, or no longer.
        is_typing: bool,
        /// The messenger's id of who.
        participant: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// A manager may work with the account.
    AccessGranted(Access),
    /// A manager may not work with the account any more.
    AccessRevoked(Access),
    /// People, keys or grants changed: who was known must be looked up again.
    PeopleChanged,
    /// A login ended.
    LoginEnded {
        /// Which.
        login: LoginId,
    },
    /// A user or a key may not connect any more.
    ShutOut {
        /// Whom, by id.
        whom: String,
        /// … except for this login.
        but: Option<LoginId>,
    },
}

/// A manager's access to an account, given or taken.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The manager.
    pub manager: UserId,
    /// The manager's name.
    pub manager_name: String,
    /// What the manager may do: `read`, `write`, `manage`.
    pub permissions: Vec<String>,
    /// Who gave or took it; none: open mode, or an API key.
    pub by: Option<UserId>,
    /// When.
    pub at: DateTime<Utc>,
}

/// An event, and whom it concerns.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// Whose.
    pub company: CompanyId,
    /// Which account's, if it is about one.
    pub account: Option<AccountId>,
    /// What.
    pub event: Event,
    /// Counts the news of this account (or of the company, if it is about none) from this source:
    /// one more each time, so that who listens sees what it missed.
    pub seq: u64,
    /// Which node told it, and which of its starts.
    pub source: u32,
}

impl Event {
    /// A message moved, and nothing went wrong.
    #[must_use]
    pub fn moved(message: MessageId, chat: Option<String>, status: Status, at: DateTime<Utc>) -> Self {
        Self::MessageChanged { message, chat, status, error: None, provider_message_id: None, at }
    }

    /// Whether it has a number of its own. A code, which not all hear of who hear of the account, has
    /// the last one's: to them nothing is missing.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        !matches!(self, Self::CodeShown { .. })
    }

    /// Whether clients hear of it. What only the server itself has to know has no number at all.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !matches!(
            self,
            Self::AccountChanged
                | Self::QueueChanged
                | Self::PeopleChanged
                | Self::LoginEnded { .. }
                | Self::ShutOut { .. }
        )
    }

    /// Whether other nodes hear of it: of a queue, only what moves in it.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        !matches!(self, Self::QueueChanged)
    }

    /// Whether an account looks different after it.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        matches!(
            self,
            Self::AccountChanged
                | Self::QueueChanged
                | Self::Connected { .. }
                | Self::Disconnected { .. }
                | Self::AccountFailed { .. }
                | Self::MessageChanged { .. }
        )
    }
}
