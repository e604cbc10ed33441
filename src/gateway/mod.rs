//! A live connection to a messenger.
//!
//! One trait, implemented by each messenger. What a messenger [`reports`] (codes to scan, logging in,
//! receipts) arrives as [`GatewayEvent`]s on one channel a node, so all gateways look alike to
//! [`sessions`] and to the inbox. Only `lane::attempt` calls [`Gateway::send`].

pub mod browsers;
mod check;
mod count;
pub mod farewell;
mod mail;
pub mod media;
mod messengers;
pub mod offer;
mod proxy;
pub mod reports;
pub mod sessions;
pub mod simulator;
mod stanza;
pub mod telegram;
#[cfg(feature = "whatsapp")]
mod whatsapp;
#[cfg(target_os = "linux")]
mod whatsappweb;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::ids::MessageId;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

pub use self::check::{BadConfig, check_config, check_proxy};
pub use self::count::{SessionCounts, count_by};
pub use self::mail::{Letter, Mail};
pub use self::media::{Attachment, Bytestream, Enclosure, FetchError};
pub use self::messengers::Messengers;
pub use self::reports::Reports;
use crate::phone::Recipient;
use crate::qr;
use crate::store::account::Connected;
use crate::store::chat::Seen;
use crate::store::message::Receipt;

/// What a gateway is asked to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Our id, which is also the messenger's where it lets the client choose.
    pub message: MessageId,
    /// To whom.
    pub recipient: Recipient,
    /// The text, or what is written under the file: that may be nothing. Never logged.
    pub text: Text,
    /// The file.
    pub media: Option<Attachment>,
}

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

/// The messenger took the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The messenger's own id of it.
    pub provider_message_id: String,
    /// The messenger's id of the chat it went to, if that is not the recipient's.
    pub chat: Option<String>,
}

/// Why a message was not taken. The lane has exactly these reactions.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nothing left. With `after`, the messenger itself asked to wait: that is no attempt.
    #[error("later: {cause}")]
    Later {
        /// The messenger's own wish.
        after: Option<Duration>,
        /// What happened.
        cause: anyhow::Error,
    },
    /// Nothing left, and this message alone has to wait so long: others may go. That is no attempt.
    #[error("held: {reason}")]
    Held {
        /// How long.
        after: Duration,
        /// A sentence.
        reason: String,
    },
    /// This message can never arrive.
    #[error("refused: {reason}")]
    Refused {
        /// A stable word: `refused`, `not_on_whatsapp`.
        code: &'static str,
        /// A sentence.
        reason: String,
    },
    /// The account can't send at all. The gateway reports why, too.
    #[error("the account is down: {reason}")]
    AccountDown {
        /// A sentence.
        reason: String,
    },
    /// It may have left.
    #[error("uncertain: {cause}")]
    Uncertain {
        /// What happened.
        cause: anyhow::Error,
    },
}

impl SendError {
    /// This message can never arrive, and nothing more is to be said of it by a word.
    fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { code: "refused", reason: reason.into() }
    }
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Try again.
    #[error("{0}")]
    Later(anyhow::Error),
    /// Try again, and say meanwhile what it waits for.
    #[error("{reason}")]
    Waits {
        /// A stable word.
        code: &'static str,
        /// A sentence.
        reason: String,
    },
    /// A person must change something first.
    #[error("{reason}")]
    Failed {
        /// A stable word.
        code: &'static str,
        /// A sentence.
        reason: String,
    },
}

/// What a person scans or types to pair an account.
#[derive(Debug, Clone)]
pub struct Code {
    /// The content of the QR code, or the characters to type.
    pub text: String,
    /// Whether it is typed, not scanned.
    pub is_typed: bool,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    drawn: Arc<OnceCell<Option<Arc<str>>>>,
}

impl Code {
    /// A code.
    #[must_use]
    pub fn new(text: String, is_typed: bool, expires_at: DateTime<Utc>) -> Self {
        Self { text, is_typed, expires_at, drawn: Arc::default() }
    }

    /// As a `data:image/png` URL: drawn when somebody asks, once, and on no thread that answers
    /// others. None for one that is typed.
    pub async fn data_url(&self) -> Option<Arc<str>> {
        if self.is_typed {
            return None;
        }
        let text = self.text.clone();
        let draw = || async { spawn_blocking(move || qr::data_url(&text)).await.ok().flatten().map(Arc::from) };
        self.drawn.get_or_init(draw).await.clone()
    }
}

/// What a gateway reports.
pub enum GatewayEvent {
    /// Show this code.
    Code(Code),
    /// Somebody scanned it; the messenger is making up its mind.
    Authenticating,
    /// The account can send.
    Connected(Connected),
    /// The connection is gone; it can be opened again.
    Dropped {
        /// A sentence.
        reason: String,
    },
    /// The pairing is gone; a person must pair again.
    LoggedOut {
        /// A stable word: `logged_out`, `pairing_expired`.
        code: &'static str,
        /// A sentence.
        reason: String,
    },
    /// The account can't send until a person changes something.
    Failed {
        /// A stable word.
        code: &'static str,
        /// A sentence.
        reason: String,
    },
    /// The messenger does not let the account in before that instant. It is tried again then.
    Banned {
        /// The instant.
        until: DateTime<Utc>,
        /// A sentence.
        reason: String,
    },
    /// How far messages got.
    Receipts(Vec<Receipt>),
    /// Messages that were not sent through here. They may be reported more than once.
    Messages(Mail),
    /// Somebody types in a chat, or has stopped.
    Typing {
        /// The messenger's id of the chat.
        chat: String,
        /// Whether, or no longer.
        is_typing: bool,
        /// The messenger's id of who.
        participant: String,
    },
    /// What the messenger calls its chats: id and name.
    Names(Vec<(String, String)>),
}

/// How a person wants to pair.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Pairing {
    /// By scanning a QR code.
    #[default]
    Qr,
    /// By typing a code into the phone of this number.
    Code(String),
}

/// A live connection.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// Hands one message to the messenger. May be dropped at its deadline.
    async fn send(&self, message: &Outgoing) -> Result<Taken, SendError>;

    /// Shows a person that somebody writes to them, or no longer. Answers whether they can see that; a
    /// messenger that has no such thing does nothing.
    async fn show_typing(&self, to: &Recipient, is_typing: bool) -> bool;

    /// Tells the messenger that somebody here has read these messages of a chat. One that has no such
    /// thing does nothing.
    async fn mark_read(&self, chat: &str, messages: &[Seen]);

    /// Fetches a file that came in, by what its [`Enclosure`] says.
    async fn fetch(&self, source: &str) -> Result<Bytestream, FetchError>;

    /// Whether the messenger still answers.
    async fn is_alive(&self) -> bool;

    /// Ends the connection, and with `log_out` the pairing.
    async fn close(&self, log_out: bool);
}
