//! Messages, their chats, and what is counted of them.

use sea_orm_migration::sea_orm::DbBackend;

/// A message, whose id is a number that grows: what comes in is added at the end of the table, and of
/// no index in whose middle it would change a page of its own. It is in no list until it `is_listed`,
/// which many are together and later.
pub(super) const MESSAGE: &str = "
CREATE TABLE message (
    id                  {number} NOT NULL PRIMARY KEY,
    company_id          VARCHAR(30) NOT NULL,
    account_id          VARCHAR(30) NOT NULL,
    recipient           TEXT NOT NULL,
    text                TEXT NOT NULL,
    status              VARCHAR(10) NOT NULL DEFAULT 'queued' CHECK (status = 'queued' OR status IN
        ('sending', 'sent', 'delivered', 'read', 'failed', 'uncertain', 'cancelled', 'expired')),
    is_listed           BOOLEAN NOT NULL DEFAULT FALSE,
    origin              VARCHAR(10) NOT NULL DEFAULT 'accepted',
    kind                VARCHAR(10) NOT NULL DEFAULT 'text',
    priority            SMALLINT NOT NULL CHECK (priority BETWEEN 0 AND 9),
    seq                 BIGINT NOT NULL,
    created_at_ms       BIGINT NOT NULL,
    due_at_ms           BIGINT,
    expires_at_ms       BIGINT,
    reference           TEXT,
    idempotency_key     TEXT,
    request_hash        BIGINT,
    attempts            INTEGER NOT NULL DEFAULT 0,
    attempt             BIGINT,
    attempted_at_ms     BIGINT,
    sent_at_ms          BIGINT,
    delivered_at_ms     BIGINT,
    read_at_ms          BIGINT,
    error_code          VARCHAR(50),
    error_message       TEXT,
    provider_message_id TEXT,
    chat_id             VARCHAR(30),
    chat_address        TEXT,
    filed_seq           BIGINT,
    is_filed            BOOLEAN,
    user_id             VARCHAR(30),
    sender              VARCHAR(100),
    sender_name         TEXT,
    CHECK (status <> 'sent' OR sent_at_ms IS NOT NULL),
    CHECK (status <> 'sending' OR attempted_at_ms IS NOT NULL)
)";

pub(super) const OF_MESSAGE: &[&str] = &[
    // What is in no list yet: short, and added to at its end.
    "CREATE INDEX message_unlisted ON message (is_listed, id, account_id) WHERE is_listed = FALSE",
    // What left and is not in its chat and the counts yet: as short.
    "CREATE INDEX message_unfiled ON message (is_filed, filed_seq) WHERE is_filed = FALSE",
    // What is still to be sent, in the order in which an account's queue sends it, and what was left
    // of an attempt. Small whatever the history.
    "CREATE INDEX message_queued ON message (account_id, priority, seq) WHERE is_listed = TRUE AND status = 'queued'",
    "CREATE INDEX message_sending ON message (account_id) WHERE status = 'sending'",
    // Lists of what was accepted, newest first.
    "CREATE INDEX message_account ON message (account_id, id) WHERE is_listed = TRUE AND origin = 'accepted'",
    "CREATE INDEX message_company ON message (company_id, id) WHERE is_listed = TRUE AND origin = 'accepted'",
    // The few among them that did not arrive.
    "CREATE INDEX message_ended ON message (company_id, status, id)
     WHERE status = 'failed' OR status = 'uncertain' OR status = 'cancelled'",
    "CREATE INDEX message_reference ON message (company_id, reference, id) WHERE reference IS NOT NULL",
    // One message a key and company.
    "CREATE UNIQUE INDEX message_idempotency ON message (company_id, idempotency_key)
     WHERE idempotency_key IS NOT NULL",
    // A chat's messages, newest first. A message that waits to be sent by an app is in no chat yet.
    "CREATE INDEX message_chat ON message (chat_id, filed_seq) WHERE chat_id IS NOT NULL",
    // Received and not read.
    "CREATE INDEX message_unread ON message (chat_id) WHERE origin = 'received' AND status = 'delivered'",
    // What a messenger reports is one row, however often it is reported.
    "CREATE UNIQUE INDEX message_reported ON message (account_id, recipient, provider_message_id)
     WHERE origin <> 'accepted'",
];

/// The moves that `Status::may_become` allows, as SQL. Frozen with this step.
const LEGAL_MOVES: &str = "
       (OLD.status = 'queued'    AND NEW.status IN ('sending', 'cancelled', 'expired'))
    OR (OLD.status = 'sending'   AND NEW.status IN ('queued', 'sent', 'delivered', 'read', 'failed', 'uncertain'))
    OR (OLD.status = 'sent'      AND NEW.status IN ('delivered', 'read'))
    OR (OLD.status = 'delivered' AND NEW.status = 'read')
    OR (OLD.status = 'uncertain' AND NEW.status IN ('queued', 'delivered', 'read'))
    OR (OLD.status = 'failed'    AND NEW.status = 'queued')";

/// A refused move is the data's fault, in the database's own words, too.
pub(super) fn moves(backend: DbBackend) -> Vec<String> {
    let when = format!("OLD.status <> NEW.status AND NOT ({LEGAL_MOVES})");
    if backend == DbBackend::Postgres {
        vec![
            "CREATE FUNCTION message_refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE EXCEPTION 'illegal move of a message from % to %', OLD.status, NEW.status
                 USING ERRCODE = 'check_violation';
             END $$"
                .to_owned(),
            format!(
                "CREATE TRIGGER message_moves BEFORE UPDATE OF status ON message FOR EACH ROW
                 WHEN ({when}) EXECUTE FUNCTION message_refuse_move()"
            ),
        ]
    } else {
        vec![format!(
            "CREATE TRIGGER message_moves BEFORE UPDATE OF status ON message FOR EACH ROW
             WHEN {when} BEGIN SELECT RAISE(ABORT, 'illegal move of a message'); END"
        )]
    }
}

pub(super) const CHAT: &[&str] = &[
    "CREATE TABLE chat (
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
    )",
    // Lists, the latest first.
    "CREATE INDEX chat_active ON chat (account_id, active_at_ms, id)",
    // Searches.
    "CREATE INDEX chat_search ON chat (account_id, search_text, id)",
    "CREATE INDEX chat_account_kind ON chat (account_id, kind)",
    // Counts.
    "CREATE INDEX chat_unread ON chat (company_id) WHERE unread_count > 0",
];

/// How many messages an account sent and received, by day: days since 1970 where the server's day
/// starts.
pub(super) const TRAFFIC: &[&str] = &[
    "CREATE TABLE traffic (
        account_id VARCHAR(30) NOT NULL,
        day        INTEGER NOT NULL,
        company_id VARCHAR(30) NOT NULL,
        sent       BIGINT NOT NULL,
        received   BIGINT NOT NULL,
        PRIMARY KEY (account_id, day)
    )",
    "CREATE INDEX traffic_company ON traffic (company_id, day)",
];

/// How many messages of an account are in its lists and its chats, how far those got that left, and how
/// many chats it has. Of a removed account the messages stay.
pub(super) const TALLY: &[&str] = &[
    "CREATE TABLE tally (
        account_id         VARCHAR(30) NOT NULL PRIMARY KEY,
        company_id         VARCHAR(30) NOT NULL,
        listed_messages    BIGINT NOT NULL,
        filed_messages     BIGINT NOT NULL,
        sent_messages      BIGINT NOT NULL,
        delivered_messages BIGINT NOT NULL,
        read_messages      BIGINT NOT NULL,
        individual_chats   BIGINT NOT NULL,
        group_chats        BIGINT NOT NULL,
        status_chats       BIGINT NOT NULL
    )",
    "CREATE INDEX tally_company ON tally (company_id)",
];

/// What was counted of each send: never changed, only added to and, days later, forgotten. A row of
/// its own, so that a message sent again never takes its earlier count back.
pub(super) const PACED: &str = "
CREATE TABLE paced (
    account_id VARCHAR(30) NOT NULL,
    at_ms      BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    next_at_ms BIGINT NOT NULL,
    since_rest INTEGER NOT NULL,
    took_ms    BIGINT NOT NULL,
    PRIMARY KEY (account_id, at_ms, attempt)
) {clustered}";

/// Written to find out whether a database that failed can be written again.
pub(super) const PROBE: &str = "CREATE TABLE probe (filler TEXT NOT NULL)";

/// The words of the messages that are in chats, to search by. Its rows never change, so that a
/// message's receipts don't index its words again. The account's id is a word of each, so that a
/// search reads that account's alone.
pub(super) const TEXTS_SQLITE: &[&str] = &["
CREATE VIRTUAL TABLE message_text USING fts5 (account, text, chat UNINDEXED,
    content='', contentless_unindexed=1, contentless_delete=1, tokenize='unicode61 remove_diacritics 0')"];
pub(super) const TEXTS_POSTGRES: &[&str] = &[
    "CREATE TABLE message_text (
        id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        chat  VARCHAR(30) NOT NULL,
        words TSVECTOR NOT NULL)",
    "CREATE INDEX message_text_words ON message_text USING gin (words)",
];
