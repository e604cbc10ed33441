//! An account: one sending identity at one messenger, with one queue.
//!
//! The row holds what must outlive the process: the settings, the pairing, what is desired, and the
//! epoch that fences off an earlier owner. The live state (status, QR code) is the session's.

use std::fmt;
use std::str::FromStr;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ValueTypeErr;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, CompanyId, UserId};

/// Which messenger an account belongs to, and so which gateway carries its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, DeriveValueType, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[sea_orm(value_type = "String")]
pub enum Provider {
    /// A messenger that exists only inside the server: to try things out, to test, to load.
    Simulator,
    /// A Telegram bot, through the Bot API.
    Telegram,
    /// A WhatsApp number, as one of its linked devices.
    WhatsApp,
    /// The same, by WhatsApp's own page in a browser.
    WhatsAppWeb,
}

impl Provider {
    /// Every provider this server offers.
    pub const ALL: [Self; 4] = [Self::Simulator, Self::Telegram, Self::WhatsApp, Self::WhatsAppWeb];

    /// Whether its accounts are linked devices of a phone, which a person can remove there.
    #[must_use]
    pub fn links_devices(self) -> bool {
        matches!(self, Self::WhatsApp | Self::WhatsAppWeb)
    }

    /// Whether it knows an account: one that is paired; where nobody pairs, one that it has let in.
    #[must_use]
    pub fn knows(self, is_paired: bool, was_let_in: bool) -> bool {
        match self {
            Self::Telegram => was_let_in,
            Self::Simulator | Self::WhatsApp | Self::WhatsAppWeb => is_paired,
        }
    }

    /// Whether its chats are found by phone numbers.
    #[must_use]
    pub fn takes_phone_numbers(self) -> bool {
        match self {
            Self::Simulator | Self::WhatsApp | Self::WhatsAppWeb => true,
            Self::Telegram => false,
        }
    }

    /// Whether people see that its accounts are typing.
    #[must_use]
    pub fn shows_typing(self) -> bool {
        match self {
            Self::WhatsApp | Self::WhatsAppWeb => true,
            Self::Simulator | Self::Telegram => false,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simulator => "simulator",
            Self::Telegram => "telegram",
            Self::WhatsApp => "whatsapp",
            Self::WhatsAppWeb => "whatsappweb",
        })
    }
}

impl FromStr for Provider {
    type Err = ValueTypeErr;
    fn from_str(text: &str) -> Result<Self, ValueTypeErr> {
        Self::ALL.into_iter().find(|provider| provider.to_string() == text).ok_or(ValueTypeErr)
    }
}

/// One account.
#[sea_orm::model]
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// Its id, which also opens the public page `/qr/{id}`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// Whose it is.
    pub company_id: CompanyId,
    /// The person who created it; none: an API key, or open mode.
    pub created_by: Option<UserId>,
    /// Whose it is to the program that created it, in that program's words.
    pub user_id: Option<String>,
    /// What kinds of instance that program called it, as a JSON list.
    pub type_instance: Option<String>,
    /// The port of its own.
    pub port: Option<i32>,
    /// What people call it.
    pub name: String,
    /// Its messenger.
    pub provider: Provider,
    /// Which preset of limits holds: that for new accounts, or that for warmed-up ones.
    pub use_limits: bool,
    /// Single numbers that differ from the preset, as JSON.
    pub limits: Option<String>,
    /// The proxy its connection goes through, as a URL. Secret.
    pub proxy: Option<String>,
    /// What its gateway needs to know (a bot's token), as JSON. Secret.
    pub config: Option<String>,
    /// What its gateway must remember to reconnect without a new pairing, as JSON. Secret.
    pub pairing: Option<String>,
    /// The paired number, digits only.
    pub phone_number: Option<String>,
    /// The name the messenger shows.
    pub display_name: Option<String>,
    /// Whether it should be connected; the lane works towards that.
    pub should_connect: bool,
    /// Whether who has the link to its page may pair it: since its creation or a wish to connect,
    /// and until somebody here logs it out.
    pub may_pair: bool,
    /// Whether its queue is paused.
    pub is_paused: bool,
    /// Why the queue was paused by the service itself, for people.
    pub pause_reason: Option<String>,
    /// Raised each time a lane takes the account; a lane with a smaller one has lost it.
    pub epoch: i64,
    /// The last thing that went wrong with the account: a stable word.
    pub error_code: Option<String>,
    /// … a sentence.
    pub error_message: Option<String>,
    /// … and when.
    pub error_at_ms: Option<i64>,
    /// The first connection ever, where the warm-up starts.
    pub first_connected_at_ms: Option<i64>,
    /// The latest connection.
    pub connected_at_ms: Option<i64>,
    /// Until when the messenger asked it to wait.
    pub restricted_until_ms: Option<i64>,
    /// When the row was made.
    pub created_at_ms: i64,
    /// When a person or the messenger last changed it.
    pub updated_at_ms: i64,
}

impl fmt::Debug for Model {
    /// Names the account and leaves out what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("account").field("id", &self.id).field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl fmt::Debug for ModelEx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("account").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ActiveModelBehavior for ActiveModel {}
