//! The statements of attempts, many at once: begin, finish, receipts. Run by the group commit; their
//! arguments are one JSON array, whatever its length.

use std::collections::HashMap;

use entity::chat;
use entity::ids::{ChatId, MessageId, UserId};
use entity::message::Status;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};
use serde::Serialize;

use super::file::{self, Count, Entry, NewChat};
use super::message::{Attempt, Beginning, Begun, Filing, Outcome, Receipt};
use super::{json, json_rows, ms};

type Tx = DatabaseTransaction;

/// The `FROM` of attempts: (message, epoch, token, instant) an element.
fn attempts(backend: DbBackend) -> String {
    let rows = json_rows(backend, 1);
    format!(
        "FROM (SELECT e.value ->> 0 AS id, CAST(e.value ->> 1 AS BIGINT) AS epoch,
                      CAST(e.value ->> 2 AS BIGINT) AS token, CAST(e.value ->> 3 AS BIGINT) AS now_ms FROM {rows}) AS o"
    )
}

fn key(attempt: Attempt) -> (MessageId, i64, i64, i64) {
    (attempt.message, attempt.epoch, attempt.token, ms(attempt.at))
}

/// Held by whoever begins attempts, shared, and by whoever raises epochs, alone: an attempt begins
/// before an account is taken over or not at all. PostgreSQL's, where several servers may write.
const EPOCHS: i64 = 0x65_706f_6368_7321;

/// Waits until nobody begins attempts, and keeps everybody from it until the transaction ends.
pub(super) async fn hold_epochs(tx: &Tx) -> Result<(), DbErr> {
    lock_epochs(tx, "SELECT pg_advisory_xact_lock($1)").await
}

async fn lock_epochs(tx: &Tx, sql: &str) -> Result<(), DbErr> {
    match tx.get_database_backend() {
        backend @ DbBackend::Postgres => {
            tx.query_one_raw(Statement::from_sql_and_values(backend, sql, [EPOCHS.into()])).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// Moves messages from `queued` to `sending`, or `expired`, and reads what to send.
pub(super) async fn begin(tx: &Tx, asked: &[Attempt]) -> Result<HashMap<MessageId, Beginning>, DbErr> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    lock_epochs(tx, "SELECT pg_advisory_xact_lock_shared($1)").await?;
    let values: Vec<_> = asked.iter().copied().map(key).collect();
    let backend = tx.get_database_backend();
    let attempts = attempts(backend);
    let run = |sql: String| Statement::from_sql_and_values(backend, sql, [json(&values).into()]);
    let sql = format!(
        "UPDATE message SET
             status = CASE WHEN message.expires_at_ms <= o.now_ms THEN 'expired' ELSE 'sending' END,
             attempts = attempts + CASE WHEN message.expires_at_ms <= o.now_ms THEN 0 ELSE 1 END,
             attempt = o.token, attempted_at_ms = o.now_ms, error_code = NULL, error_message = NULL
         {attempts}
         WHERE message.id = o.id AND message.status = 'queued' AND EXISTS (SELECT 1 FROM account
             WHERE account.id = message.account_id AND account.epoch = o.epoch AND NOT account.is_paused)
         RETURNING message.id, message.status, message.recipient, message.text, message.attempts,
                   message.chat_id, message.user_id"
    );
    let rows = tx.query_all_raw(run(sql)).await?;
    let mut found = HashMap::with_capacity(rows.len());
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
        found.insert(id, if status == Status::Expired { Beginning::Expired } else { Beginning::Begun(begun) });
    }
    if found.len() < asked.len() {
        let sql = format!(
            "SELECT message.id, account.epoch = o.epoch
             {attempts} JOIN message ON message.id = o.id LEFT JOIN account ON account.id = message.account_id
             WHERE message.status = 'queued'"
        );
        for row in tx.query_all_raw(run(sql)).await? {
            let (id, is_ours): (MessageId, Option<bool>) = row.try_get_many_by_index()?;
            found.insert(id, if is_ours == Some(true) { Beginning::Held } else { Beginning::Lost });
        }
    }
    Ok(found)
}

/// Puts messages back whose attempt was begun and never reached the gateway.
pub(super) async fn unbegin(tx: &Tx, asked: &[Attempt]) -> Result<(), DbErr> {
    if asked.is_empty() {
        return Ok(());
    }
    let values: Vec<_> = asked.iter().copied().map(key).collect();
    let backend = tx.get_database_backend();
    let sql = format!(
        "UPDATE message SET status = 'queued', attempts = attempts - 1 {}
         WHERE message.id = o.id AND message.status = 'sending' AND message.attempt = o.token
           AND EXISTS (SELECT 1 FROM account WHERE account.id = message.account_id AND account.epoch = o.epoch)",
        attempts(backend)
    );
    tx.execute_raw(Statement::from_sql_and_values(backend, sql, [json(&values).into()])).await.map(drop)
}

/// Writes how attempts ended, counts those that pacing counts, and puts what left in its chat:
/// answers the messages for which that was news, with the chats entered. A receipt that overtook
/// the outcome keeps what it said.
pub(super) async fn finish(
    tx: &Tx,
    outcomes: &[(Attempt, &Outcome)],
) -> Result<HashMap<MessageId, Option<chat::Model>>, DbErr> {
    #[derive(Serialize)]
    struct Row<'a>(
        MessageId,
        i64,
        i64,
        &'static str,
        Option<&'static str>,
        Option<&'a str>,
        Option<&'a str>,
        Option<i64>,
        i32,
        Option<i64>,
        Option<ChatId>,
        Option<i64>,
    );
    if outcomes.is_empty() {
        return Ok(HashMap::new());
    }
    let filings: HashMap<MessageId, &Filing> =
        outcomes.iter().filter_map(|(attempt, outcome)| Some((attempt.message, outcome.filing.as_ref()?))).collect();
    let new_chats: Vec<&NewChat> = filings.values().filter_map(|filing| filing.chat.as_ref()).collect();
    let chats = file::open(tx, &new_chats).await?;
    let chat_of = |filing: &Filing| {
        let chat = filing.chat.as_ref()?;
        chats.get(&(chat.account, chat.address.clone())).copied()
    };
    let values: Vec<Row<'_>> = outcomes
        .iter()
        .map(|(attempt, o)| {
            let error = o.error.as_ref();
            Row(
                attempt.message,
                attempt.epoch,
                attempt.token,
                o.status.unwrap_or(Status::Uncertain).as_str(),
                error.map(|(code, _)| *code),
                error.map(|(_, text)| text.as_str()),
                o.provider_message_id.as_deref(),
                o.due_at.map(ms),
                i32::from(o.is_attempt),
                o.sent_at.map(ms),
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
             filed_seq = CASE WHEN o.chat IS NULL THEN message.filed_seq ELSE o.filed_seq END,
             chat_id = COALESCE(o.chat, message.chat_id)
         FROM (SELECT e.value ->> 0 AS id, CAST(e.value ->> 1 AS BIGINT) AS epoch, CAST(e.value ->> 2 AS BIGINT) AS token,
                      e.value ->> 3 AS status, e.value ->> 4 AS error_code, e.value ->> 5 AS error_message,
                      e.value ->> 6 AS provider_message_id, CAST(e.value ->> 7 AS BIGINT) AS due_at_ms,
                      CAST(e.value ->> 8 AS INTEGER) AS is_attempt, CAST(e.value ->> 9 AS BIGINT) AS sent_at_ms,
                      e.value ->> 10 AS chat, CAST(e.value ->> 11 AS BIGINT) AS filed_seq
               FROM {}) AS o
         WHERE message.id = o.id AND message.attempt = o.token AND (message.status = 'sending'
             OR (message.status IN ('delivered', 'read') AND message.sent_at_ms IS NULL))
           AND NOT EXISTS (SELECT 1 FROM account WHERE account.id = message.account_id AND account.epoch <> o.epoch)
         RETURNING message.id, message.sent_at_ms",
        json_rows(backend, 1)
    );
    let finished = tx.query_all_raw(Statement::from_sql_and_values(backend, sql, [json(&values).into()])).await?;
    let mut news: HashMap<MessageId, Option<chat::Model>> = HashMap::with_capacity(finished.len());
    let (mut entries, mut counts) = (Vec::new(), Vec::new());
    for row in &finished {
        let (id, sent_at): (MessageId, Option<i64>) = row.try_get_many_by_index()?;
        news.insert(id, None);
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
    for (id, chat) in ids {
        news.insert(id, now.get(&chat).cloned());
    }
    let written: Vec<_> = outcomes.iter().filter(|(attempt, _)| news.contains_key(&attempt.message)).collect();
    count(tx, &written).await?;
    Ok(news)
}

/// What was counted so long before the first send of a day is forgotten: no limit looks back further.
const FORGOTTEN_MS: i64 = 3 * 24 * 3_600_000;

/// Keeps what pacing counted and what messengers asked for.
async fn count(tx: &Tx, outcomes: &[&(Attempt, &Outcome)]) -> Result<(), DbErr> {
    let (mut paced, mut first, mut restricted) = (Vec::new(), Vec::new(), Vec::new());
    for (attempt, outcome) in outcomes {
        let account = attempt.account;
        if let Some(p) = outcome.paced {
            paced.push((account, ms(p.at), attempt.token, ms(p.next_at), p.since_rest, p.took_ms));
            first.extend(p.is_first.then(|| (account, ms(p.at) - FORGOTTEN_MS)));
        }
        restricted.extend(outcome.restricted_until.map(|until| (account, ms(until))));
    }
    let backend = tx.get_database_backend();
    let rows = json_rows(backend, 1);
    if !paced.is_empty() {
        let sql = format!(
            "INSERT INTO paced (account_id, at_ms, attempt, next_at_ms, since_rest, took_ms)
             SELECT e.value ->> 0, CAST(e.value ->> 1 AS BIGINT), CAST(e.value ->> 2 AS BIGINT),
                    CAST(e.value ->> 3 AS BIGINT), CAST(e.value ->> 4 AS INTEGER), CAST(e.value ->> 5 AS BIGINT)
             FROM {rows} WHERE true ON CONFLICT (account_id, at_ms, attempt) DO NOTHING"
        );
        tx.execute_raw(file::run(backend, sql, &paced)).await?;
    }
    for (account, before) in first {
        let values = [account.into(), before.into()];
        let sql = "DELETE FROM paced WHERE account_id = $1 AND at_ms < $2";
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    if !restricted.is_empty() {
        let sql = format!(
            "UPDATE account SET restricted_until_ms = CAST(e.value ->> 1 AS BIGINT) FROM {rows} WHERE account.id = e.value ->> 0"
        );
        tx.execute_raw(file::run(backend, sql, &restricted)).await?;
    }
    Ok(())
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
