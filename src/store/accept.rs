//! The statements that accept messages, many at once: run by the group commit.

use entity::ids::{CompanyId, MessageId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::file::{self, Entry};
use super::message::{Kept, NewMessage};
use super::tally::Tally;
use super::{media, ms, rows};

type Tx = DatabaseTransaction;

/// Writes the rows; those whose key is taken are told apart.
pub(super) async fn accept(tx: &Tx, rows: &[&NewMessage], tally: &mut Tally) -> Result<Vec<Kept>, DbErr> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let values = rows.iter().map(|m| {
        let (key, hash) = m.key.clone().unzip();
        [
            m.id.into(),
            m.company.into(),
            m.account.into(),
            m.recipient.as_str().into(),
            m.text.as_str().into(),
            m.priority.into(),
            m.id.seq().into(),
            ms(m.created_at).into(),
            m.due_at.map(ms).into(),
            m.expires_at.map(ms).into(),
            m.reference.clone().into(),
            key.into(),
            hash.into(),
            m.chat.into(),
            m.chat.map(|_| m.id.seq()).into(),
            m.user.into(),
        ]
    });
    let sql = "INSERT INTO message (id, company_id, account_id, recipient, text, priority, seq, created_at_ms, due_at_ms,
                                    expires_at_ms, reference, idempotency_key, request_hash, chat_id, filed_seq, user_id)
               SELECT * FROM ({rows}) AS o WHERE column1 IS NOT NULL
               ON CONFLICT (company_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING";
    rows::execute(tx, sql, values.collect()).await?;
    media::attach(tx, rows.iter().filter_map(|m| Some((m.id, m.media.as_ref()?)))).await?;
    let kept = kept(tx, rows).await?;
    let entries: Vec<Entry<'_>> = rows
        .iter()
        .zip(&kept)
        .filter(|(_, kept)| **kept == Kept::New)
        .filter_map(|(m, _)| {
            let (company, account) = (m.company, m.account);
            Some(Entry { chat: m.chat?, company, account, at: m.created_at, text: &m.text, is_unread: false })
        })
        .collect();
    file::enter(tx, &entries, tally).await?;
    Ok(kept)
}

async fn kept(tx: &Tx, rows: &[&NewMessage]) -> Result<Vec<Kept>, DbErr> {
    let keyed: Vec<_> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, m)| m.key.as_ref().map(|(key, _)| (index, m.company, key.as_str())))
        .collect();
    let mut kept = vec![Kept::New; rows.len()];
    for found in find_keys(tx, &keyed).await? {
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
    keys: &[(usize, CompanyId, &str)],
) -> Result<Vec<Found>, DbErr> {
    let number = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
    let asked = keys.iter().map(|(index, company, key)| [number(*index).into(), (*company).into(), (*key).into()]);
    // CROSS: each key by the index, and not the other way round.
    let sql = "WITH o (n, company, key) AS ({rows})
               SELECT o.n, message.id, message.request_hash FROM o CROSS JOIN message
               WHERE message.company_id = o.company AND message.idempotency_key = o.key
                 AND message.idempotency_key IS NOT NULL";
    rows::query(db, sql, asked.collect())
        .await?
        .iter()
        .map(|row| {
            let (index, message, hash): (i64, MessageId, i64) = row.try_get_many_by_index()?;
            Ok(Found { index: usize::try_from(index).unwrap_or(0), message, hash })
        })
        .collect()
}
