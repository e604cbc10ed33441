//! The statements of a message's life, each for many messages at once: accept, begin, finish,
//! receipts. Run by the group commit; their arguments are one JSON array, whatever its length.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, CompanyId, MessageId};
use entity::message::Status;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};
use serde::Serialize;

use super::json_rows;

/// A message to be accepted.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its id, fixed from here on.
    pub id: MessageId,
    /// Whose it is.
    pub company: CompanyId,
    /// Who sends it.
    pub account: AccountId,
    /// To whom.
    pub recipient: String,
    /// The text.
    pub text: String,
    /// 0 to 9.
    pub priority: i16,
    /// Order within the priority.
    pub seq: i64,
    /// Not before.
    pub due_at: Option<DateTime<Utc>>,
    /// Not after.
    pub expires_at: Option<DateTime<Utc>>,
    /// The caller's own id.
    pub reference: Option<String>,
    /// The idempotency key, and the hash of what was asked for under it.
    pub key: Option<(String, i64)>,
    /// When it came.
    pub created_at: DateTime<Utc>,
}

/// What became of a [`NewMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is a row now.
    New,
    /// The same request was accepted before, as this message.
    Repeat(MessageId),
    /// Another request was accepted under the same key.
    Conflict,
}

/// A message whose attempt has begun: its row says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// To whom.
    pub recipient: String,
    /// The text.
    pub text: String,
    /// Attempts, this one included.
    pub attempts: u32,
}

/// What `begin` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// The row is `sending`.
    Begun(Begun),
    /// Its time had run out; the row is `expired`.
    Expired,
    /// The row is not `queued`: cancelled, or started before.
    NotQueued,
}

/// How an attempt ended, for the row.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The new status; `queued` puts it back.
    pub status: Option<Status>,
    /// Why, for statuses that need a reason.
    pub error: Option<(&'static str, String)>,
    /// The messenger's own id.
    pub provider_message_id: Option<String>,
    /// Not before, when it goes back.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether the attempt counts as one; waiting never does.
    pub is_attempt: bool,
    /// When the messenger took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// What pacing counted, if it did.
    pub paced: Option<Paced>,
}

/// What the row keeps of the account's pace after this send.
#[derive(Debug, Clone, Copy)]
pub struct Paced {
    /// The instant counted.
    pub at: DateTime<Utc>,
    /// The next instant planned.
    pub next_at: DateTime<Utc>,
    /// Sends since the rest.
    pub since_rest: u32,
}

/// How far a message got, as the messenger reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Which.
    pub message: MessageId,
    /// `Delivered` or `Read`.
    pub status: Status,
    /// When.
    pub at: DateTime<Utc>,
}

fn ms(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn json(rows: &[impl Serialize]) -> String {
    serde_json::to_string(rows).unwrap_or_default()
}

type Tx = DatabaseTransaction;

/// Writes the rows; those whose key is taken are told apart.
pub(super) async fn accept(tx: &Tx, rows: &[&NewMessage]) -> Result<Vec<Kept>, DbErr> {
    #[derive(Serialize)]
    struct Row<'a>(
        String,
        String,
        String,
        &'a str,
        &'a str,
        i16,
        i64,
        Option<i64>,
        Option<i64>,
        Option<&'a str>,
        Option<&'a str>,
        Option<i64>,
        i64,
    );
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<Row<'_>> = rows
        .iter()
        .map(|m| {
            Row(
                m.id.to_string(),
                m.company.to_string(),
                m.account.to_string(),
                &m.recipient,
                &m.text,
                m.priority,
                m.seq,
                m.due_at.map(ms),
                m.expires_at.map(ms),
                m.reference.as_deref(),
                m.key.as_ref().map(|(key, _)| key.as_str()),
                m.key.as_ref().map(|(_, hash)| *hash),
                ms(m.created_at),
            )
        })
        .collect();
    let backend = tx.get_database_backend();
    let sql = format!(
        "INSERT INTO message (id, company_id, account_id, recipient, text, status, priority, seq, due_at_ms,
                              expires_at_ms, reference, idempotency_key, request_hash, created_at_ms)
         SELECT e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, 'queued',
                CAST(e.value ->> 5 AS SMALLINT), CAST(e.value ->> 6 AS BIGINT), CAST(e.value ->> 7 AS BIGINT),
                CAST(e.value ->> 8 AS BIGINT), e.value ->> 9, e.value ->> 10, CAST(e.value ->> 11 AS BIGINT),
                CAST(e.value ->> 12 AS BIGINT)
         FROM {} WHERE true
         ON CONFLICT (company_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING",
        json_rows(backend, 1)
    );
    tx.execute_raw(Statement::from_sql_and_values(backend, sql, [json(&values).into()])).await?;
    kept(tx, rows).await
}

async fn kept(tx: &Tx, rows: &[&NewMessage]) -> Result<Vec<Kept>, DbErr> {
    let keyed: Vec<_> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, m)| m.key.as_ref().map(|(key, _)| (index, m.company.to_string(), key.as_str())))
        .collect();
    let mut kept = vec![Kept::New; rows.len()];
    for found in find_keys(tx, tx.get_database_backend(), &keyed).await? {
        let row = &rows[found.index];
        kept[found.index] = match &row.key {
            _ if found.message == row.id => Kept::New,
            Some((_, hash)) if *hash == found.hash => Kept::Repeat(found.message),
            _ => Kept::Conflict,
        };
    }
    Ok(kept)
}

pub(super) struct Found {
    pub(super) index: usize,
    pub(super) message: MessageId,
    pub(super) hash: i64,
}

/// The messages accepted under keys, each given as (index, company, key).
pub(super) async fn find_keys(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    keys: &[(usize, String, &str)],
) -> Result<Vec<Found>, DbErr> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT CAST(e.value ->> 0 AS BIGINT), m.id, m.request_hash
         FROM {} JOIN message m ON m.company_id = e.value ->> 1 AND m.idempotency_key = e.value ->> 2
         WHERE m.idempotency_key IS NOT NULL",
        json_rows(backend, 1)
    );
    let found = db.query_all_raw(Statement::from_sql_and_values(backend, sql, [json(keys).into()])).await?;
    found
        .iter()
        .map(|row| {
            let (index, message, hash): (i64, MessageId, i64) = row.try_get_many_by_index()?;
            Ok(Found { index: usize::try_from(index).unwrap_or(0), message, hash })
        })
        .collect()
}

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
         RETURNING message.id, message.status, message.recipient, message.text, message.attempts",
        json_rows(backend, 1)
    );
    let rows = tx.query_all_raw(Statement::from_sql_and_values(backend, sql, [json(&values).into()])).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, status, recipient, text, attempts): (MessageId, Status, String, String, i32) =
            row.try_get_many_by_index()?;
        let begun = Begun { recipient, text, attempts: attempts.unsigned_abs() };
        found.push((id, if status == Status::Expired { Beginning::Expired } else { Beginning::Begun(begun) }));
    }
    Ok(found)
}

/// Writes how attempts ended. A receipt that overtook the outcome keeps what it said.
pub(super) async fn finish(tx: &Tx, outcomes: &[(MessageId, &Outcome)]) -> Result<(), DbErr> {
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
    );
    if outcomes.is_empty() {
        return Ok(());
    }
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
             since_rest = COALESCE(o.since_rest, message.since_rest)
         FROM (SELECT e.value ->> 0 AS id, e.value ->> 1 AS status, e.value ->> 2 AS error_code,
                      e.value ->> 3 AS error_message, e.value ->> 4 AS provider_message_id,
                      CAST(e.value ->> 5 AS BIGINT) AS due_at_ms, CAST(e.value ->> 6 AS INTEGER) AS is_attempt,
                      CAST(e.value ->> 7 AS BIGINT) AS sent_at_ms, CAST(e.value ->> 8 AS BIGINT) AS paced_at_ms,
                      CAST(e.value ->> 9 AS BIGINT) AS next_at_ms, CAST(e.value ->> 10 AS INTEGER) AS since_rest
               FROM {}) AS o
         WHERE message.id = o.id AND (message.status = 'sending'
             OR (message.status IN ('delivered', 'read') AND message.sent_at_ms IS NULL))",
        json_rows(backend, 1)
    );
    tx.execute_raw(Statement::from_sql_and_values(backend, sql, [json(&values).into()])).await.map(drop)
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
