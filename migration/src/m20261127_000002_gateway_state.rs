//! What gateways keep of their sessions.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261127_000002_gateway_state"
    }
}

/// The keys of an account's session and what it knows of others, an entry each. Keys of a kind are read
/// by how they begin, so they are ordered byte by byte.
const GATEWAY_STATE: &str = "
CREATE TABLE gateway_state (
    account_id VARCHAR(30) NOT NULL,
    kind       VARCHAR(20) NOT NULL,
    key        TEXT {bytewise} NOT NULL,
    value      {bytes} NOT NULL,
    number     BIGINT NOT NULL,
    PRIMARY KEY (account_id, kind, key)
) {clustered}";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (bytewise, bytes, clustered) = match manager.get_database_backend() {
            DbBackend::Postgres => ("COLLATE \"C\"", "BYTEA", ""),
            _ => ("", "BLOB", "WITHOUT ROWID"),
        };
        let sql = GATEWAY_STATE.replace("{bytewise}", bytewise).replace("{bytes}", bytes);
        manager.get_connection().execute_unprepared(&sql.replace("{clustered}", clustered)).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE gateway_state").await.map(drop)
    }
}
