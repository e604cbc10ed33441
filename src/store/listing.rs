//! Puts messages in the lists of their account and company: not when they are accepted, when each
//! would change a page of its own of an index led by the account, but later and many together.
//! Until then every list looks at the few that are in none as well.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

use super::count_rows;
use super::tally::Tally;

/// Messages that are listed together: about as many milliseconds as a commit takes.
pub(super) const SLICE: u64 = 1_000;
/// Messages that may be in no list while there is something else to write.
pub(super) const MOST: u64 = 10_000;

/// Lists the oldest that are in no list, [`SLICE`] at most; answers how many are in none then.
pub(super) async fn list(tx: &DatabaseTransaction) -> Result<u64, DbErr> {
    // Another node may be at it.
    let skip = if tx.get_database_backend() == DbBackend::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "UPDATE message SET is_listed = TRUE WHERE id IN
             (SELECT id FROM message WHERE is_listed = FALSE ORDER BY id LIMIT {SLICE} {skip})
         RETURNING company_id, account_id"
    );
    let mut tally = Tally::default();
    for row in tx.query_all_raw(Statement::from_string(tx.get_database_backend(), sql)).await? {
        let (company, account) = row.try_get_many_by_index()?;
        tally.listed(company, account);
    }
    tally.add(tx).await?;
    count_rows(tx, "SELECT COUNT(*) FROM message WHERE is_listed = FALSE").await
}
