//! Puts messages in the lists of their account and company: not when they are accepted, when each
//! would change a page of its own of an index led by the account, but later and many together.
//! Until then every list looks at the few that are in none as well.

use entity::ids::MessageId;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

use super::tally::Tally;

/// Messages that are listed together: about as many milliseconds as a commit takes.
pub(super) const SLICE: u64 = 1_000;
/// Messages that may be in no list while there is something else to write.
pub(super) const MOST: u64 = 10_000;

/// Lists the oldest that are in no list, from the id `from` on and [`SLICE`] at most; answers how many, and
/// the last of them.
pub(super) async fn list(tx: &DatabaseTransaction, from: i64) -> Result<(u64, Option<i64>), DbErr> {
    // Another node may be at it.
    let skip = if tx.get_database_backend() == DbBackend::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "UPDATE message SET is_listed = TRUE WHERE id IN
             (SELECT id FROM message WHERE is_listed = FALSE AND id >= $1 ORDER BY id LIMIT {SLICE} {skip})
         RETURNING company_id, account_id, id"
    );
    let (mut tally, mut count, mut last) = (Tally::default(), 0, None);
    for row in tx.query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, [from.into()])).await? {
        let (company, account, id): (_, _, MessageId) = row.try_get_many_by_index()?;
        tally.listed(company, account);
        count += 1;
        last = last.max(Some(id.number()));
    }
    tally.add(tx).await?;
    Ok((count, last))
}
