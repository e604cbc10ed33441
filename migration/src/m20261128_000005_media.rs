//! Files that go with messages, and texts that are sent often.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261128_000005_media"
    }
}

const UP: &[&str] = &[
    "CREATE TABLE media (
        id            VARCHAR(30) NOT NULL PRIMARY KEY,
        company_id    VARCHAR(30) NOT NULL REFERENCES company (id),
        account_id    VARCHAR(30),
        maker         VARCHAR(30),
        kind          VARCHAR(10) NOT NULL,
        mime_type     VARCHAR(100) NOT NULL,
        size          BIGINT NOT NULL,
        sha256        VARCHAR(64),
        file_name     TEXT,
        width         INTEGER,
        height        INTEGER,
        seconds       INTEGER,
        thumbnail     {bytes},
        created_at_ms BIGINT NOT NULL,
        stored_at_ms  BIGINT,
        gone_at_ms    BIGINT
    )",
    // What a company's files take, and which of all are the oldest. What came and was never fetched
    // takes nothing.
    "CREATE INDEX media_kept ON media (company_id, size) WHERE gone_at_ms IS NULL
     AND (account_id IS NULL OR stored_at_ms IS NOT NULL)",
    "CREATE INDEX media_account ON media (account_id) WHERE account_id IS NOT NULL",
    "CREATE INDEX media_age ON media (created_at_ms) WHERE gone_at_ms IS NULL",
    "ALTER TABLE message ADD COLUMN media_id VARCHAR(30)",
    // What the message tells of its file.
    "ALTER TABLE message ADD COLUMN media TEXT",
    "CREATE INDEX message_media ON message (media_id, account_id) WHERE media_id IS NOT NULL",
    "CREATE TABLE template (
        id            VARCHAR(30) NOT NULL PRIMARY KEY,
        company_id    VARCHAR(30) NOT NULL REFERENCES company (id),
        name          TEXT NOT NULL,
        text          TEXT NOT NULL,
        created_at_ms BIGINT NOT NULL,
        updated_at_ms BIGINT NOT NULL
    )",
    "CREATE UNIQUE INDEX template_name ON template (company_id, name)",
];

const DOWN: &[&str] = &[
    "DROP TABLE template",
    "DROP INDEX message_media",
    "ALTER TABLE message DROP COLUMN media",
    "ALTER TABLE message DROP COLUMN media_id",
    "DROP TABLE media",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let bytes = if db.get_database_backend() == DbBackend::Postgres { "BYTEA" } else { "BLOB" };
        for sql in UP {
            db.execute_unprepared(&sql.replace("{bytes}", bytes)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in DOWN {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
