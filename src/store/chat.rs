//! Chats and what is in them; and what people do to chats.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::chat::{Column, Entity, Model};
use entity::ids::{AccountId, ChatId};
use entity::message;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction as Tx, DbErr, EntityTrait, FromQueryResult,
    QueryFilter, QueryOrder, QueryResult, QuerySelect, Statement,
};

use super::file::{self, NewChat, search_text};
use super::list::Page;
use super::tally::Tally;
use super::{Store, StoreError};

impl Store {
    /// The account's chat of that id.
    pub async fn find_chat(&self, account: AccountId, id: ChatId) -> Result<Option<Model>, StoreError> {
        Ok(Entity::find_by_id(id).filter(Column::AccountId.eq(account)).one(&self.reader).await?)
    }

    /// The account's chat of that address at the messenger.
    pub async fn find_chat_at(&self, account: AccountId, address: &str) -> Result<Option<Model>, StoreError> {
        let chat = Entity::find().filter(Column::AccountId.eq(account)).filter(Column::Address.eq(address));
        Ok(chat.one(&self.reader).await?)
    }

    /// Opens a chat unless it is there; answers it.
    pub async fn open_chat(&self, chat: NewChat) -> Result<Model, StoreError> {
        self.change(move |tx| {
            let chat = chat.clone();
            Box::pin(async move {
                let mut tally = Tally::default();
                file::open(tx, &[&chat], &mut tally).await?;
                tally.add(tx).await?;
                let found = Entity::find().filter(Column::AccountId.eq(chat.account));
                let found = found.filter(Column::Address.eq(chat.address)).one(tx).await?;
                found.ok_or_else(|| DbErr::RecordNotFound("a chat that was opened".to_owned()))
            })
        })
        .await
    }

    /// A page of the chat's messages, newest first.
    pub async fn list_chat_messages(
        &self,
        chat: ChatId,
        page: Page<i64>,
        limit: u64,
    ) -> Result<Vec<message::Model>, StoreError> {
        let all = message::Entity::find().filter(message::Column::ChatId.eq(chat));
        let part = match page {
            Page::Offset(offset) => all.offset(offset),
            Page::After(seq) => all.filter(message::Column::FiledSeq.lt(seq)),
        };
        Ok(part.order_by_desc(message::Column::FiledSeq).limit(limit).all(&self.reader).await?)
    }

    /// Notes that somebody here has read the chat: the chat as it is now, and the messenger's ids
    /// of the messages that were unread.
    pub async fn read_chat(&self, id: ChatId, now: DateTime<Utc>) -> Result<Option<(Model, Vec<Seen>)>, StoreError> {
        self.change(move |tx| Box::pin(read(tx, id, now.timestamp_millis()))).await
    }

    /// Whether the person of a chat has written to the account, among the last messages of it.
    pub async fn has_answered(&self, account: AccountId, address: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM (SELECT origin FROM message WHERE chat_id =
                       (SELECT id FROM chat WHERE account_id = $1 AND address = $2)
                       ORDER BY filed_seq DESC LIMIT 1000) AS latest
                   WHERE origin = 'received' LIMIT 1";
        let found = self.reader.query_one_raw(self.sql(sql, [account.into(), address.into()])).await?;
        Ok(found.is_some())
    }

    /// Renames a chat, or puts it away and back. `None` if it is gone.
    pub async fn change_chat(
        &self,
        id: ChatId,
        name: Option<String>,
        is_archived: Option<bool>,
    ) -> Result<Option<Model>, StoreError> {
        use sea_orm::ActiveValue::Set;
        let Some(chat) = Entity::find_by_id(id).one(&self.reader).await? else { return Ok(None) };
        let mut row = entity::chat::ActiveModel { id: Set(id), ..Default::default() };
        if let Some(is_archived) = is_archived {
            row.is_archived = Set(is_archived);
        }
        if let Some(name) = name {
            row.search_text = Set(search_text(Some(&name), &chat.address));
            row.name = Set(Some(name));
            row.is_renamed = Set(true);
        }
        if !row.is_changed() {
            return Ok(Some(chat));
        }
        self.change(move |tx| Box::pin(super::update(tx, row.clone()))).await
    }

    /// Gives chats the names that their messenger reports: those for which that was news.
    pub async fn name_chats(&self, account: AccountId, names: &[(String, String)]) -> Result<Vec<Model>, StoreError> {
        let rename = |(address, name): &(String, String)| {
            let sql = "UPDATE chat SET name = $3, search_text = $4
                       WHERE account_id = $1 AND address = $2 AND NOT is_renamed AND (name IS NULL OR name <> $3)
                       RETURNING *";
            let text = search_text(Some(name), address);
            self.sql(sql, [account.into(), address.as_str().into(), name.as_str().into(), text.into()])
        };
        let renames: Vec<_> = names.iter().map(rename).collect();
        let renamed = self.change(move |tx| {
            let renames = renames.clone();
            Box::pin(async move {
                let mut renamed = Vec::new();
                for rename in renames {
                    renamed.append(&mut tx.query_all_raw(rename).await?);
                }
                Ok(renamed)
            })
        });
        renamed.await?.iter().map(|row| Ok(Model::from_query_result(row, "")?)).collect()
    }

    /// Up to where the account's messenger was read.
    pub async fn inbox_position(&self, account: AccountId) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT position FROM inbox_position WHERE account_id = $1";
        let row = self.reader.query_one_raw(self.sql(sql, [account.into()])).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
    }

    /// How many chats each account has, and how many messages, in both directions, are in them.
    pub async fn count_chats(&self, accounts: &[AccountId]) -> Result<HashMap<AccountId, (u64, u64)>, StoreError> {
        let mut counted = Query::select();
        counted.expr(Expr::cust("account_id, individual_chats + group_chats + status_chats, filed_messages"));
        counted.from("tally").and_where(Expr::col("account_id").is_in(accounts.iter().copied()));
        let rows = self.reader.query_all(&counted).await?;
        rows.iter()
            .map(|row| {
                let (account, chats, messages): (AccountId, i64, i64) = row.try_get_many_by_index()?;
                Ok((account, (chats.unsigned_abs(), messages.unsigned_abs())))
            })
            .collect()
    }
}

/// A message that came in and was read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The messenger's id of it.
    pub provider_message_id: String,
    /// Who wrote it, as its row has them: digits of a number, or an address.
    pub sender: Option<String>,
}

/// Moves what was unread in a chat to read, and its count with it.
async fn read(tx: &Tx, id: ChatId, now_ms: i64) -> Result<Option<(Model, Vec<Seen>)>, DbErr> {
    let backend = tx.get_database_backend();
    let sql = "UPDATE message SET status = 'read', read_at_ms = $2
               WHERE chat_id = $1 AND origin = 'received' AND status = 'delivered'
               RETURNING provider_message_id, sender";
    let rows = tx.query_all_raw(Statement::from_sql_and_values(backend, sql, [id.into(), now_ms.into()])).await?;
    let seen = |row: &QueryResult| {
        let (provider_message_id, sender) = row.try_get_many_by_index()?;
        Ok(Seen { provider_message_id, sender })
    };
    let read: Vec<Seen> = rows.iter().map(seen).collect::<Result<_, DbErr>>()?;
    // What came in between stays unread.
    let sql = "UPDATE chat SET unread_count = CASE WHEN unread_count > $2 THEN unread_count - $2 ELSE 0 END
               WHERE id = $1 RETURNING *";
    let count = i32::try_from(read.len()).unwrap_or(i32::MAX);
    let row = tx.query_one_raw(Statement::from_sql_and_values(backend, sql, [id.into(), count.into()])).await?;
    let chat = row.map(|row| Model::from_query_result(&row, "")).transpose()?;
    Ok(chat.map(|chat| (chat, read)))
}
