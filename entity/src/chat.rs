//! A chat: an account's conversation with a person, a group, or everybody.

use std::fmt;

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, ChatId, CompanyId};

crate::words! {
    /// What a chat is.
    Kind ("ChatKind") {
        /// With one person.
        Individual = "individual",
        /// With many: a group or a channel.
        Group = "group",
        /// Statuses, which are for everybody.
        Status = "status",
    }
}

/// One chat.
#[sea_orm::model]
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chat")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ChatId,
    /// Whose it is.
    pub company_id: CompanyId,
    /// The account that has it.
    pub account_id: AccountId,
    /// The messenger's own id of it, such as `77079856339@c.us`.
    pub address: String,
    /// What the messenger or the company calls it.
    pub name: Option<String>,
    /// The name and the address in lower case, to search by.
    pub search_text: String,
    /// What it is.
    pub kind: Kind,
    /// When the last message came or went; of an empty chat, when it was opened. Lists go by it.
    pub active_at_ms: i64,
    /// When the last message came or went.
    pub last_message_at_ms: Option<i64>,
    /// The beginning of the last message.
    pub last_message_text: Option<String>,
    /// Received messages that nobody has read.
    pub unread_count: i32,
    /// All messages.
    pub message_count: i64,
    /// Whether the company has put it away.
    pub is_archived: bool,
    /// Whether the name is the company's own, which the messenger's does not replace.
    pub is_renamed: bool,
    /// When the row was made.
    pub created_at_ms: i64,
}

impl Model {
    /// Its name; of one without, the number, or what it is addressed by.
    #[must_use]
    pub fn title(&self) -> String {
        let number = || self.address.strip_suffix("@c.us").map(|digits| format!("+{digits}"));
        self.name.clone().or_else(number).unwrap_or_else(|| self.address.clone())
    }
}

impl fmt::Debug for Model {
    /// Names the chat and leaves out what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("chat").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for ModelEx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("chat").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ActiveModelBehavior for ActiveModel {}
