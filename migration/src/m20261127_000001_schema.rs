//! The schema.
//!
//! Written as SQL because what matters here (partial indexes, a trigger with a condition, checks)
//! is the same text on SQLite and PostgreSQL but for a few words, and reads best as itself.

mod message;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use self::message::{CHAT, MESSAGE, OF_MESSAGE, PACED, PROBE, TALLY, TEXTS_POSTGRES, TEXTS_SQLITE, TRAFFIC, moves};

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261127_000001_schema"
    }
}

const COMPANY: &[&str] = &[
    "CREATE TABLE company (
        id            VARCHAR(30) NOT NULL PRIMARY KEY,
        name          VARCHAR(200) NOT NULL,
        created_at_ms BIGINT NOT NULL
    )",
    "INSERT INTO company (id, name, created_at_ms) VALUES ('cmp_00000000000000000000000000', 'default', 0)",
];

/// `user` is a word of SQL's own, so it is always quoted. An address belongs to one user of a
/// company, not to one of the whole installation: who makes users learns nothing of other companies'.
const PEOPLE: &[&str] = &[
    r#"CREATE TABLE "user" (
        id            VARCHAR(30) NOT NULL PRIMARY KEY,
        company_id    VARCHAR(30) NOT NULL REFERENCES company (id),
        email         VARCHAR(254) NOT NULL,
        password_hash TEXT NOT NULL,
        first_name    TEXT,
        last_name     TEXT,
        role          VARCHAR(10) NOT NULL CHECK (role IN ('admin', 'manager')),
        token_epoch   INTEGER NOT NULL,
        kept_login    VARCHAR(30),
        created_at_ms BIGINT NOT NULL,
        updated_at_ms BIGINT NOT NULL
    )"#,
    r#"CREATE INDEX user_company ON "user" (company_id, role, id)"#,
    r#"CREATE UNIQUE INDEX user_email ON "user" (email, company_id)"#,
    "CREATE TABLE api_key (
        id              VARCHAR(30) NOT NULL PRIMARY KEY,
        company_id      VARCHAR(30) NOT NULL REFERENCES company (id),
        name            TEXT NOT NULL,
        scope           VARCHAR(10) NOT NULL CHECK (scope IN ('all', 'send', 'read')),
        digest          VARCHAR(64) NOT NULL UNIQUE,
        last_used_at_ms BIGINT,
        created_at_ms   BIGINT NOT NULL
    )",
    "CREATE INDEX api_key_company ON api_key (company_id, id)",
    "CREATE TABLE account_grant (
        id               VARCHAR(30) NOT NULL PRIMARY KEY,
        company_id       VARCHAR(30) NOT NULL REFERENCES company (id),
        account_id       VARCHAR(30) NOT NULL,
        user_id          VARCHAR(30) NOT NULL,
        can_read         BOOLEAN NOT NULL,
        can_write        BOOLEAN NOT NULL,
        can_manage_chats BOOLEAN NOT NULL,
        granted_by       VARCHAR(30),
        granted_at_ms    BIGINT NOT NULL,
        UNIQUE (account_id, user_id)
    )",
    "CREATE INDEX account_grant_user ON account_grant (user_id)",
    "CREATE INDEX account_grant_company ON account_grant (company_id, user_id)",
];

/// What tokens are signed with (the newest signs; the older ones are believed until the last token
/// they signed has expired), logins that ended before their token did, and one row if the secrets
/// are encrypted, with whether what was there before is still to be cleared out of the files.
const SECRETS: &[&str] = &[
    "CREATE TABLE signing_key (
        id            BIGINT NOT NULL PRIMARY KEY,
        secret        TEXT NOT NULL,
        created_at_ms BIGINT NOT NULL
    )",
    "CREATE TABLE ended_login (
        id            VARCHAR(30) NOT NULL PRIMARY KEY,
        expires_at_ms BIGINT NOT NULL
    )",
    "CREATE TABLE seal (
        id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
        proof    TEXT NOT NULL,
        is_clear BOOLEAN NOT NULL
    )",
];

const ACCOUNT: &[&str] = &[
    "CREATE TABLE account (
        id                    VARCHAR(30) NOT NULL PRIMARY KEY,
        company_id            VARCHAR(30) NOT NULL REFERENCES company (id),
        created_by            VARCHAR(30),
        name                  TEXT NOT NULL,
        provider              VARCHAR(20) NOT NULL,
        use_limits            BOOLEAN NOT NULL,
        limits                TEXT,
        proxy                 TEXT,
        config                TEXT,
        pairing               TEXT,
        phone_number          VARCHAR(20),
        display_name          TEXT,
        should_connect        BOOLEAN NOT NULL,
        may_pair              BOOLEAN NOT NULL,
        is_paused             BOOLEAN NOT NULL,
        pause_reason          TEXT,
        epoch                 BIGINT NOT NULL,
        error_code            VARCHAR(50),
        error_message         TEXT,
        error_at_ms           BIGINT,
        first_connected_at_ms BIGINT,
        connected_at_ms       BIGINT,
        restricted_until_ms   BIGINT,
        created_at_ms         BIGINT NOT NULL,
        updated_at_ms         BIGINT NOT NULL
    )",
    "CREATE INDEX account_company ON account (company_id, id)",
    // Up to where a messenger that numbers its reports was read.
    "CREATE TABLE inbox_position (
        account_id VARCHAR(30) NOT NULL PRIMARY KEY,
        position   BIGINT NOT NULL
    )",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (db, backend) = (manager.get_connection(), manager.get_database_backend());
        // SQLite's own number of a row is an INTEGER, and nothing else is.
        let (number, clustered, texts) = match backend {
            DbBackend::Postgres => ("BIGINT", "", TEXTS_POSTGRES),
            _ => ("INTEGER", "WITHOUT ROWID", TEXTS_SQLITE),
        };
        for statements in
            [COMPANY, PEOPLE, SECRETS, ACCOUNT, &[MESSAGE], OF_MESSAGE, CHAT, TRAFFIC, TALLY, &[PACED, PROBE], texts]
        {
            for statement in statements {
                let statement = statement.replace("{number}", number).replace("{clustered}", clustered);
                db.execute_unprepared(&statement).await?;
            }
        }
        for statement in moves(backend) {
            db.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for table in [
            "message_text",
            "probe",
            "paced",
            "tally",
            "traffic",
            "chat",
            "message",
            "inbox_position",
            "account",
            "seal",
            "ended_login",
            "signing_key",
            "account_grant",
            "api_key",
            "\"user\"",
            "company",
        ] {
            db.execute_unprepared(&format!("DROP TABLE {table}")).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            db.execute_unprepared("DROP FUNCTION message_refuse_move()").await?;
        }
        Ok(())
    }
}
