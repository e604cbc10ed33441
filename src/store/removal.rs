//! What an account that was removed leaves behind, cleared up in slices: nobody waits long for a
//! million rows of somebody else's. Its messages stay, for who asks what became of them.

use entity::ids::AccountId;
use sea_orm::{ConnectionTrait, DbBackend};

use super::{Store, StoreError};

/// Rows of one transaction.
const SLICE: i64 = 1_000;

/// Tables led by the account, with the rows of it that should be gone.
const LEFT: &[(&str, &str)] = &[
    ("message", "is_listed = TRUE AND status = 'queued'"),
    ("message", "status = 'sending'"),
    ("chat", "true"),
    ("paced", "true"),
    ("account_grant", "true"),
    ("inbox_position", "true"),
    ("gateway_state", "true"),
];

impl Store {
    /// The removed accounts that left something behind: a crash came in between.
    pub async fn orphans(&self) -> Result<Vec<AccountId>, StoreError> {
        let mut orphans = Vec::new();
        for (table, rows) in LEFT {
            // From account to account along an index, not from row to row.
            let sql = format!(
                "WITH RECURSIVE owner (id) AS (
                     SELECT MIN(account_id) FROM {table} WHERE {rows}
                     UNION ALL
                     SELECT (SELECT MIN(account_id) FROM {table} WHERE {rows} AND account_id > owner.id)
                     FROM owner WHERE owner.id IS NOT NULL)
                 SELECT id FROM owner WHERE id IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM account WHERE account.id = owner.id)"
            );
            for row in self.reader.query_all_raw(self.sql(sql, [])).await? {
                orphans.push(row.try_get_by_index(0)?);
            }
        }
        let sql = "SELECT DISTINCT account_id FROM message WHERE is_listed = FALSE AND status = 'queued'
                   AND NOT EXISTS (SELECT 1 FROM account WHERE account.id = message.account_id)";
        for row in self.reader.query_all_raw(self.sql(sql, [])).await? {
            orphans.push(row.try_get_by_index(0)?);
        }
        orphans.sort_unstable();
        orphans.dedup();
        Ok(orphans)
    }

    /// Ends what a removed account has not sent, and removes its chats, their words, its grants,
    /// its counts. Of what it had in flight nobody knows what became.
    pub async fn clear_up(&self, account: AccountId) -> Result<(), StoreError> {
        while !self.cancel_some(account, i64::MAX, SLICE).await?.is_empty() {}
        // Files that came in go with the next sweep, as if they were old.
        let files = "UPDATE media SET created_at_ms = 0 WHERE account_id = $1 AND gone_at_ms IS NULL";
        self.write_all(vec![self.sql(files, [account.into()])]).await?;
        let sql = "UPDATE message SET status = 'uncertain', error_code = 'interrupted',
                          error_message = 'the account was removed while the message was being sent'
                   WHERE account_id = $1 AND status = 'sending'";
        self.write_all(vec![self.sql(sql, [account.into()])]).await?;
        // The words first: that the chats are there tells that this was not finished.
        let (sql, words) = match self.backend {
            DbBackend::Postgres => (
                "DELETE FROM message_text WHERE id IN
                     (SELECT id FROM message_text WHERE words @@ CAST($1 AS tsquery) LIMIT $2)",
                format!("'~{account}'"),
            ),
            _ => (
                "DELETE FROM message_text WHERE rowid IN
                     (SELECT rowid FROM message_text WHERE message_text MATCH $1 LIMIT $2)",
                format!("account : \"{account}\""),
            ),
        };
        self.slice_by_slice(sql, words.into()).await?;
        let none = "UPDATE tally SET filed_messages = 0, individual_chats = 0, group_chats = 0, status_chats = 0
                    WHERE account_id = $1";
        self.write(self.sql(none, [account.into()])).await?;
        for (table, _) in LEFT.iter().filter(|(table, _)| *table != "message") {
            let rows = if *table == "chat" {
                "id IN (SELECT id FROM chat WHERE account_id = $1 LIMIT $2)"
            } else {
                "account_id = $1 AND $2 > 0"
            };
            self.slice_by_slice(&format!("DELETE FROM {table} WHERE {rows}"), account.into()).await?;
        }
        Ok(())
    }

    async fn slice_by_slice(&self, sql: &str, of: sea_orm::Value) -> Result<(), StoreError> {
        let statement = self.sql(sql, [of, SLICE.into()]);
        loop {
            let statement = statement.clone();
            let run = self.change(move |tx| {
                let statement = statement.clone();
                Box::pin(async move { Ok(tx.execute_raw(statement).await?.rows_affected()) })
            });
            if run.await? == 0 {
                return Ok(());
            }
        }
    }
}
