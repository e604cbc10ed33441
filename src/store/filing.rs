//! Puts messages that left in their chats and counts them: not when an attempt ends, when the account's
//! next message waits for that, but a moment later and many together. It can be done again from the
//! rows at any time, and each row is done once.

use chrono::{DateTime, Utc};
use entity::account::Provider;
use entity::chat;
use entity::message::Model;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, FromQueryResult, Statement};

use super::file::{Count, Entry, NewChat, count, enter, open};
use super::tally::Tally;
use super::{instant, rows};
use crate::phone::kind_of_chat;

/// Messages that are filed together at most. What is paced never comes to so many: they leave in a burst
/// then, and the more of an account are filed at once, the less each costs. Measured with 1,000 accounts
/// that send at once, in whole lives a second: 2,640 at 1,000 (0.2 s each), 3,480 at 4,000 (0.4 s), 3,610
/// at 10,000.
pub(super) const SLICE: u64 = 4_000;

/// A message that was filed.
#[derive(Debug, Clone)]
pub struct Posted {
    /// As it is now.
    pub message: Model,
    /// The chat it has entered by that; none: it was in one already, or its account is gone.
    pub chat: Option<chat::Model>,
}

/// Files the oldest that are not filed, from `from` in the order of filing on and so many at most; answers
/// them. `day_of` tells the day that an instant counts for.
pub(super) async fn file(
    tx: &DatabaseTransaction,
    day_of: &(dyn Fn(DateTime<Utc>) -> i32 + Send + Sync),
    from: i64,
    most: u64,
) -> Result<Vec<Posted>, DbErr> {
    let backend = tx.get_database_backend();
    // Another node may be at it.
    let skip = if backend == DbBackend::Postgres { "FOR UPDATE OF message SKIP LOCKED" } else { "" };
    let sql = format!(
        "SELECT message.*, account.provider AS provider
         FROM message LEFT JOIN account ON account.id = message.account_id
         WHERE message.is_filed = FALSE AND message.filed_seq >= $1 ORDER BY message.filed_seq LIMIT {most} {skip}"
    );
    let (mut found, mut tally) = (Vec::new(), Tally::default());
    for row in tx.query_all_raw(Statement::from_sql_and_values(backend, sql, [from.into()])).await? {
        let message = Model::from_query_result(&row, "")?;
        if !row.try_get::<bool>("", "is_listed")? {
            tally.listed(message.company_id, message.account_id);
        }
        tally.moved(message.company_id, message.account_id, None, message.status);
        let provider: Option<Provider> = row.try_get("", "provider")?;
        let address: Option<String> = row.try_get("", "chat_address")?;
        let at = instant(message.sent_at_ms.or(message.attempted_at_ms).unwrap_or(message.created_at_ms));
        let chat = match (message.chat_id, provider, address) {
            (None, Some(provider), Some(address)) => Some(NewChat {
                company: message.company_id,
                account: message.account_id,
                kind: kind_of_chat(provider, &address),
                address,
                name: None,
                at,
            }),
            _ => None,
        };
        found.push((message, chat));
    }
    let new: Vec<&NewChat> = found.iter().filter_map(|(_, chat)| chat.as_ref()).collect();
    let chats = open(tx, &new, &mut tally).await?;
    let of = |new: &NewChat| chats.get(&(new.account, new.address.clone())).copied();
    let filed: Vec<_> = found
        .into_iter()
        .map(|(message, new)| {
            let entered = new.and_then(|new| Some((of(&new)?, new.at)));
            (Model { chat_id: message.chat_id.or(entered.map(|(chat, _)| chat)), ..message }, entered)
        })
        .collect();
    // What is written anew is listed by the way.
    let sql = "WITH o (id, chat) AS ({rows})
               UPDATE message SET is_filed = TRUE, is_listed = TRUE, chat_id = o.chat FROM o WHERE message.id = o.id";
    let values = filed.iter().map(|(message, _)| [message.id.into(), message.chat_id.into()]);
    rows::execute(tx, sql, values.collect()).await?;
    let counts = filed.iter().filter_map(|(message, _)| {
        let day = day_of(instant(message.sent_at_ms?));
        Some(Count { account: message.account_id, company: message.company_id, day, is_sent: true })
    });
    count(tx, &counts.collect::<Vec<_>>()).await?;
    let entries = filed.iter().filter_map(|(message, entered)| {
        let (chat, at) = *entered.as_ref()?;
        let (company, account) = (message.company_id, message.account_id);
        Some(Entry { chat, company, account, at, text: &message.text, is_unread: false })
    });
    let now = enter(tx, &entries.collect::<Vec<_>>(), &mut tally).await?;
    tally.add(tx).await?;
    let posted = filed.into_iter().map(|(message, entered)| {
        let chat = entered.and_then(|(chat, _)| now.get(&chat).cloned());
        Posted { message, chat }
    });
    Ok(posted.collect())
}

/// Leaves the oldest that is not filed, from `from` on, out of every chat.
pub(super) async fn leave_out(tx: &DatabaseTransaction, from: i64) -> Result<(), DbErr> {
    let sql = "UPDATE message SET is_filed = TRUE WHERE id =
                   (SELECT id FROM message WHERE is_filed = FALSE AND filed_seq >= $1 ORDER BY filed_seq LIMIT 1)
               RETURNING company_id, account_id, status";
    let mut tally = Tally::default();
    for row in tx.query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, [from.into()])).await? {
        let (company, account, status) = row.try_get_many_by_index()?;
        tally.moved(company, account, None, status);
    }
    tally.add(tx).await
}
