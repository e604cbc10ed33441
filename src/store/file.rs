//! Puts messages in their chats: the statements that the group commit runs beside those of a
//! message's life, so that a message, its chat and the counts are never apart.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use entity::chat::{Kind, Model};
use entity::ids::{AccountId, ChatId, CompanyId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, FromQueryResult, Statement};
use serde::Serialize;

use super::account::Account;
use super::{json, json_rows};
use crate::phone::kind_of_chat;

/// Characters of a chat's last message that its row keeps.
const PREVIEW: usize = 200;

/// A chat that is opened unless it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChat {
    /// Whose it is.
    pub company: CompanyId,
    /// Whose account.
    pub account: AccountId,
    /// The messenger's own id of it.
    pub address: String,
    /// What it is.
    pub kind: Kind,
    /// What the messenger calls it, if that is known.
    pub name: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl NewChat {
    /// The account's chat of that address, of which nothing more is known.
    #[must_use]
    pub fn with(account: &Account, address: String, at: DateTime<Utc>) -> Self {
        let (company, kind) = (account.company_id, kind_of_chat(account.provider, &address));
        Self { company, account: account.id, address, kind, name: None, at }
    }
}

/// A message on its way into a chat that is there.
pub(super) struct Entry<'a> {
    pub(super) chat: ChatId,
    pub(super) account: AccountId,
    pub(super) at: DateTime<Utc>,
    pub(super) text: &'a str,
    pub(super) is_unread: bool,
}

/// One more for a day's counts.
pub(super) struct Count {
    pub(super) account: AccountId,
    pub(super) company: CompanyId,
    pub(super) day: i32,
    pub(super) is_sent: bool,
}

type Tx = DatabaseTransaction;

pub(super) fn run(backend: DbBackend, sql: String, rows: &[impl Serialize]) -> Statement {
    Statement::from_sql_and_values(backend, sql, [json(rows).into()])
}

/// What a chat is searched by.
pub(super) fn search_text(name: Option<&str>, address: &str) -> String {
    format!("{}\n{address}", name.unwrap_or_default()).to_lowercase()
}

/// The ids of the chats, opened where they are not there, and renamed where the messenger's name is
/// news and the company has not given one.
pub(super) async fn open(tx: &Tx, chats: &[&NewChat]) -> Result<HashMap<(AccountId, String), ChatId>, DbErr> {
    #[derive(Serialize)]
    struct Row<'a>(ChatId, CompanyId, AccountId, &'a str, Option<&'a str>, String, Kind, i64);
    let mut wanted: BTreeMap<(AccountId, String), &NewChat> = BTreeMap::new();
    for chat in chats {
        let known = wanted.entry((chat.account, chat.address.clone())).or_insert(*chat);
        if known.name.is_none() {
            *known = chat;
        }
    }
    let backend = tx.get_database_backend();
    let asked: Vec<&(AccountId, String)> = wanted.keys().collect();
    let mut found = HashMap::with_capacity(asked.len());
    if asked.is_empty() {
        return Ok(found);
    }
    let sql = format!(
        "SELECT c.id, c.account_id, c.address, c.name, c.is_renamed
         FROM {} JOIN chat c ON c.account_id = e.value ->> 0 AND c.address = e.value ->> 1",
        json_rows(backend, 1)
    );
    let mut renamed: Vec<(ChatId, &str, String)> = Vec::new();
    for row in tx.query_all_raw(run(backend, sql, &asked)).await? {
        let (id, account, address, name, is_ours): (ChatId, AccountId, String, Option<String>, bool) =
            row.try_get_many_by_index()?;
        let key = (account, address);
        if let Some(news) = wanted.remove(&key).and_then(|chat| chat.name.as_deref())
            && !is_ours
            && name.as_deref() != Some(news)
        {
            renamed.push((id, news, search_text(Some(news), &key.1)));
        }
        found.insert(key, id);
    }
    if !renamed.is_empty() {
        let sql = format!(
            "UPDATE chat SET name = e.value ->> 1, search_text = e.value ->> 2 FROM {} WHERE chat.id = e.value ->> 0",
            json_rows(backend, 1)
        );
        tx.execute_raw(run(backend, sql, &renamed)).await?;
    }
    let rows: Vec<Row<'_>> = wanted
        .values()
        .map(|chat| {
            let id = ChatId::new(chat.at, &mut rand::rng());
            found.insert((chat.account, chat.address.clone()), id);
            let (name, at) = (chat.name.as_deref(), chat.at.timestamp_millis());
            Row(id, chat.company, chat.account, &chat.address, name, search_text(name, &chat.address), chat.kind, at)
        })
        .collect();
    if !rows.is_empty() {
        let sql = format!(
            "INSERT INTO chat (id, company_id, account_id, address, name, search_text, kind, active_at_ms,
                               unread_count, message_count, is_archived, is_renamed, created_at_ms)
             SELECT e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value ->> 5,
                    e.value ->> 6, CAST(e.value ->> 7 AS BIGINT), 0, 0, false, false, CAST(e.value ->> 7 AS BIGINT)
             FROM {} WHERE true",
            json_rows(backend, 1)
        );
        tx.execute_raw(run(backend, sql, &rows)).await?;
    }
    Ok(found)
}

/// Tells the chats of messages that have just entered them; answers the chats as they are now.
pub(super) async fn enter(tx: &Tx, entries: &[Entry<'_>]) -> Result<HashMap<ChatId, Model>, DbErr> {
    #[derive(Serialize)]
    struct Row(ChatId, i64, String, i32, i64);
    let mut chats: BTreeMap<ChatId, Row> = BTreeMap::new();
    for entry in entries {
        let at = entry.at.timestamp_millis();
        let row = chats.entry(entry.chat).or_insert_with(|| Row(entry.chat, i64::MIN, String::new(), 0, 0));
        if at >= row.1 {
            (row.1, row.2) = (at, entry.text.chars().take(PREVIEW).collect());
        }
        row.3 += i32::from(entry.is_unread);
        row.4 += 1;
    }
    if chats.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = tx.get_database_backend();
    index(tx, backend, entries).await?;
    let rows: Vec<&Row> = chats.values().collect();
    const IS_LATEST: &str = "o.at_ms >= COALESCE(chat.last_message_at_ms, 0)";
    let sql = format!(
        "UPDATE chat SET
             last_message_text = CASE WHEN {IS_LATEST} THEN o.text ELSE chat.last_message_text END,
             last_message_at_ms = CASE WHEN {IS_LATEST} THEN o.at_ms ELSE chat.last_message_at_ms END,
             active_at_ms = CASE WHEN {IS_LATEST} THEN o.at_ms ELSE chat.active_at_ms END,
             unread_count = chat.unread_count + o.unread, message_count = chat.message_count + o.messages
         FROM (SELECT e.value ->> 0 AS chat, CAST(e.value ->> 1 AS BIGINT) AS at_ms, e.value ->> 2 AS text,
                      CAST(e.value ->> 3 AS INTEGER) AS unread, CAST(e.value ->> 4 AS BIGINT) AS messages
               FROM {}) AS o
         WHERE chat.id = o.chat RETURNING *",
        json_rows(backend, 1)
    );
    let found = tx.query_all_raw(run(backend, sql, &rows)).await?;
    found.iter().map(|row| Model::from_query_result(row, "").map(|chat| (chat.id, chat))).collect()
}

/// Writes the words of the messages down, to search by. In lower case, since a database knows only
/// the letters of its own locale.
async fn index(tx: &Tx, backend: DbBackend, entries: &[Entry<'_>]) -> Result<(), DbErr> {
    let texts: Vec<_> = entries
        .iter()
        .filter(|e| !e.text.is_empty())
        .map(|entry| (entry.chat, entry.account, entry.text.to_lowercase()))
        .collect();
    if texts.is_empty() {
        return Ok(());
    }
    let rows = json_rows(backend, 1);
    let sql = match backend {
        DbBackend::Postgres => format!(
            "INSERT INTO message_text (chat, words)
             SELECT e.value ->> 0, array_to_tsvector(ARRAY[e.value ->> 1]) || to_tsvector('simple', e.value ->> 2)
             FROM {rows}"
        ),
        _ => format!(
            "INSERT INTO message_text (chat, account, text)
             SELECT e.value ->> 0, e.value ->> 1, e.value ->> 2 FROM {rows}"
        ),
    };
    tx.execute_raw(run(backend, sql, &texts)).await.map(drop)
}

/// Adds to the counts by day.
pub(super) async fn count(tx: &Tx, counts: &[Count]) -> Result<(), DbErr> {
    let mut days: BTreeMap<(AccountId, i32), (CompanyId, i64, i64)> = BTreeMap::new();
    for count in counts {
        let day = days.entry((count.account, count.day)).or_insert((count.company, 0, 0));
        if count.is_sent { day.1 += 1 } else { day.2 += 1 }
    }
    if days.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = days.into_iter().map(|((account, day), (c, sent, got))| (account, day, c, sent, got)).collect();
    let backend = tx.get_database_backend();
    let sql = format!(
        "INSERT INTO traffic (account_id, day, company_id, sent, received)
         SELECT e.value ->> 0, CAST(e.value ->> 1 AS INTEGER), e.value ->> 2, CAST(e.value ->> 3 AS BIGINT),
                CAST(e.value ->> 4 AS BIGINT) FROM {} WHERE true
         ON CONFLICT (account_id, day) DO UPDATE
         SET sent = traffic.sent + excluded.sent, received = traffic.received + excluded.received",
        json_rows(backend, 1)
    );
    tx.execute_raw(run(backend, sql, &rows)).await.map(drop)
}
