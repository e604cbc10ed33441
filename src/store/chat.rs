//! Chats and what is in them, as people ask for them; and what people do to chats.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::chat::{Column, Entity, Kind, Model};
use entity::ids::{AccountId, ChatId};
use entity::message;
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SimpleExpr};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction as Tx, DbBackend, DbErr,
    EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect, Statement,
};

use super::file::{self, NewChat, search_text};
use super::list::Page;
use super::tally::{self, Tally};
use super::{Store, StoreError};

/// What a list of chats is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct ChatFilter {
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// With this in their name, number, or a message.
    pub search: Option<String>,
}

/// Goes on after the chat that was active then and has this id.
pub type ChatCursor = (i64, ChatId);

/// The messages, newest first, whose chats a search for words finds; and the chats that are found by name
/// or number and then looked up one by one. If there are more, all of the account are gone through.
const FOUND: i64 = 1_000;

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

    /// A page of the account's chats, the latest first, and how many there are.
    pub async fn list_chats(
        &self,
        account: AccountId,
        filter: &ChatFilter,
        page: Page<ChatCursor>,
        limit: u64,
    ) -> Result<(Vec<Model>, u64), StoreError> {
        let kinds = filter.kinds.iter().map(|kind| kind.as_str());
        let mut all = Entity::find().filter(Column::Kind.is_in(kinds));
        let total = if let Some(search) = &filter.search {
            all = all.filter(self.matches(account, search).await?);
            all.clone().count(&self.reader).await?
        } else {
            all = all.filter(Column::AccountId.eq(account));
            let columns: Vec<_> = filter.kinds.iter().map(|kind| tally::column(*kind)).collect();
            let sql = format!("SELECT {} FROM tally WHERE account_id = $1", columns.join(" + "));
            self.count_of(&sql, account.into()).await?
        };
        let part = match page {
            Page::Offset(offset) => all.offset(offset),
            // Compared as pairs, so that the index leads there.
            Page::After((at, id)) => all.filter(
                Expr::tuple([Expr::col(Column::ActiveAtMs), Expr::col(Column::Id)])
                    .lt(Expr::tuple([Expr::value(at), Expr::value(id)])),
            ),
        };
        let part = part.order_by_desc(Column::ActiveAtMs).order_by_desc(Column::Id).limit(limit);
        Ok((part.all(&self.reader).await?, total))
    }

    /// Which of the account's chats `search` finds: its name or its address has it in it, or its messages
    /// have words that begin so.
    async fn matches(&self, account: AccountId, search: &str) -> Result<Condition, StoreError> {
        let search = search.trim().to_lowercase();
        let digits: String = search.chars().filter(char::is_ascii_digit).collect();
        let is_number = digits.len() >= 3 && search.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
        // Read from an index alone: a search looks at all the account's chats.
        let position = if self.backend == DbBackend::Postgres { "strpos" } else { "instr" };
        let has = |text: &str| {
            let column = SimpleExpr::from(Expr::col(Column::SearchText));
            SimpleExpr::from(Func::cust(position).args([column, Expr::value(text)])).gt(0)
        };
        let mut called = Condition::any().add(has(&search));
        if is_number {
            called = called.add(has(&digits));
        }
        let mut chats = Query::select();
        chats.column(Column::Id).from(Entity).and_where(Column::AccountId.eq(account)).cond_where(called.clone());
        let rows = self.reader.query_all(chats.limit(FOUND.unsigned_abs())).await?;
        let mut found: Vec<ChatId> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
        let is_broad = found.len() as u64 == FOUND.unsigned_abs();
        found.extend(self.chats_saying(account, &search).await?);
        if is_broad {
            // So many that a page of them is soon full.
            return Ok(Condition::all().add(Column::AccountId.eq(account)).add(called.add(Column::Id.is_in(found))));
        }
        Ok(Condition::all().add(Column::Id.is_in(found)))
    }

    /// The chats with messages that have all the words of `search`, or words that begin with them.
    async fn chats_saying(&self, account: AccountId, search: &str) -> Result<Vec<ChatId>, StoreError> {
        let words: Vec<&str> = search.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let backend = self.reader.get_database_backend();
        let (sql, wanted) = match backend {
            DbBackend::Postgres => {
                let words: Vec<String> = words.iter().map(|word| format!("'{word}':*")).collect();
                let sql = "SELECT DISTINCT chat FROM (SELECT chat FROM message_text
                           WHERE words @@ CAST($1 AS tsquery) ORDER BY id DESC LIMIT $2) AS found";
                (sql, format!("'{account}' & {}", words.join(" & ")))
            }
            _ => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"*")).collect();
                let sql = "SELECT DISTINCT chat FROM (SELECT chat FROM message_text
                           WHERE message_text MATCH $1 ORDER BY rowid DESC LIMIT $2) AS found";
                (sql, format!("account : \"{account}\" AND text : ({})", words.join(" AND ")))
            }
        };
        let rows = self.reader.query_all_raw(self.sql(sql, [wanted.into(), FOUND.into()])).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
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
