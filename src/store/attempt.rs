//! The statements of attempts, many at once: begin, finish, receipts. Run by the group commit.

use std::collections::HashMap;

use entity::ids::{AccountId, ChatId, CompanyId, MessageId, UserId};
use entity::media::Card;
use entity::message::Status;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, FromQueryResult, Statement, Value};

use super::message::{Attempt, Beginning, Begun, Moved, Outcome, Receipt};
use super::tally::Tally;
use super::{ms, rows};

type Tx = DatabaseTransaction;

/// Attempts as a table `o` (id, epoch, token, now_ms).
fn keys(attempts: &[Attempt]) -> Vec<[Value; 4]> {
    let key = |a: &Attempt| [a.message.into(), a.epoch.into(), a.token.into(), ms(a.at).into()];
    attempts.iter().map(key).collect()
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

/// What of a message an attempt to send it needs.
#[derive(FromQueryResult)]
struct Started {
    id: MessageId,
    status: Status,
    recipient: String,
    text: String,
    attempts: i32,
    chat_id: Option<ChatId>,
    user_id: Option<UserId>,
    media: Option<String>,
}

/// Moves messages from `queued` to `sending`, or `expired`, and reads what to send.
pub(super) async fn begin(tx: &Tx, asked: &[Attempt]) -> Result<HashMap<MessageId, Beginning>, DbErr> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    lock_epochs(tx, "SELECT pg_advisory_xact_lock_shared($1)").await?;
    let sql = "WITH o (id, epoch, token, now_ms) AS ({rows})
         UPDATE message SET
             status = CASE WHEN message.expires_at_ms <= o.now_ms THEN 'expired' ELSE 'sending' END,
             attempts = attempts + CASE WHEN message.expires_at_ms <= o.now_ms THEN 0 ELSE 1 END,
             attempt = o.token, attempted_at_ms = o.now_ms, error_code = NULL, error_message = NULL
         FROM o WHERE message.id = o.id AND message.status = 'queued' AND EXISTS (SELECT 1 FROM account
             WHERE account.id = message.account_id AND account.epoch = o.epoch AND NOT account.is_paused)
         RETURNING message.id, message.status, message.recipient, message.text, message.attempts,
                   message.chat_id, message.user_id, message.media";
    let mut found = HashMap::with_capacity(asked.len());
    for row in rows::query(tx, sql, keys(asked)).await? {
        let row = Started::from_query_result(&row, "")?;
        let begun = Begun {
            recipient: row.recipient,
            text: row.text,
            attempts: row.attempts.unsigned_abs(),
            chat: row.chat_id,
            user: row.user_id,
            media: row.media.as_deref().and_then(Card::read).map(Box::new),
        };
        let is_late = row.status == Status::Expired;
        found.insert(row.id, if is_late { Beginning::Expired } else { Beginning::Begun(begun) });
    }
    if found.len() < asked.len() {
        let sql = "WITH o (id, epoch, token, now_ms) AS ({rows})
             SELECT message.id, account.epoch = o.epoch
             FROM o JOIN message ON message.id = o.id LEFT JOIN account ON account.id = message.account_id
             WHERE message.status = 'queued'";
        for row in rows::query(tx, sql, keys(asked)).await? {
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
    let sql = "WITH o (id, epoch, token, now_ms) AS ({rows})
         UPDATE message SET status = 'queued', attempts = attempts - 1 FROM o
         WHERE message.id = o.id AND message.status = 'sending' AND message.attempt = o.token
           AND EXISTS (SELECT 1 FROM account WHERE account.id = message.account_id AND account.epoch = o.epoch)";
    rows::execute(tx, sql, keys(asked)).await
}

/// Writes how attempts ended, and counts those that pacing counts: answers the messages for which that was
/// news, each with its place in its chat. A receipt that overtook the outcome keeps what it said. What left is put in its
/// chat later, see `filing`.
pub(super) async fn finish(
    tx: &Tx,
    outcomes: &[(Attempt, &Outcome)],
) -> Result<HashMap<MessageId, Option<i64>>, DbErr> {
    let values = outcomes.iter().map(|(attempt, o)| {
        let error = o.error.as_ref();
        let filing = o.filing.as_ref();
        [
            attempt.message.into(),
            attempt.epoch.into(),
            attempt.token.into(),
            o.status.unwrap_or(Status::Uncertain).as_str().into(),
            error.map(|(code, _)| *code).into(),
            error.map(|(_, text)| text.as_str()).into(),
            o.provider_message_id.as_deref().into(),
            o.due_at.map(ms).into(),
            i32::from(o.is_attempt).into(),
            o.sent_at.map(ms).into(),
            filing.map(|filing| filing.address.as_str()).into(),
            filing.map(|filing| filing.seq).into(),
        ]
    });
    let sql = "WITH o (id, epoch, token, status, error_code, error_message, provider_message_id, due_at_ms, is_attempt,
                 sent_at_ms, address, seq) AS ({rows})
         UPDATE message SET
             status = CASE WHEN message.status = 'sending' THEN o.status ELSE message.status END,
             error_code = o.error_code, error_message = o.error_message,
             provider_message_id = COALESCE(o.provider_message_id, message.provider_message_id),
             due_at_ms = o.due_at_ms, attempts = message.attempts - 1 + o.is_attempt, sent_at_ms = o.sent_at_ms,
             chat_address = COALESCE(o.address, message.chat_address),
             filed_seq = COALESCE(message.filed_seq, o.seq),
             is_filed = CASE WHEN o.seq IS NULL THEN message.is_filed ELSE FALSE END
         FROM o WHERE message.id = o.id AND message.attempt = o.token AND (message.status = 'sending'
             OR (message.status IN ('delivered', 'read') AND message.sent_at_ms IS NULL))
           AND NOT EXISTS (SELECT 1 FROM account WHERE account.id = message.account_id AND account.epoch <> o.epoch)
         RETURNING message.id, message.filed_seq";
    let finished = rows::query(tx, sql, values.collect()).await?;
    let news: HashMap<_, _> = finished.iter().map(|row| row.try_get_many_by_index()).collect::<Result<_, _>>()?;
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
            paced.push([
                account.into(),
                ms(p.at).into(),
                attempt.token.into(),
                ms(p.next_at).into(),
                i32::try_from(p.since_rest).unwrap_or(i32::MAX).into(),
                i64::from(p.took_ms).into(),
            ]);
            first.extend(p.is_first.then(|| (account, ms(p.at) - FORGOTTEN_MS)));
        }
        restricted.extend(outcome.restricted_until.map(|until| [account.into(), ms(until).into()]));
    }
    let sql = "INSERT INTO paced (account_id, at_ms, attempt, next_at_ms, since_rest, took_ms)
               SELECT * FROM ({rows}) AS o WHERE column1 IS NOT NULL
               ON CONFLICT (account_id, at_ms, attempt) DO NOTHING";
    rows::execute(tx, sql, paced).await?;
    let backend = tx.get_database_backend();
    for (account, before) in first {
        let values = [account.into(), before.into()];
        let sql = "DELETE FROM paced WHERE account_id = $1 AND at_ms < $2";
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    let sql = "WITH o (account, until_ms) AS ({rows})
               UPDATE account SET restricted_until_ms = o.until_ms FROM o WHERE account.id = o.account";
    rows::execute(tx, sql, restricted).await
}

/// Moves messages forward as receipts say, never back; returns those that moved.
pub(super) async fn receive(tx: &Tx, receipts: &[Receipt], tally: &mut Tally) -> Result<Vec<Moved>, DbErr> {
    const DELIVERED: &str = "delivered_at_ms = COALESCE(message.delivered_at_ms, o.at_ms)";
    let of = |r: &Receipt| [r.message.into(), r.account.into(), ms(r.at).into()];
    let mut filed = filed(tx, receipts).await?;
    let mut moved = Vec::new();
    for (status, set, before) in [
        (Status::Delivered, DELIVERED.to_owned(), "'sending', 'sent', 'uncertain'"),
        (Status::Read, format!("{DELIVERED}, read_at_ms = o.at_ms"), "'sending', 'sent', 'uncertain', 'delivered'"),
    ] {
        let values = receipts.iter().filter(|r| r.status == status).map(of);
        let sql = format!(
            "WITH o (id, account, at_ms) AS ({{rows}})
             UPDATE message SET status = '{status}', {set} FROM o
             WHERE message.id = o.id AND message.account_id = o.account AND message.status IN ({before})
             RETURNING message.id, COALESCE(message.chat_id, message.chat_address)"
        );
        for row in rows::query(tx, &sql, values.collect()).await? {
            let (message, chat): (MessageId, Option<String>) = row.try_get_many_by_index()?;
            if let Some((company, account, was)) = filed.get_mut(&message) {
                tally.moved(*company, *account, Some(std::mem::replace(was, status)), status);
            }
            let receipt = receipts.iter().find(|r| r.message == message && r.status == status);
            moved.extend(receipt.map(|receipt| Moved { receipt: *receipt, chat }));
        }
    }
    Ok(moved)
}

/// Those of the messages that are filed, as they are; held as they are where others write, too.
async fn filed(tx: &Tx, receipts: &[Receipt]) -> Result<HashMap<MessageId, (CompanyId, AccountId, Status)>, DbErr> {
    let hold = if tx.get_database_backend() == DbBackend::Postgres { "FOR UPDATE OF message" } else { "" };
    // CROSS: each message by its id, and not the other way round.
    let sql = format!(
        "WITH o (id) AS ({{rows}})
         SELECT message.id, message.is_filed, message.company_id, message.account_id, message.status
         FROM o CROSS JOIN message WHERE message.id = o.id {hold}"
    );
    let asked = receipts.iter().map(|receipt| [receipt.message.into()]);
    let mut filed = HashMap::new();
    for row in rows::query(tx, &sql, asked.collect()).await? {
        let (id, is_filed, company, account, status): (_, Option<bool>, _, _, _) = row.try_get_many_by_index()?;
        if is_filed == Some(true) {
            filed.insert(id, (company, account, status));
        }
    }
    Ok(filed)
}
