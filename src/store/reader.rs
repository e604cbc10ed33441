//! The connections that read. What is only read can be asked again: a statement that finds its
//! connection cut goes to another one, until there are none left that were open before the cut.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};

use super::place::Place;

/// How long a statement may take, whatever the database says or does not.
const SILENCE: Duration = Duration::from_secs(35);

/// A pool of connections.
pub(super) struct Reader {
    pool: DatabaseConnection,
    connections: u32,
    /// Where SQLite's file is.
    place: Option<Arc<Place>>,
}

impl Reader {
    /// A pool of so many; of SQLite's file in its place and of no other.
    pub(super) fn new(pool: DatabaseConnection, connections: u32, place: Option<Arc<Place>>) -> Self {
        Self { pool, connections, place }
    }

    async fn ask<T, F: Future<Output = Result<T, DbErr>>>(&self, ask: impl Fn() -> F) -> Result<T, DbErr> {
        if let Some(place) = &self.place {
            place.check()?;
        }
        let asking = async {
            for _ in 0..self.connections {
                match ask().await {
                    Err(error) if is_cut(&error) => tracing::debug!(%error, "a connection was cut; another is asked"),
                    answer => return answer,
                }
            }
            ask().await
        };
        let silent = |_| Err(DbErr::Custom("no answer in time".to_owned()));
        tokio::time::timeout(SILENCE, asking).await.unwrap_or_else(silent)
    }

    /// Closes the connections.
    pub(super) async fn close(&self) {
        // Fails only where one is broken already.
        let _ = self.pool.close_by_ref().await;
    }
}

/// Whether the connection went in the middle: the network's word, or PostgreSQL's that it ends.
fn is_cut(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error else {
        return false;
    };
    match &**cause {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(said) => said.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.ask(|| self.pool.execute_raw(statement.clone())).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.ask(|| self.pool.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.ask(|| self.pool.query_one_raw(statement.clone())).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.ask(|| self.pool.query_all_raw(statement.clone())).await
    }
}
