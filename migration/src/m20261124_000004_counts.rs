//! What was counted of each send is a row of its own, so that a message sent again never takes its
//! earlier count back; what a messenger asked an account to wait is in the account's row; what is
//! queued can be counted from an index alone, and what was left of an attempt is found without
//! looking through the queue.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261124_000004_counts"
    }
}

/// Never changed, only added to and, days later, forgotten.
const PACED: &str = "
CREATE TABLE paced (
    account_id VARCHAR(30) NOT NULL,
    at_ms      BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    next_at_ms BIGINT NOT NULL,
    since_rest INTEGER NOT NULL,
    took_ms    BIGINT NOT NULL,
    PRIMARY KEY (account_id, at_ms, attempt)
)";
/// Written to find out whether a database that failed can be written again.
const PROBE: &str = "CREATE TABLE probe (filler TEXT NOT NULL)";
const CARRY_OVER: &str = "
INSERT INTO paced (account_id, at_ms, attempt, next_at_ms, since_rest, took_ms)
SELECT account_id, paced_at_ms, seq, COALESCE(next_at_ms, paced_at_ms), COALESCE(since_rest, 0),
       paced_at_ms - COALESCE(attempted_at_ms, paced_at_ms)
FROM message WHERE paced_at_ms IS NOT NULL";
const CHANGES: &[&str] = &[
    "DROP INDEX message_paced",
    "ALTER TABLE message DROP COLUMN paced_at_ms",
    "ALTER TABLE message DROP COLUMN next_at_ms",
    "ALTER TABLE message DROP COLUMN since_rest",
    "ALTER TABLE message ADD COLUMN attempt BIGINT",
    "ALTER TABLE account ADD COLUMN restricted_until_ms BIGINT",
    "DROP INDEX message_to_send",
    "CREATE INDEX message_queued ON message (account_id, priority, seq) WHERE status = 'queued'",
    "CREATE INDEX message_sending ON message (account_id) WHERE status = 'sending'",
];
/// Texts can be taken out again, which such a table has to be made for. What was indexed before is
/// not found any more. SQLite forgets to drop one of the tables behind the old one.
const TEXTS_SQLITE: &[&str] = &[
    "DROP TABLE message_text",
    "DROP TABLE IF EXISTS message_text_content",
    "CREATE VIRTUAL TABLE message_text USING fts5 (account, text, chat UNINDEXED,
        content='', contentless_unindexed=1, contentless_delete=1, tokenize='unicode61 remove_diacritics 0')",
];
/// A refused move is the data's fault, in the database's own words, too.
const REFUSAL_POSTGRES: &str = "
CREATE OR REPLACE FUNCTION message_refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'illegal move of a message from % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
END $$";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        let without_rowid = if is_postgres { "" } else { " WITHOUT ROWID" };
        db.execute_unprepared(&format!("{PACED}{without_rowid}")).await?;
        db.execute_unprepared(CARRY_OVER).await?;
        db.execute_unprepared(PROBE).await?;
        let rest = if is_postgres { &[REFUSAL_POSTGRES] } else { TEXTS_SQLITE };
        for statement in CHANGES.iter().chain(rest) {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in [
            "DROP INDEX message_sending",
            "DROP INDEX message_queued",
            "CREATE INDEX message_to_send ON message (account_id, priority, seq) WHERE status IN ('queued', 'sending')",
            "ALTER TABLE account DROP COLUMN restricted_until_ms",
            "ALTER TABLE message DROP COLUMN attempt",
            "DROP TABLE probe",
            "ALTER TABLE message ADD COLUMN paced_at_ms BIGINT",
            "ALTER TABLE message ADD COLUMN next_at_ms BIGINT",
            "ALTER TABLE message ADD COLUMN since_rest INTEGER",
            "CREATE INDEX message_paced ON message (account_id, paced_at_ms) WHERE paced_at_ms IS NOT NULL",
            "DROP TABLE paced",
        ] {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
