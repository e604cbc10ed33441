//! Lists of the chats of a whole company.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261127_000003_chats_of_all"
    }
}

const UP: &[&str] = &[
    "CREATE INDEX chat_company ON chat (company_id, active_at_ms, id)",
    // Counts, and lists of what is unread. Few of many.
    "DROP INDEX chat_unread",
    "CREATE INDEX chat_unread ON chat (company_id, active_at_ms, id) WHERE unread_count > 0",
    // What was put away, which is counted, too.
    "CREATE INDEX chat_archived ON chat (company_id, active_at_ms, id) WHERE is_archived = TRUE",
];

/// Among a message's words its account is one that no search begins with.
const MARK: &str = "UPDATE message_text SET words = array_to_tsvector(ARRAY['~' || chat.account_id])
                        || ts_delete(message_text.words, chat.account_id::text)
                    FROM chat WHERE chat.id = message_text.chat";

const DOWN: &[&str] = &[
    "DROP INDEX chat_archived",
    "DROP INDEX chat_unread",
    "CREATE INDEX chat_unread ON chat (company_id) WHERE unread_count > 0",
    "DROP INDEX chat_company",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in UP {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared(MARK).await?;
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
