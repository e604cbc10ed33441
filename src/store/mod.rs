//! The database: the truth about every account and message. The only place that speaks SQL.
//!
//! SQLite or PostgreSQL. On SQLite there is one writer connection and a few readers, in WAL mode
//! with `synchronous=FULL`, and a lock file keeps a second process off. What the busy paths write
//! (accepting, intents, outcomes, receipts) goes through the group [`commit`].

mod accept;
pub mod account;
mod attempt;
pub mod chat;
pub mod commit;
pub mod file;
pub mod grant;
pub mod list;
pub mod message;
pub mod people;
pub mod rebuild;
pub mod report;
pub mod stats;

use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement, Value,
};
use serde::Serialize;

/// How long a statement waits for a connection before the database counts as down.
const ACQUIRE: Duration = Duration::from_secs(3);
/// An idle connection is tried before use after this long, so that a restarted server is noticed.
const STALE: Duration = Duration::from_secs(1);
const POSTGRES_CONNECTIONS: u32 = 10;
const SQLITE_READERS: u32 = 4;

/// The database, connected and migrated.
pub struct Store {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    commit: commit::Commit,
    accounts: account::Cache,
    /// Held for as long as this process uses a SQLite file.
    lock: Mutex<Option<File>>,
}

/// A statement that did not do what it should. There are two reactions.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached: try again.
    #[error("the database does not answer: {0}")]
    Down(#[source] DbErr),
    /// The statement is wrong, or the data: trying again does not help.
    #[error("the database refused a statement: {0}")]
    Broken(#[source] DbErr),
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let is_refusal = match &error {
            DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
                // PostgreSQL says that it is shutting down or starting up in class 57.
                cause.as_database_error().is_some_and(|said| !said.code().is_some_and(|code| code.starts_with("57P")))
            }
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => false,
            _ => true,
        };
        if is_refusal { Self::Broken(error) } else { Self::Down(error) }
    }
}

impl Store {
    /// Connects to `url`, creating the SQLite file if need be, and brings the schema up to date.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        let (writer, reader, lock) = if let Some(path) = url.strip_prefix("sqlite://") {
            sqlite(Path::new(path)).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let mut options = ConnectOptions::new(url);
            options.max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE).connect_timeout(ACQUIRE);
            options.test_before_acquire_if_idle_for(STALE).sqlx_logging(false);
            let pool = Database::connect(options).await.context("can't connect to PostgreSQL")?;
            (pool.clone(), pool, None)
        } else {
            bail!("DATABASE_URL must start with sqlite:// or postgres://");
        };
        Migrator::up(&writer, None).await.context("can't bring the schema up to date")?;
        let commit = commit::Commit::start(writer.clone());
        Ok(Self { writer, reader, commit, accounts: account::Cache::default(), lock: Mutex::new(lock) })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.writer.execute_unprepared("SELECT 1").await.map(drop)?)
    }

    /// Closes the connections once what waits is written, and lets another process have the file.
    pub async fn close(&self) {
        // Fails only where a connection is broken already.
        let _ = self.writer.close_by_ref().await;
        let _ = self.reader.close_by_ref().await;
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn sql(&self, text: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.writer.get_database_backend(), text, values)
    }
}

async fn sqlite(path: &Path) -> anyhow::Result<(DatabaseConnection, DatabaseConnection, Option<File>)> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
    }
    let lock =
        File::create(path.with_extension("lock")).with_context(|| format!("can't write beside {}", path.display()))?;
    if lock.try_lock().is_err() {
        bail!("another process uses {}; one file serves one process (use PostgreSQL for more)", path.display());
    }
    let connect = async |connections: u32| {
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
        options.max_connections(connections).min_connections(1).acquire_timeout(ACQUIRE).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(5))
                .foreign_keys(true)
                // 64 MiB of pages, and a checkpoint each 16 MiB of log: both in SQLite's own units.
                .pragma("cache_size", "-65536")
                .pragma("wal_autocheckpoint", "4096")
        });
        Database::connect(options).await.with_context(|| format!("can't open {}", path.display()))
    };
    let writer = connect(1).await?;
    Ok((writer, connect(SQLITE_READERS).await?, Some(lock)))
}

fn ms(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn json(rows: &[impl Serialize]) -> String {
    serde_json::to_string(rows).unwrap_or_default()
}

/// `FROM` a JSON array that is parameter `$n`: one row an element, in a column `value`. One
/// statement serves any number of rows, so the database prepares it once.
fn json_rows(backend: DbBackend, n: usize) -> String {
    match backend {
        DbBackend::Postgres => format!("json_array_elements(CAST(${n} AS json)) AS e(value)"),
        _ => format!("json_each(${n}) AS e"),
    }
}

/// `FROM` a JSON array of texts that is parameter `$n`.
fn json_texts(backend: DbBackend, n: usize) -> String {
    match backend {
        DbBackend::Postgres => format!("json_array_elements_text(CAST(${n} AS json)) AS e(value)"),
        _ => format!("json_each(${n}) AS e"),
    }
}

/// The instant in a column named `…_ms`.
#[must_use]
pub fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}
