//! How the newest message of each chat of a list stands.

use std::collections::HashMap;

use entity::ids::{ChatId, MessageId};
use entity::message::{Origin, Status};

use super::{Store, StoreError, rows};

/// The newest message of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its id.
    pub id: MessageId,
    /// How it came to be.
    pub origin: Origin,
    /// Where it stands.
    pub status: Status,
}

impl Store {
    /// The newest message of each of these chats that has one.
    pub async fn newest_of(
        &self,
        chats: impl IntoIterator<Item = ChatId>,
    ) -> Result<HashMap<ChatId, Newest>, StoreError> {
        let sql = "WITH o (chat) AS ({rows})
                   SELECT o.chat, message.id, message.origin, message.status FROM o JOIN message ON message.id =
                       (SELECT id FROM message AS newest WHERE newest.chat_id = o.chat ORDER BY filed_seq DESC LIMIT 1)";
        let chats = chats.into_iter().map(|chat| [chat.into()]).collect();
        let found = rows::query(&self.reader, sql, chats).await?;
        found
            .iter()
            .map(|row| {
                let (chat, id, origin, status) = row.try_get_many_by_index()?;
                Ok((chat, Newest { id, origin, status }))
            })
            .collect()
    }
}
