//! The one connection that writes. A transaction that fails, whatever the reason, takes its
//! connection with it: after a full disk, an I/O error or a cut, neither the library nor the
//! database is sure to agree on whether a transaction is open, and a commit into one that is
//! already over would be a lie.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use super::StoreError;

/// How long a transaction may take before the database counts as down.
pub(super) const SILENCE: Duration = Duration::from_secs(15);

/// The connection that writes, opened when it is needed.
pub(super) struct Writer {
    options: ConnectOptions,
    open: Option<DatabaseConnection>,
    /// SQLite's file, and which it was when it was opened first.
    file: Option<(PathBuf, FileId)>,
}

/// What tells a file from another of the same name: device and number.
type FileId = (u64, u64);

fn id_of(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Writer {
    /// One that connects so, and is connected.
    pub(super) async fn open(options: ConnectOptions) -> Result<Self, DbErr> {
        let open = Some(Database::connect(options.clone()).await?);
        Ok(Self { options, open, file: None })
    }

    /// The same, writing to the file at `path` and to no other that takes its place.
    pub(super) async fn open_file(options: ConnectOptions, path: &Path) -> Result<Self, DbErr> {
        let writer = Self::open(options).await?;
        Ok(Self { file: id_of(path).map(|id| (path.to_owned(), id)), ..writer })
    }

    /// The connection, to bring the schema up to date by.
    pub(super) fn connection(&self) -> Option<&DatabaseConnection> {
        self.open.as_ref()
    }

    /// Does `work` in one transaction, durable on return; or not at all, as far as anybody can know
    /// whose connection broke in the middle of a commit.
    pub(super) async fn write<T>(
        &mut self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, DbErr>,
    ) -> Result<T, StoreError> {
        let silent = |_| StoreError::Down(DbErr::Custom("no answer in time".to_owned()));
        let done = tokio::time::timeout(SILENCE, self.transact(work)).await;
        let done = done.map_err(silent).and_then(|done| done.map_err(StoreError::from));
        if done.is_err() {
            self.throw_away();
        }
        done
    }

    async fn transact<T>(
        &mut self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let tx = match self.begin().await {
            // The connection was cut while it was idle; nothing was written on it.
            Err(_) if self.open.is_some() => {
                self.throw_away();
                self.begin().await?
            }
            begun => begun?,
        };
        let done = work(&tx).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn begin(&mut self) -> Result<DatabaseTransaction, DbErr> {
        // What is written into a file that has no name any more is in none.
        if self.file.as_ref().is_some_and(|(path, id)| id_of(path) != Some(*id)) {
            return Err(DbErr::Custom("the database's file was removed or replaced".to_owned()));
        }
        let db = match &mut self.open {
            Some(db) => db,
            none => none.insert(Database::connect(self.options.clone()).await?),
        };
        // Immediate, so that nothing is written on what was read before somebody else's change, and
        // refused where a transaction is open already.
        let mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode: mode, ..TransactionOptions::default() };
        db.begin_with_options(options).await
    }

    /// Closes the connection in a task of its own: a broken one may take long.
    fn throw_away(&mut self) {
        if let Some(db) = self.open.take() {
            tokio::spawn(async move { db.close().await });
        }
    }

    /// Closes the connection.
    pub(super) async fn close(mut self) {
        if let Some(db) = self.open.take() {
            // Fails only where it is broken already.
            let _ = db.close().await;
        }
    }
}
