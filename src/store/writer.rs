//! The one connection that writes. A transaction that fails, whatever the reason, takes its
//! connection with it: after a full disk, an I/O error or a cut, neither the library nor the
//! database is sure to agree on whether a transaction is open, and a commit into one that is
//! already over would be a lie.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use super::StoreError;
use super::checkpoint::COPY;
use super::place::Place;

/// How long a transaction may take before the database counts as down.
pub(super) const SILENCE: Duration = Duration::from_secs(15);

/// The connection that writes, opened when it is needed.
pub(super) struct Writer {
    options: ConnectOptions,
    open: Option<DatabaseConnection>,
    /// Where SQLite's file is.
    place: Option<Arc<Place>>,
}

impl Writer {
    /// One that connects so, and is connected; to SQLite's file in its place and to no other.
    pub(super) async fn open(options: ConnectOptions, place: Option<Arc<Place>>) -> Result<Self, DbErr> {
        let open = Some(Database::connect(options.clone()).await?);
        Ok(Self { options, open, place })
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
        if let Some(place) = &self.place {
            place.check()?;
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

    /// Copies the rest of SQLite's log into its file, so that the next commit begins it anew.
    pub(super) async fn begin_log_anew(&self) {
        if let Some(db) = self.open.as_ref().filter(|_| self.place.as_ref().is_none_or(|place| place.check().is_ok()))
            && let Err(error) = db.execute_unprepared(COPY).await
        {
            tracing::warn!(%error, "the database's log goes on growing");
        }
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
