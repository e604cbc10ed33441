//! The database: the truth about every account and message. The only place that speaks SQL.
//!
//! SQLite or PostgreSQL: one connection that writes, and a few that only can read. On SQLite in WAL
//! mode with `synchronous=FULL`, where a lock file keeps a second process off. Everything that is
//! written goes through the group [`commit`].

mod accept;
pub mod account;
mod attempt;
mod cache;
mod change;
pub mod chat;
pub mod commit;
pub mod file;
pub mod grant;
pub mod list;
pub mod message;
pub mod people;
mod reader;
pub mod rebuild;
mod removal;
pub mod report;
pub mod stats;
mod write;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::{
    self,
    sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, DatabaseTransaction, DbBackend,
    DbErr, EntityTrait, IntoActiveModel, RuntimeErr, Statement, Value,
};
use serde::Serialize;

use self::reader::Reader;
use self::writer::Writer;

/// How long a statement waits for a connection before the database counts as down.
const ACQUIRE: Duration = Duration::from_secs(3);
/// An idle connection is tried before use after this long, so that a restarted server is noticed.
const STALE: Duration = Duration::from_secs(1);
/// How long a statement of the writer's waits for a row or a table that somebody else holds.
const LOCK: &str = "5s";
/// How long a statement that reads may take.
const READ: &str = "30s";
const POSTGRES_READERS: u32 = 10;
const SQLITE_READERS: u32 = 4;
/// The advisory lock that servers of one database hold: "andante" in ASCII.
const SERVERS: i64 = 0x61_6e64_616e_7465;
/// Bytes that are written to find out whether a database that failed can be written again.
const PROBE: usize = 65_536;

/// How many servers may use a database at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    /// This one alone.
    One,
    /// Any number of those that say so.
    Many,
}

/// The database, connected and migrated.
pub struct Store {
    backend: DbBackend,
    reader: Reader,
    commit: commit::Commit,
    accounts: Arc<cache::Cache>,
    /// Held for as long as this process uses a SQLite file.
    lock: Mutex<Option<File>>,
}

/// A statement that did not do what it should. There are two reactions.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, or can't do it now: try again.
    #[error("the database does not answer: {0}")]
    Down(#[source] DbErr),
    /// What was to be written never can be: trying again does not help.
    #[error("the database refused a statement: {0}")]
    Broken(#[source] DbErr),
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let is_refusal = match &error {
            DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
                cause.as_database_error().and_then(|said| said.code()).is_some_and(|code| is_about_data(&code))
            }
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) | DbErr::Custom(_) => false,
            _ => true,
        };
        if is_refusal { Self::Broken(error) } else { Self::Down(error) }
    }
}

/// Whether a database's error code means that the data is at fault. In PostgreSQL the classes 22
/// (data exception), 23 (integrity constraint) and 54 (too long for an index); in SQLite, whose
/// codes are numbers with the kind in the lowest byte, TOOBIG, CONSTRAINT, MISMATCH and RANGE.
fn is_about_data(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 18 | 19 | 20 | 25),
        _ => ["22", "23", "54"].iter().any(|class| code.starts_with(class)),
    }
}

impl Store {
    /// Connects to `url`, creating the SQLite file if need be, and brings the schema up to date.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        Self::connect(url, None).await
    }

    /// The same for a server, for as long as it is connected. Refuses where there is one already
    /// and one of the two is to be the only one.
    pub async fn serve(url: &str, servers: Servers) -> anyhow::Result<Self> {
        Self::connect(url, Some(servers)).await
    }

    async fn connect(url: &str, servers: Option<Servers>) -> anyhow::Result<Self> {
        let (backend, (writer, reader, lock)) = if let Some(path) = url.strip_prefix("sqlite://") {
            (DbBackend::Sqlite, sqlite(Path::new(path)).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            (DbBackend::Postgres, postgres(url, servers).await?)
        } else {
            bail!("DATABASE_URL must start with sqlite:// or postgres://");
        };
        if let Some(db) = writer.connection() {
            Migrator::up(db, None).await.context("can't bring the schema up to date")?;
        }
        let commit = commit::Commit::start(writer);
        Ok(Self { backend, reader, commit, accounts: Arc::default(), lock: Mutex::new(lock) })
    }

    /// Whether the database can be read and written.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.reader.execute_unprepared("SELECT 1").await?;
        if !self.commit.is_failing() {
            return self.write_all(Vec::new()).await;
        }
        // After a failure as much is written as messages take, or a disk with room for a line would do.
        let filler = self.sql("INSERT INTO probe (filler) VALUES ($1)", ["x".repeat(PROBE).into()]);
        self.write_all(vec![self.sql("DELETE FROM probe", []), filler]).await
    }

    /// Returns when nothing can be written any more, since the task that does has ended.
    pub async fn commit_ended(&self) {
        self.commit.ended().await;
    }

    /// Closes the connections once what waits is written, and lets another process have the file.
    pub async fn close(&self) {
        self.commit.close().await;
        self.reader.close().await;
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn sql(&self, text: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.backend, text, values)
    }
}

type Opened = (Writer, Reader, Option<File>);

async fn postgres(url: &str, servers: Option<Servers>) -> anyhow::Result<Opened> {
    let options = |connections: u32, settings: Vec<(&'static str, &'static str)>| {
        let mut options = ConnectOptions::new(url);
        options.max_connections(connections).acquire_timeout(ACQUIRE).connect_timeout(ACQUIRE);
        options.test_before_acquire_if_idle_for(STALE).sqlx_logging(false);
        options.map_sqlx_postgres_opts(move |postgres| postgres.options(settings.iter().copied()));
        options
    };
    // The database lets go of what a writer holds that is gone without a word.
    let notices = [("tcp_keepalives_idle", "10"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3")];
    let mut writing = options(1, [("lock_timeout", LOCK)].into_iter().chain(notices).collect());
    let is_taken = Arc::new(AtomicBool::new(false));
    if let Some(servers) = servers {
        // Whichever connection it is: one that is opened anew has to get the lock anew.
        let is_taken = is_taken.clone();
        writing.map_sqlx_postgres_pool_opts(move |pool| {
            let is_taken = is_taken.clone();
            pool.after_connect(move |connection, _| {
                let is_taken = is_taken.clone();
                Box::pin(async move {
                    let sql = match servers {
                        Servers::One => "SELECT pg_try_advisory_lock($1)",
                        Servers::Many => "SELECT pg_try_advisory_lock_shared($1)",
                    };
                    let is_ours: bool = sqlx::query_scalar(sql).bind(SERVERS).fetch_one(connection).await?;
                    is_taken.store(!is_ours, Ordering::Relaxed);
                    is_ours.then_some(()).ok_or_else(|| sqlx::Error::Configuration("another server is there".into()))
                })
            })
        });
    }
    // A server that is about to go may still be there: it is waited for, once.
    let writer = match Writer::open(writing.clone()).await {
        Err(_) if is_taken.load(Ordering::Relaxed) => Writer::open(writing).await,
        opened => opened,
    };
    if writer.is_err() && is_taken.load(Ordering::Relaxed) {
        let name = url.split('?').next().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        bail!(
            "another server uses the database {name:?}; without Redis, which tells them apart, one database serves one"
        );
    }
    let writer = writer.context("can't connect to PostgreSQL")?;
    let reading = options(POSTGRES_READERS, vec![("default_transaction_read_only", "on"), ("statement_timeout", READ)]);
    let reader = Database::connect(reading).await.context("can't connect to PostgreSQL")?;
    Ok((writer, Reader::new(reader, POSTGRES_READERS), None))
}

async fn sqlite(path: &Path) -> anyhow::Result<Opened> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
    }
    let lock =
        File::create(path.with_extension("lock")).with_context(|| format!("can't write beside {}", path.display()))?;
    if lock.try_lock().is_err() {
        bail!("another process uses {}; one file serves one process (use PostgreSQL for more)", path.display());
    }
    let options = |connections: u32, query_only: &'static str| {
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
        options.max_connections(connections).min_connections(1).acquire_timeout(ACQUIRE).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(5))
                .foreign_keys(true)
                // 64 MiB of pages, and a checkpoint each 16 MiB of log: both in SQLite's own units.
                .pragma("cache_size", "-65536")
                .pragma("wal_autocheckpoint", "4096")
                .pragma("query_only", query_only)
        });
        options
    };
    let cannot = || format!("can't open {}", path.display());
    let writer = Writer::open_file(options(1, "OFF"), path).await.with_context(cannot)?;
    let reader = Database::connect(options(SQLITE_READERS, "ON")).await.with_context(cannot)?;
    Ok((writer, Reader::new(reader, SQLITE_READERS), Some(lock)))
}

/// Updates a row; `None` if it is gone.
async fn update<A>(tx: &DatabaseTransaction, row: A) -> Result<Option<<A::Entity as EntityTrait>::Model>, DbErr>
where
    A: ActiveModelTrait + ActiveModelBehavior + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    match row.update(tx).await {
        Ok(model) => Ok(Some(model)),
        Err(DbErr::RecordNotUpdated) => Ok(None),
        Err(error) => Err(error),
    }
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
