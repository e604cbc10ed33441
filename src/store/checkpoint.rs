//! SQLite's log, copied into its file while the task that writes goes on. Left to SQLite, a commit now
//! and then does it, and all that wait for the next ones wait for that.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::task::JoinHandle;

use super::reader::Reader;

/// Copies what is in the log and was not copied, as far as nobody is in the way; answers
/// (is somebody in the way, pages in the log, pages copied).
pub(super) const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Rows written between two copies: some ten thousand pages, which take a tenth of a second.
const ROWS: usize = 2_000;
/// Pages of a log that is begun anew (32 MiB). Only the task that writes can, which then copies what was
/// written during the last copy.
const PAGES: i64 = 8_192;

/// The connection that copies, beside the one that writes.
pub(super) struct Checkpoints {
    connection: Arc<Reader>,
    rows: usize,
    running: Option<JoinHandle<Result<i64, DbErr>>>,
}

impl Checkpoints {
    pub(super) fn new(connection: Reader) -> Self {
        Self { connection: Arc::new(connection), rows: 0, running: None }
    }

    /// So many rows more were written. Answers whether the log is to be begun anew.
    pub(super) async fn wrote(&mut self, rows: usize) -> bool {
        self.rows += rows;
        let is_long = match self.running.take_if(|copy| copy.is_finished()) {
            Some(copy) => copy.await.is_ok_and(|copied| copied.is_ok_and(|pages| pages >= PAGES)),
            None => false,
        };
        if self.rows >= ROWS && self.running.is_none() {
            self.rows = 0;
            let connection = self.connection.clone();
            self.running = Some(tokio::spawn(async move { copy(&connection).await }));
        }
        is_long
    }

    /// Closes the connection once it is through.
    pub(super) async fn close(self) {
        if let Some(copy) = self.running {
            // It is the log's last copy or it is not: SQLite makes that one itself.
            let _ = copy.await;
        }
        self.connection.close().await;
    }
}

/// Answers how many pages the log has. What can't be copied now is by the next one, or by SQLite itself.
async fn copy(connection: &Reader) -> Result<i64, DbErr> {
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Sqlite, COPY)).await?;
    row.map_or(Ok(0), |row| row.try_get_by_index(1))
}
