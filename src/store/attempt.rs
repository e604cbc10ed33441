//! The statements of attempts, many at once: begin, finish, receipts. Run by the group commit; their
//! arguments are one JSON array, whatever its length.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::chat;
use entity::ids::{ChatId, MessageId, UserId};
use entity::message::Status;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement};
use serde::Serialize;

use super::file::{self, Count, Entry, NewChat};
use super::message::{Beginning, Begun, Filing, Outcome, Receipt};
use super::{json, json_rows, ms};

type Tx = DatabaseTransaction;

/// Moves messages from `queued` to `sending`, or `expired`, and reads what to send.
pub(super) async fn begin(tx: &Tx, asked: &[(MessageId, DateTime<Utc>)]) -> Result<Vec<(MessageId, Beginning)>, DbErr> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<_> = asked.iter().map(|(message, now)| (message, ms(*now))).collect();
    let backend = tx.get_database_backend();
    let sql = format!(
        "UPDATE message SET
             status = CASE WHEN message.expires_at_ms <= o.now_ms THEN 'expired' ELSE 'sending' END,
             attempts = attempts + CASE WHEN message.expires_at_ms <= o.now_ms THEN 0 ELSE 1 END,
             attempted_at_ms = o.now_ms, error_code = NULL, error_message = NULL
         FROM (SELECT e.value ->> 0 AS id, CAST(e.value ->> 1 AS BIGINT) AS now_ms FROM {}) AS o
         WHERE message.id = o.id AND message.status = 'queued'
         RETURNING message.id, message.status, message.recipient, message.text, message.attempts,
                   message.chat_id, message.user_id",
        json_rows(backend, 1)
    );
    let rows = tx.query_all_raw(Statement::from_sql_and_values(backend, sql, [json(&values).into()])).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, status, recipient, text, attempts, chat, user): (
            MessageId,
            Status,
            String,
            String,
            i32,
            Option<ChatId>,
            Option<UserId>,
        ) = row.try_get_many_by_index()?;
        let begun = Begun { recipient, text, attempts: attempts.unsigned_abs(), chat, user };
        found.push((id, if status == Status::Expired { Beginning::Expired } else { Beginning::Begun(begun) }));
    }
    Ok(found)
}

/// Writes how attempts ended, and puts what left in its chat: answers the chats entered. A receipt
/// that overtook the outcome keeps what it said.
pub(super) async fn finish(
    tx: &Tx,
    outcomes: &[(MessageId, &Outcome)],
) -> Result<HashMap<MessageId, chat::Model>, DbErr> {
    #[derive(Serialize)]
    struct Row<'a>(
        MessageId,
        &'static str,
        Option<&'static str>,
        Option<&'a str>,
        Option<&'a str>,
        Option<i64>,
        i32,
        Option<i64>,
        Option<i64>,
        Option<i64>,
        Option<u32>,
        Option<ChatId>,
        Option<i64>,
    );
    if outcomes.is_empty() {
        return Ok(HashMap::new());
    }
    let filings: HashMap<MessageId, &Filing> =
        outcomes.iter().filter_map(|(id, outcome)| Some((*id, outcome.filing.as_ref()?))).collect();
    let new_chats: Vec<&NewChat> = filings.values().filter_map(|filing| filing.chat.as_ref()).collect();
    let chats = file::open(tx, &new_chats).await?;
    let chat_of = |filing: &Filing| {
        let chat = filing.chat.as_ref()?;
        chats.get(&(chat.account, chat.address.clone())).copied()
    };
    let values: Vec<Row<'_>> = outcomes
        .iter()
        .map(|(id, o)| {
            let error = o.error.as_ref();
            Row(
                *id,
                o.status.unwrap_or(Status::Uncertain).as_str(),
                error.map(|(code, _)| *code),
                error.map(|(_, text)| text.as_str()),
                o.provider_message_id.as_deref(),
                o.due_at.map(ms),
                i32::from(o.is_attempt),
                o.sent_at.map(ms),
                o.paced.map(|p| ms(p.at)),
                o.paced.map(|p| ms(p.next_at)),
                o.paced.map(|p| p.since_rest),
                o.filing.as_ref().and_then(chat_of),
                o.filing.as_ref().map(|filing| filing.seq),
            )
        })
        .collect();
    let backend = tx.get_database_backend();
    let sql = format!(
        "UPDATE message SET
             status = CASE WHEN message.status = 'sending' THEN o.status ELSE message.status END,
             error_code = o.error_code, error_message = o.error_message,
             provider_message_id = COALESCE(o.provider_message_id, message.provider_message_id),
             due_at_ms = o.due_at_ms, attempts = message.attempts - 1 + o.is_attempt, sent_at_ms = o.sent_at_ms,
             paced_at_ms = COALESCE(o.paced_at_ms, message.paced_at_ms), next_at_ms = COALESCE(o.next_at_ms, message.next_at_ms),
             since_rest = COALESCE(o.since_rest, message.since_rest),
             filed_seq = CASE WHEN o.chat IS NULL THEN message.filed_seq ELSE o.filed_seq END,
             chat_id = COALESCE(o.chat, message.chat_id)
         FROM (SELECT e.value ->> 0 AS id, e.value ->> 1 AS status, e.value ->> 2 AS error_code,
                      e.value ->> 3 AS error_message, e.value ->> 4 AS provider_message_id,
                      CAST(e.value ->> 5 AS BIGINT) AS due_at_ms, CAST(e.value ->> 6 AS INTEGER) AS is_attempt,
                      CAST(e.value ->> 7 AS BIGINT) AS sent_at_ms, CAST(e.value ->> 8 AS BIGINT) AS paced_at_ms,
                      CAST(e.value ->> 9 AS BIGINT) AS next_at_ms, CAST(e.value ->> 10 AS INTEGER) AS since_rest,
                      e.value ->> 11 AS chat, CAST(e.value ->> 12 AS BIGINT) AS filed_seq
               FROM {}) AS o
         WHERE message.id = o.id AND (message.status = 'sending'
             OR (message.status IN ('delivered', 'read') AND message.sent_at_ms IS NULL))
         RETURNING message.id, message.sent_at_ms",
        json_rows(backend, 1)
    );
    let finished = tx.query_all_raw(Statement::from_sql_and_values(backend, sql, [json(&values).into()])).await?;
    let (mut entries, mut counts) = (Vec::new(), Vec::new());
    for row in &finished {
        let (id, sent_at): (MessageId, Option<i64>) = row.try_get_many_by_index()?;
        let Some(filing) = filings.get(&id) else { continue };
        if sent_at.is_some() {
            counts.push(Count { account: filing.account, company: filing.company, day: filing.day, is_sent: true });
        }
        if let (Some(chat), Some(new)) = (chat_of(filing), &filing.chat) {
            let entry = Entry { chat, account: filing.account, at: new.at, text: &filing.text, is_unread: false };
            entries.push((id, entry));
        }
    }
    file::count(tx, &counts).await?;
    let (ids, entries): (Vec<_>, Vec<_>) = entries.into_iter().map(|(id, entry)| ((id, entry.chat), entry)).unzip();
    let now = file::enter(tx, &entries).await?;
    Ok(ids.into_iter().filter_map(|(id, chat)| Some((id, now.get(&chat)?.clone()))).collect())
}

/// Moves messages forward as receipts say, never back; returns those that moved.
pub(super) async fn receive(tx: &Tx, receipts: &[Receipt]) -> Result<Vec<Receipt>, DbErr> {
    const DELIVERED: &str = "delivered_at_ms = COALESCE(message.delivered_at_ms, o.at_ms)";
    let mut moved = Vec::new();
    for (status, set, before) in [
        (Status::Delivered, DELIVERED.to_owned(), "'sending', 'sent', 'uncertain'"),
        (Status::Read, format!("{DELIVERED}, read_at_ms = o.at_ms"), "'sending', 'sent', 'uncertain', 'delivered'"),
    ] {
        let values: Vec<_> = receipts.iter().filter(|r| r.status == status).map(|r| (r.message, ms(r.at))).collect();
        if values.is_empty() {
            continue;
        }
        let backend = tx.get_database_backend();
        let sql = format!(
            "UPDATE message SET status = '{status}', {set}
             FROM (SELECT e.value ->> 0 AS id, CAST(e.value ->> 1 AS BIGINT) AS at_ms FROM {}) AS o
             WHERE message.id = o.id AND message.status IN ({before})
             RETURNING message.id",
            json_rows(backend, 1)
        );
        for row in tx.query_all_raw(Statement::from_sql_and_values(backend, sql, [json(&values).into()])).await? {
            let message: MessageId = row.try_get_by_index(0)?;
            moved.extend(receipts.iter().find(|r| r.message == message && r.status == status));
        }
    }
    Ok(moved)
}
