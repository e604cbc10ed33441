//! Secrets may be encrypted: what tells that they are and proves the key, and room for them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261125_000005_seal"
    }
}

/// One row if the secrets are encrypted, none if they are not; and whether what was there before is
/// still to be cleared out of the files.
const SEAL: &str = "
CREATE TABLE seal (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    proof TEXT NOT NULL,
    is_clear BOOLEAN NOT NULL
)";
/// SQLite takes texts of any length as it is.
const ROOM_POSTGRES: &str = "ALTER TABLE signing_key ALTER COLUMN secret TYPE TEXT";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared(SEAL).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            db.execute_unprepared(ROOM_POSTGRES).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The wider column does no harm.
        manager.get_connection().execute_unprepared("DROP TABLE seal").await.map(drop)
    }
}
