//! Users, API keys, and what tokens are signed with.

use sea_orm_migration::prelude::*;

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000002_people"
    }
}

/// `user` is a word of SQL's own, so it is always quoted.
const USER: &str = r#"
CREATE TABLE "user" (
    id            VARCHAR(30) NOT NULL PRIMARY KEY,
    company_id    VARCHAR(30) NOT NULL REFERENCES company (id),
    email         VARCHAR(254) NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    first_name    TEXT,
    last_name     TEXT,
    role          VARCHAR(10) NOT NULL CHECK (role IN ('admin', 'manager')),
    token_epoch   INTEGER NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
)"#;

const USER_OF_COMPANY: &str = r#"CREATE INDEX user_company ON "user" (company_id, role, id)"#;

const API_KEY: &str = "
CREATE TABLE api_key (
    id              VARCHAR(30) NOT NULL PRIMARY KEY,
    company_id      VARCHAR(30) NOT NULL REFERENCES company (id),
    name            TEXT NOT NULL,
    scope           VARCHAR(10) NOT NULL CHECK (scope IN ('all', 'send', 'read')),
    digest          VARCHAR(64) NOT NULL UNIQUE,
    last_used_at_ms BIGINT,
    created_at_ms   BIGINT NOT NULL
)";

const API_KEY_OF_COMPANY: &str = "CREATE INDEX api_key_company ON api_key (company_id, id)";

/// The newest signs; the older ones are believed until the last token they signed has expired.
const SIGNING_KEY: &str = "
CREATE TABLE signing_key (
    id            BIGINT NOT NULL PRIMARY KEY,
    secret        VARCHAR(64) NOT NULL,
    created_at_ms BIGINT NOT NULL
)";

/// Logins that ended before their token did.
const ENDED_LOGIN: &str = "
CREATE TABLE ended_login (
    id            VARCHAR(30) NOT NULL PRIMARY KEY,
    expires_at_ms BIGINT NOT NULL
)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in [USER, USER_OF_COMPANY, API_KEY, API_KEY_OF_COMPANY, SIGNING_KEY, ENDED_LOGIN] {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for table in ["ended_login", "signing_key", "api_key", "\"user\""] {
            db.execute_unprepared(&format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }
}
