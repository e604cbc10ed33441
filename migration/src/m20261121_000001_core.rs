//! Companies, accounts and messages.
//!
//! Written as SQL because what matters here (partial indexes, a trigger with a condition, checks)
//! is the same text on SQLite and PostgreSQL but for a few words, and reads best as itself.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000001_core"
    }
}

const COMPANY: &str = "
CREATE TABLE company (
    id            VARCHAR(30) NOT NULL PRIMARY KEY,
    name          VARCHAR(200) NOT NULL,
    created_at_ms BIGINT NOT NULL
)";

const DEFAULT_COMPANY: &str = "
INSERT INTO company (id, name, created_at_ms) VALUES ('cmp_00000000000000000000000000', 'default', 0)";

const ACCOUNT: &str = "
CREATE TABLE account (
    id                    VARCHAR(30) NOT NULL PRIMARY KEY,
    company_id            VARCHAR(30) NOT NULL REFERENCES company (id),
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
    is_paused             BOOLEAN NOT NULL,
    pause_reason          TEXT,
    epoch                 BIGINT NOT NULL,
    error_code            VARCHAR(50),
    error_message         TEXT,
    error_at_ms           BIGINT,
    first_connected_at_ms BIGINT,
    connected_at_ms       BIGINT,
    created_at_ms         BIGINT NOT NULL,
    updated_at_ms         BIGINT NOT NULL
)";

const ACCOUNT_OF_COMPANY: &str = "CREATE INDEX account_company ON account (company_id, id)";

const MESSAGE: &str = "
CREATE TABLE message (
    id                  VARCHAR(30) NOT NULL PRIMARY KEY,
    company_id          VARCHAR(30) NOT NULL REFERENCES company (id),
    account_id          VARCHAR(30) NOT NULL,
    recipient           TEXT NOT NULL,
    text                TEXT NOT NULL,
    status              VARCHAR(10) NOT NULL CHECK (status IN
        ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'uncertain', 'cancelled', 'expired')),
    priority            SMALLINT NOT NULL CHECK (priority BETWEEN 0 AND 9),
    seq                 BIGINT NOT NULL,
    due_at_ms           BIGINT,
    expires_at_ms       BIGINT,
    reference           TEXT,
    idempotency_key     TEXT,
    request_hash        BIGINT,
    attempts            INTEGER NOT NULL DEFAULT 0,
    error_code          VARCHAR(50),
    error_message       TEXT,
    provider_message_id TEXT,
    created_at_ms       BIGINT NOT NULL,
    attempted_at_ms     BIGINT,
    sent_at_ms          BIGINT,
    delivered_at_ms     BIGINT,
    read_at_ms          BIGINT,
    paced_at_ms         BIGINT,
    next_at_ms          BIGINT,
    since_rest          INTEGER,
    CHECK (status <> 'sent' OR sent_at_ms IS NOT NULL),
    CHECK (status <> 'sending' OR attempted_at_ms IS NOT NULL)
)";

/// What is still to be sent, in the order in which an account's queue sends it. Small whatever the history.
const TO_SEND: &str = "
CREATE INDEX message_to_send ON message (account_id, priority, seq) WHERE status IN ('queued', 'sending')";

/// Lists, newest first.
const OF_ACCOUNT: &str = "CREATE INDEX message_account ON message (account_id, seq)";
const OF_COMPANY: &str = "CREATE INDEX message_company ON message (company_id, seq)";
const BY_REFERENCE: &str = "
CREATE INDEX message_reference ON message (company_id, reference, seq) WHERE reference IS NOT NULL";

/// One message a key and company.
const BY_KEY: &str = "
CREATE UNIQUE INDEX message_idempotency ON message (company_id, idempotency_key) WHERE idempotency_key IS NOT NULL";

/// What pacing counted, from which an account's pace is rebuilt.
const PACED: &str = "
CREATE INDEX message_paced ON message (account_id, paced_at_ms) WHERE paced_at_ms IS NOT NULL";

/// The moves that `Status::may_become` allows, as SQL. Frozen with this step.
const LEGAL_MOVES: &str = "
       (OLD.status = 'queued'    AND NEW.status IN ('sending', 'cancelled', 'expired'))
    OR (OLD.status = 'sending'   AND NEW.status IN ('queued', 'sent', 'delivered', 'read', 'failed', 'uncertain'))
    OR (OLD.status = 'sent'      AND NEW.status IN ('delivered', 'read'))
    OR (OLD.status = 'delivered' AND NEW.status = 'read')
    OR (OLD.status = 'uncertain' AND NEW.status IN ('queued', 'delivered', 'read'))
    OR (OLD.status = 'failed'    AND NEW.status = 'queued')";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in [
            COMPANY,
            DEFAULT_COMPANY,
            ACCOUNT,
            ACCOUNT_OF_COMPANY,
            MESSAGE,
            TO_SEND,
            OF_ACCOUNT,
            OF_COMPANY,
            BY_REFERENCE,
            BY_KEY,
            PACED,
        ] {
            db.execute_unprepared(statement).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            db.execute_unprepared(
                "CREATE FUNCTION message_refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN RAISE EXCEPTION 'illegal move of a message from % to %', OLD.status, NEW.status; END $$",
            )
            .await?;
            db.execute_unprepared(&format!(
                "CREATE TRIGGER message_moves BEFORE UPDATE OF status ON message FOR EACH ROW
                 WHEN (OLD.status <> NEW.status AND NOT ({LEGAL_MOVES}))
                 EXECUTE FUNCTION message_refuse_move()"
            ))
            .await?;
        } else {
            db.execute_unprepared(&format!(
                "CREATE TRIGGER message_moves BEFORE UPDATE OF status ON message FOR EACH ROW
                 WHEN OLD.status <> NEW.status AND NOT ({LEGAL_MOVES})
                 BEGIN SELECT RAISE(ABORT, 'illegal move of a message'); END"
            ))
            .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for table in ["message", "account", "company"] {
            db.execute_unprepared(&format!("DROP TABLE {table}")).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            db.execute_unprepared("DROP FUNCTION message_refuse_move()").await?;
        }
        Ok(())
    }
}
