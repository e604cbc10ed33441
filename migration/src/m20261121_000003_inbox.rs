//! Chats, messages in both directions, grants, and counts by day.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000003_inbox"
    }
}

const GRANT: &str = "
CREATE TABLE account_grant (
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
)";
const GRANT_OF_USER: &str = "CREATE INDEX account_grant_user ON account_grant (user_id)";
const GRANT_OF_COMPANY: &str = "CREATE INDEX account_grant_company ON account_grant (company_id, user_id)";

const CHAT: &str = "
CREATE TABLE chat (
    id                 VARCHAR(30) NOT NULL PRIMARY KEY,
    company_id         VARCHAR(30) NOT NULL REFERENCES company (id),
    account_id         VARCHAR(30) NOT NULL,
    address            VARCHAR(100) NOT NULL,
    name               TEXT,
    search_text        TEXT NOT NULL,
    kind               VARCHAR(10) NOT NULL CHECK (kind IN ('individual', 'group', 'status')),
    active_at_ms       BIGINT NOT NULL,
    last_message_at_ms BIGINT,
    last_message_text  TEXT,
    unread_count       INTEGER NOT NULL CHECK (unread_count >= 0),
    message_count      BIGINT NOT NULL,
    is_archived        BOOLEAN NOT NULL,
    is_renamed         BOOLEAN NOT NULL,
    created_at_ms      BIGINT NOT NULL,
    UNIQUE (account_id, address)
)";
/// Lists, the latest first.
const CHAT_BY_ACTIVITY: &str = "CREATE INDEX chat_active ON chat (account_id, active_at_ms, id)";
/// Counts.
const CHAT_KINDS: &str = "CREATE INDEX chat_account_kind ON chat (account_id, kind)";
const CHAT_OF_COMPANY: &str = "CREATE INDEX chat_company_kind ON chat (company_id, kind)";
const CHAT_UNREAD: &str = "CREATE INDEX chat_unread ON chat (company_id) WHERE unread_count > 0";

const COLUMNS: &[&str] = &[
    "ALTER TABLE account ADD COLUMN created_by VARCHAR(30)",
    "ALTER TABLE message ADD COLUMN origin VARCHAR(10) NOT NULL DEFAULT 'accepted'",
    "ALTER TABLE message ADD COLUMN kind VARCHAR(10) NOT NULL DEFAULT 'text'",
    "ALTER TABLE message ADD COLUMN chat_id VARCHAR(30)",
    "ALTER TABLE message ADD COLUMN filed_seq BIGINT",
    "ALTER TABLE message ADD COLUMN sender VARCHAR(100)",
    "ALTER TABLE message ADD COLUMN sender_name TEXT",
    "ALTER TABLE message ADD COLUMN user_id VARCHAR(30)",
];

/// The lists of what was accepted leave out what was not.
const LISTS: &[&str] = &[
    "DROP INDEX message_account",
    "DROP INDEX message_company",
    "CREATE INDEX message_account ON message (account_id, seq) WHERE origin = 'accepted'",
    "CREATE INDEX message_company ON message (company_id, seq) WHERE origin = 'accepted'",
];

/// A chat's messages, newest first. A message that waits to be sent by an app is in no chat yet.
const OF_CHAT: &str = "CREATE INDEX message_chat ON message (chat_id, filed_seq) WHERE chat_id IS NOT NULL";
/// Received and not read.
const UNREAD: &str = "
CREATE INDEX message_unread ON message (chat_id) WHERE origin = 'received' AND status = 'delivered'";
/// What a messenger reports is one row, however often it is reported.
const REPORTED: &str = "
CREATE UNIQUE INDEX message_reported ON message (account_id, recipient, provider_message_id)
WHERE origin <> 'accepted'";

/// How many messages an account sent and received, by day: days since 1970 where the server's day
/// starts. Written in the transaction that changes the messages.
const TRAFFIC: &str = "
CREATE TABLE traffic (
    account_id VARCHAR(30) NOT NULL,
    day        INTEGER NOT NULL,
    company_id VARCHAR(30) NOT NULL,
    sent       BIGINT NOT NULL,
    received   BIGINT NOT NULL,
    PRIMARY KEY (account_id, day)
)";
const TRAFFIC_OF_COMPANY: &str = "CREATE INDEX traffic_company ON traffic (company_id, day)";

/// Up to where a messenger that numbers its reports was read.
const READ_UP_TO: &str = "
CREATE TABLE inbox_position (
    account_id VARCHAR(30) NOT NULL PRIMARY KEY,
    position   BIGINT NOT NULL
)";

/// The words of the messages that are in chats, to search by. Its rows never change, so that a
/// message's receipts don't index its words again. The account's id is a word of each, so that a
/// search reads that account's alone.
const TEXTS_SQLITE: &str = "
CREATE VIRTUAL TABLE message_text USING fts5 (account, text, chat UNINDEXED,
    content='', contentless_unindexed=1, tokenize='unicode61 remove_diacritics 0')";
const TEXTS_POSTGRES: &[&str] = &[
    "CREATE TABLE message_text (
        id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        chat  VARCHAR(30) NOT NULL,
        words TSVECTOR NOT NULL)",
    "CREATE INDEX message_text_words ON message_text USING gin (words)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let tables = [
            GRANT,
            GRANT_OF_USER,
            GRANT_OF_COMPANY,
            CHAT,
            CHAT_BY_ACTIVITY,
            CHAT_KINDS,
            CHAT_OF_COMPANY,
            CHAT_UNREAD,
            TRAFFIC,
            TRAFFIC_OF_COMPANY,
            READ_UP_TO,
        ];
        for statement in tables.into_iter().chain(COLUMNS.iter().copied()).chain(LISTS.iter().copied()) {
            db.execute_unprepared(statement).await?;
        }
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        let texts = if is_postgres { TEXTS_POSTGRES } else { &[TEXTS_SQLITE] };
        for statement in [OF_CHAT, UNREAD, REPORTED].iter().chain(texts) {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for index in ["message_chat", "message_unread", "message_reported", "message_account", "message_company"] {
            db.execute_unprepared(&format!("DROP INDEX {index}")).await?;
        }
        for column in ["origin", "kind", "chat_id", "filed_seq", "sender", "sender_name", "user_id"] {
            db.execute_unprepared(&format!("ALTER TABLE message DROP COLUMN {column}")).await?;
        }
        db.execute_unprepared("ALTER TABLE account DROP COLUMN created_by").await?;
        for table in ["message_text", "inbox_position", "traffic", "chat", "account_grant"] {
            db.execute_unprepared(&format!("DROP TABLE {table}")).await?;
        }
        db.execute_unprepared("CREATE INDEX message_account ON message (account_id, seq)").await?;
        db.execute_unprepared("CREATE INDEX message_company ON message (company_id, seq)").await.map(drop)
    }
}
