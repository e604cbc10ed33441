//! How messages stand that are the newest: of each chat of a list, and of those an account sent.

use std::collections::HashMap;

use entity::ids::{AccountId, ChatId, MessageId};
use entity::message::{Kind, Origin, Status};
use sea_orm::ConnectionTrait;

use super::{Store, StoreError, rows};

/// The newest message of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its id.
    pub id: MessageId,
    /// How it came to be.
    pub origin: Origin,
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
}

impl Store {
    /// Messages of an account that left lately and were not read yet, as far as is known: so many at most.
    pub async fn under_way(&self, account: AccountId, most: u64) -> Result<Vec<MessageId>, StoreError> {
        let sql = "SELECT id FROM (SELECT id, status FROM message WHERE account_id = $1 AND is_listed = TRUE
                       AND origin = 'accepted' ORDER BY id DESC LIMIT 1000) AS lately
                   WHERE status = 'sent' OR status = 'delivered' OR status = 'uncertain' ORDER BY id DESC LIMIT $2";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.reader.query_all_raw(self.sql(sql, [account.into(), most.into()])).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }

    /// The newest message of each of these chats that has one.
    pub async fn newest_of(
        &self,
        chats: impl IntoIterator<Item = ChatId>,
    ) -> Result<HashMap<ChatId, Newest>, StoreError> {
        let sql = "WITH o (chat) AS ({rows})
                   SELECT o.chat, message.id, message.origin, message.kind, message.status FROM o JOIN message ON message.id =
                       (SELECT id FROM message AS newest WHERE newest.chat_id = o.chat ORDER BY filed_seq DESC LIMIT 1)";
        let chats = chats.into_iter().map(|chat| [chat.into()]).collect();
        let found = rows::query(&self.reader, sql, chats).await?;
        found
            .iter()
            .map(|row| {
                let (chat, id, origin, kind, status) = row.try_get_many_by_index()?;
                Ok((chat, Newest { id, origin, kind, status }))
            })
            .collect()
    }
}
