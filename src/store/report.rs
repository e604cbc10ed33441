//! What messengers report of messages that were not accepted here: rows, each once however often it
//! is reported, in their chats and in the counts. Run by the group commit.

use chrono::{DateTime, Utc};
use entity::chat;
use entity::ids::{AccountId, MessageId};
use entity::message::{self, Origin};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement};

use super::file::{Count, Entry, NewChat, count, enter, open};
use super::media::{self, Came};
use super::rows;
use super::tally::Tally;

type Tx = DatabaseTransaction;

/// What a messenger reports of a message that was not accepted here.
#[derive(Debug, Clone)]
pub struct Report {
    /// The id of its row, if it becomes one.
    pub id: MessageId,
    /// Its place in its chat.
    pub seq: i64,
    /// Its chat.
    pub chat: NewChat,
    /// The messenger's own id.
    pub provider_message_id: String,
    /// `Received` or `Own`.
    pub origin: Origin,
    /// The messenger's id of who wrote it.
    pub sender: Option<String>,
    /// … and the name.
    pub sender_name: Option<String>,
    /// The text.
    pub text: String,
    /// What it is.
    pub kind: message::Kind,
    /// The file that came with it.
    pub media: Option<Came>,
    /// When it was sent, as the messenger says.
    pub at: DateTime<Utc>,
    /// Whether it is from before the account was connected: nobody is told, and it is not unread.
    pub is_history: bool,
    /// The day it counts for.
    pub day: i32,
}

impl Report {
    /// The same without what was said and by whom, for a database that refuses the words.
    #[must_use]
    pub fn bare(self) -> Self {
        let chat = NewChat { name: None, ..self.chat };
        let (sender, sender_name, media) = (None, None, None);
        Self { chat, sender, sender_name, text: String::new(), kind: message::Kind::Other, media, ..self }
    }
}

/// A report that became a row.
#[derive(Debug, Clone)]
pub struct Filed {
    /// What was reported.
    pub report: Report,
    /// Its chat, as it is now.
    pub chat: chat::Model,
}

/// Writes what messengers report, each message once however often it is reported.
pub(super) async fn report(tx: &Tx, reports: &[&Report], tally: &mut Tally) -> Result<Vec<Filed>, DbErr> {
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    let chats: Vec<&NewChat> = reports.iter().map(|report| &report.chat).collect();
    let chats = open(tx, &chats, tally).await?;
    let values = reports.iter().filter_map(|r| {
        let chat = *chats.get(&(r.chat.account, r.chat.address.clone()))?;
        let at = r.at.timestamp_millis();
        let is_received = r.origin == Origin::Received;
        let status = match (r.origin, r.is_history) {
            (Origin::Received, false) => "delivered",
            (Origin::Received, true) => "read",
            _ => "sent",
        };
        Some([
            r.id.into(),
            r.chat.company.into(),
            r.chat.account.into(),
            r.chat.address.as_str().into(),
            r.text.as_str().into(),
            status.into(),
            true.into(),
            5_i16.into(),
            r.id.seq().into(),
            r.provider_message_id.as_str().into(),
            r.chat.at.timestamp_millis().into(),
            (!is_received).then_some(at).into(),
            is_received.then_some(at).into(),
            (is_received && r.is_history).then_some(at).into(),
            r.origin.into(),
            r.kind.into(),
            chat.into(),
            r.seq.into(),
            r.sender.as_deref().into(),
            r.sender_name.as_deref().into(),
        ])
    });
    let sql = "INSERT INTO message (id, company_id, account_id, recipient, text, status, is_listed, priority, seq,
                                    provider_message_id, created_at_ms, sent_at_ms, delivered_at_ms, read_at_ms, origin,
                                    kind, chat_id, filed_seq, sender, sender_name)
               SELECT * FROM ({rows}) AS o WHERE column1 IS NOT NULL
               ON CONFLICT (account_id, recipient, provider_message_id) WHERE origin <> 'accepted' DO NOTHING
               RETURNING id";
    let new = rows::query(tx, sql, values.collect()).await?;
    let new: Vec<MessageId> = new.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    let filed: Vec<&Report> = reports.iter().copied().filter(|report| new.contains(&report.id)).collect();
    let cards: Vec<_> = filed.iter().filter_map(|r| Some((r.id, r.media.as_ref()?.row.card(r.kind)))).collect();
    media::attach(tx, cards.iter().map(|(id, card)| (*id, card))).await?;
    media::came(tx, filed.iter().filter_map(|r| r.media.as_ref()).collect()).await?;
    let chat_of = |report: &Report| chats.get(&(report.chat.account, report.chat.address.clone())).copied();
    let entries: Vec<Entry<'_>> = filed
        .iter()
        .filter_map(|r| {
            let is_unread = r.origin == Origin::Received && !r.is_history;
            let (company, account) = (r.chat.company, r.chat.account);
            Some(Entry { chat: chat_of(r)?, company, account, at: r.at, text: &r.text, is_unread })
        })
        .collect();
    let now = enter(tx, &entries, tally).await?;
    let counts: Vec<Count> = filed
        .iter()
        .map(|r| Count {
            account: r.chat.account,
            company: r.chat.company,
            day: r.day,
            is_sent: r.origin != Origin::Received,
        })
        .collect();
    count(tx, &counts).await?;
    let with_chat =
        |report: &&Report| Some(Filed { chat: now.get(&chat_of(report)?)?.clone(), report: Report::clone(report) });
    Ok(filed.iter().filter_map(with_chat).collect())
}

/// Notes up to where an account's messenger was read.
pub(super) async fn note_position(tx: &Tx, account: AccountId, position: i64) -> Result<(), DbErr> {
    let sql = "INSERT INTO inbox_position (account_id, position) VALUES ($1, $2)
               ON CONFLICT (account_id) DO UPDATE SET position = excluded.position";
    let values = [account.into(), position.into()];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await.map(drop)
}
