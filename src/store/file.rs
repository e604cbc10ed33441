//! Chats, what is searched by, and the counts: the statements by which messages enter them, in the
//! transaction that says of the messages that they did.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use entity::chat::{Kind, Model};
use entity::ids::{AccountId, ChatId, CompanyId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, FromQueryResult};

use super::account::Account;
use super::rows;
use super::tally::Tally;
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
    pub(super) company: CompanyId,
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

/// What a chat is searched by.
pub(super) fn search_text(name: Option<&str>, address: &str) -> String {
    format!("{}\n{address}", name.unwrap_or_default()).to_lowercase()
}

/// The ids of the chats, opened where they are not there, and renamed where the messenger's name is
/// news and the company has not given one.
pub(super) async fn open(
    tx: &Tx,
    chats: &[&NewChat],
    tally: &mut Tally,
) -> Result<HashMap<(AccountId, String), ChatId>, DbErr> {
    let mut wanted: BTreeMap<(AccountId, String), &NewChat> = BTreeMap::new();
    for chat in chats {
        let known = wanted.entry((chat.account, chat.address.clone())).or_insert(*chat);
        if known.name.is_none() {
            *known = chat;
        }
    }
    let asked: Vec<_> = wanted.keys().map(|(account, address)| [(*account).into(), address.as_str().into()]).collect();
    let mut found = HashMap::with_capacity(asked.len());
    // CROSS: each chat by the index, and not the other way round.
    let sql = "WITH o (account, address) AS ({rows})
               SELECT chat.id, chat.account_id, chat.address, chat.name, chat.is_renamed
               FROM o CROSS JOIN chat WHERE chat.account_id = o.account AND chat.address = o.address";
    let mut renamed = Vec::new();
    for row in rows::query(tx, sql, asked).await? {
        let (id, account, address, name, is_ours): (ChatId, AccountId, String, Option<String>, bool) =
            row.try_get_many_by_index()?;
        let key = (account, address);
        if let Some(news) = wanted.remove(&key).and_then(|chat| chat.name.as_deref())
            && !is_ours
            && name.as_deref() != Some(news)
        {
            renamed.push([id.into(), news.into(), search_text(Some(news), &key.1).into()]);
        }
        found.insert(key, id);
    }
    let sql = "WITH o (chat, name, search_text) AS ({rows})
               UPDATE chat SET name = o.name, search_text = o.search_text FROM o WHERE chat.id = o.chat";
    rows::execute(tx, sql, renamed).await?;
    let opened = wanted.values().map(|chat| {
        let id = ChatId::new(chat.at, &mut rand::rng());
        found.insert((chat.account, chat.address.clone()), id);
        tally.opened(chat.company, chat.account, chat.kind);
        let (name, at) = (chat.name.as_deref(), chat.at.timestamp_millis());
        [
            id.into(),
            chat.company.into(),
            chat.account.into(),
            chat.address.as_str().into(),
            name.into(),
            search_text(name, &chat.address).into(),
            chat.kind.into(),
            at.into(),
            0_i32.into(),
            0_i64.into(),
            false.into(),
            false.into(),
            at.into(),
        ]
    });
    let sql = "INSERT INTO chat (id, company_id, account_id, address, name, search_text, kind, active_at_ms,
                                 unread_count, message_count, is_archived, is_renamed, created_at_ms)
               SELECT * FROM ({rows}) AS o WHERE column1 IS NOT NULL";
    rows::execute(tx, sql, opened.collect()).await?;
    Ok(found)
}

/// Tells the chats of messages that have just entered them; answers the chats as they are now.
pub(super) async fn enter(tx: &Tx, entries: &[Entry<'_>], tally: &mut Tally) -> Result<HashMap<ChatId, Model>, DbErr> {
    struct News {
        at_ms: i64,
        text: String,
        unread: i32,
        messages: i64,
    }
    let mut chats: BTreeMap<ChatId, News> = BTreeMap::new();
    for entry in entries {
        let at_ms = entry.at.timestamp_millis();
        let none = || News { at_ms: i64::MIN, text: String::new(), unread: 0, messages: 0 };
        let news = chats.entry(entry.chat).or_insert_with(none);
        if at_ms >= news.at_ms {
            (news.at_ms, news.text) = (at_ms, entry.text.chars().take(PREVIEW).collect());
        }
        news.unread += i32::from(entry.is_unread);
        news.messages += 1;
        tally.filed(entry.company, entry.account);
    }
    index(tx, entries).await?;
    let values = chats.into_iter().map(|(chat, news)| {
        [chat.into(), news.at_ms.into(), news.text.into(), news.unread.into(), news.messages.into()]
    });
    const IS_LATEST: &str = "o.at_ms >= COALESCE(chat.last_message_at_ms, 0)";
    let sql = format!(
        "WITH o (chat, at_ms, text, unread, messages) AS ({{rows}})
         UPDATE chat SET
             last_message_text = CASE WHEN {IS_LATEST} THEN o.text ELSE chat.last_message_text END,
             last_message_at_ms = CASE WHEN {IS_LATEST} THEN o.at_ms ELSE chat.last_message_at_ms END,
             active_at_ms = CASE WHEN {IS_LATEST} THEN o.at_ms ELSE chat.active_at_ms END,
             unread_count = chat.unread_count + o.unread, message_count = chat.message_count + o.messages
         FROM o WHERE chat.id = o.chat RETURNING *"
    );
    let found = rows::query(tx, &sql, values.collect()).await?;
    found.iter().map(|row| Model::from_query_result(row, "").map(|chat| (chat.id, chat))).collect()
}

/// Writes the words of the messages down, to search by. In lower case, since a database knows only
/// the letters of its own locale. In PostgreSQL the account is among the words, as one that no search
/// begins with.
async fn index(tx: &Tx, entries: &[Entry<'_>]) -> Result<(), DbErr> {
    let texts = entries
        .iter()
        .filter(|entry| !entry.text.is_empty())
        .map(|entry| [entry.chat.into(), entry.account.into(), entry.text.to_lowercase().into()]);
    let sql = match tx.get_database_backend() {
        DbBackend::Postgres => {
            "WITH o (chat, account, text) AS ({rows})
             INSERT INTO message_text (chat, words)
             SELECT o.chat, array_to_tsvector(ARRAY['~' || o.account]) || to_tsvector('simple', o.text)
             FROM o WHERE o.chat IS NOT NULL"
        }
        _ => "INSERT INTO message_text (chat, account, text) SELECT * FROM ({rows}) AS o WHERE column1 IS NOT NULL",
    };
    rows::execute(tx, sql, texts.collect()).await
}

/// Adds to the counts by day.
pub(super) async fn count(tx: &Tx, counts: &[Count]) -> Result<(), DbErr> {
    let mut days: BTreeMap<(AccountId, i32), (CompanyId, i64, i64)> = BTreeMap::new();
    for count in counts {
        let day = days.entry((count.account, count.day)).or_insert((count.company, 0, 0));
        if count.is_sent { day.1 += 1 } else { day.2 += 1 }
    }
    let values = days.into_iter().map(|((account, day), (company, sent, received))| {
        [account.into(), day.into(), company.into(), sent.into(), received.into()]
    });
    let sql = "INSERT INTO traffic (account_id, day, company_id, sent, received)
               SELECT * FROM ({rows}) AS o WHERE column1 IS NOT NULL
               ON CONFLICT (account_id, day) DO UPDATE
               SET sent = traffic.sent + excluded.sent, received = traffic.received + excluded.received";
    rows::execute(tx, sql, values.collect()).await
}
