//! The statements that accept messages, many at once: run by the group commit, their arguments one
//! JSON array, whatever its length.

use entity::ids::{ChatId, MessageId, UserId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};
use serde::Serialize;

use super::file::{self, Entry};
use super::message::{Kept, NewMessage};
use super::{json, json_rows, ms};

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
        Option<ChatId>,
        Option<UserId>,
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
                m.chat,
                m.user,
            )
        })
        .collect();
    let backend = tx.get_database_backend();
    let sql = format!(
        "INSERT INTO message (id, company_id, account_id, recipient, text, status, priority, seq, due_at_ms,
                              expires_at_ms, reference, idempotency_key, request_hash, created_at_ms,
                              chat_id, filed_seq, user_id)
         SELECT e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, 'queued',
                CAST(e.value ->> 5 AS SMALLINT), CAST(e.value ->> 6 AS BIGINT), CAST(e.value ->> 7 AS BIGINT),
                CAST(e.value ->> 8 AS BIGINT), e.value ->> 9, e.value ->> 10, CAST(e.value ->> 11 AS BIGINT),
                CAST(e.value ->> 12 AS BIGINT), e.value ->> 13,
                CASE WHEN e.value ->> 13 IS NOT NULL THEN CAST(e.value ->> 6 AS BIGINT) END, e.value ->> 14
         FROM {} WHERE true
         ON CONFLICT (company_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING",
        json_rows(backend, 1)
    );
    tx.execute_raw(Statement::from_sql_and_values(backend, sql, [json(&values).into()])).await?;
    let kept = kept(tx, rows).await?;
    let entries: Vec<Entry<'_>> = rows
        .iter()
        .zip(&kept)
        .filter(|(_, kept)| **kept == Kept::New)
        .filter_map(|(m, _)| {
            Some(Entry { chat: m.chat?, account: m.account, at: m.created_at, text: &m.text, is_unread: false })
        })
        .collect();
    file::enter(tx, &entries).await?;
    Ok(kept)
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
