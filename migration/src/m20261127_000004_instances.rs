//! Accounts as instances, with ports and keys of their own; and who did what to which account.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261127_000004_instances"
    }
}

const UP: &[&str] = &[
    "ALTER TABLE account ADD COLUMN user_id TEXT",
    "ALTER TABLE account ADD COLUMN type_instance TEXT",
    "ALTER TABLE account ADD COLUMN port INTEGER",
    "CREATE UNIQUE INDEX account_port ON account (port) WHERE port IS NOT NULL",
    // One whose account is gone is worth nothing, so it goes with it.
    "ALTER TABLE api_key ADD COLUMN account_id VARCHAR(30)",
    "CREATE INDEX api_key_account ON api_key (account_id) WHERE account_id IS NOT NULL",
    // Outlives the account, the person and the key that it names.
    "CREATE TABLE action (
        id         VARCHAR(30) NOT NULL PRIMARY KEY,
        company_id VARCHAR(30) NOT NULL REFERENCES company (id),
        account_id VARCHAR(30) NOT NULL,
        deed       VARCHAR(20) NOT NULL,
        actor      VARCHAR(10) NOT NULL,
        actor_id   VARCHAR(30),
        actor_name TEXT,
        address    VARCHAR(45),
        details    TEXT,
        at_ms      BIGINT NOT NULL
    )",
    "CREATE INDEX action_account ON action (account_id, id)",
    "CREATE INDEX action_at ON action (at_ms)",
];

const DOWN: &[&str] = &[
    "DROP TABLE action",
    "DROP INDEX api_key_account",
    "ALTER TABLE api_key DROP COLUMN account_id",
    "DROP INDEX account_port",
    "ALTER TABLE account DROP COLUMN port",
    "ALTER TABLE account DROP COLUMN type_instance",
    "ALTER TABLE account DROP COLUMN user_id",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in UP {
            manager.get_connection().execute_unprepared(sql).await?;
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
