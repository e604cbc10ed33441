//! Connecting to a database: one connection that writes, a few that can only read, and the lock that
//! keeps others off that must not use it at the same time.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::{
    self,
    sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbBackend};

use super::checkpoint::Checkpoints;
use super::place::{self, Place};
use super::reader::Reader;
use super::writer::Writer;

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
/// How many nodes a message's id tells apart.
const NODES: i32 = 1_024;
/// The class of the advisory locks of which each node holds one: "node" in ASCII.
const NODE: i32 = 0x6e6f_6465;
/// Prepared statements that a connection to SQLite keeps: each in a few sizes, see `rows`.
const STATEMENTS: usize = 512;
/// The advisory lock that servers of one database hold: "andante" in ASCII.
pub(super) const SERVERS: i64 = 0x61_6e64_616e_7465;

/// How many servers may use a database at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    /// This one alone.
    One,
    /// Any number of those that say so.
    Many,
    /// None: what is done to it is not for servers to see.
    Zero,
}

/// A database's connections.
pub(super) struct Opened {
    pub(super) backend: DbBackend,
    pub(super) writer: Writer,
    /// SQLite's.
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) reader: Reader,
    /// Which of the nodes that write to the database this one is.
    pub(super) node: Arc<AtomicU16>,
    /// Held for as long as this process uses a SQLite file.
    pub(super) lock: Option<File>,
}

impl Opened {
    /// The connection that writes, before there is anybody else to use it.
    pub(super) fn db(&self) -> anyhow::Result<&DatabaseConnection> {
        self.writer.connection().context("the database is not connected")
    }
}

/// Connects to `url`, creating the SQLite file if need be, and brings the schema up to date.
pub(super) async fn open(url: &str, servers: Option<Servers>, allow_readable: bool) -> anyhow::Result<Opened> {
    let opened = if let Some(path) = url.strip_prefix("sqlite://") {
        sqlite(Path::new(path), allow_readable).await?
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        postgres(url, servers).await?
    } else {
        bail!("DATABASE_URL must start with sqlite:// or postgres://");
    };
    Migrator::up(opened.db()?, None).await.context("can't bring the schema up to date")?;
    Ok(opened)
}

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
    let node = Arc::new(AtomicU16::new(0));
    let (its_node, its_taken) = (node.clone(), is_taken.clone());
    // Whichever connection it is: one that is opened anew has to get the locks anew.
    writing.map_sqlx_postgres_pool_opts(move |pool| {
        let (node, is_taken) = (its_node.clone(), its_taken.clone());
        pool.after_connect(move |connection, _| {
            let (node, is_taken) = (node.clone(), is_taken.clone());
            Box::pin(async move {
                let sql = match servers {
                    Some(Servers::One | Servers::Zero) => "SELECT pg_try_advisory_lock($1)",
                    Some(Servers::Many) => "SELECT pg_try_advisory_lock_shared($1)",
                    None => "SELECT $1 > 0",
                };
                let is_ours: bool = sqlx::query_scalar(sql).bind(SERVERS).fetch_one(&mut *connection).await?;
                is_taken.store(!is_ours, Ordering::Relaxed);
                if !is_ours {
                    return Err(sqlx::Error::Configuration("another server is there".into()));
                }
                let sql = "SELECT n FROM generate_series(0, $1) AS n WHERE pg_try_advisory_lock($2, n) LIMIT 1";
                let free: i32 = sqlx::query_scalar(sql).bind(NODES - 1).bind(NODE).fetch_one(connection).await?;
                node.store(u16::try_from(free).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            })
        })
    });
    // A server that is about to go may still be there: it is waited for, once.
    let writer = match Writer::open(writing.clone(), None).await {
        Err(_) if is_taken.load(Ordering::Relaxed) => Writer::open(writing, None).await,
        opened => opened,
    };
    if writer.is_err() && is_taken.load(Ordering::Relaxed) {
        let name = url.split('?').next().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        match servers {
            Some(Servers::Zero) => bail!("a server uses the database {name:?}; stop it first"),
            _ => bail!(
                "another server uses the database {name:?}; without Redis, which tells them apart, one database serves one"
            ),
        }
    }
    let writer = writer.context("can't connect to PostgreSQL")?;
    let reading = options(POSTGRES_READERS, vec![("default_transaction_read_only", "on"), ("statement_timeout", READ)]);
    let reader = Database::connect(reading).await.context("can't connect to PostgreSQL")?;
    let reader = Reader::new(reader, POSTGRES_READERS, None);
    Ok(Opened { backend: DbBackend::Postgres, writer, checkpoints: None, reader, node, lock: None })
}

async fn sqlite(path: &Path, allow_readable: bool) -> anyhow::Result<Opened> {
    let lock = place::prepare(path, allow_readable)?;
    let place = Some(Arc::new(Place::of(path)?));
    let options = |connections: u32, query_only: &'static str| {
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
        options.max_connections(connections).acquire_timeout(ACQUIRE).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(5))
                .foreign_keys(true)
                // 64 MiB of pages, and a checkpoint by whoever writes where there was none for 64 MiB of log:
                // both in SQLite's own units.
                .pragma("cache_size", "-65536")
                .pragma("wal_autocheckpoint", "16384")
                // What a statement may have to take back is kept in memory, not in a file of its own.
                .pragma("temp_store", "MEMORY")
                .statement_cache_capacity(STATEMENTS)
                .pragma("query_only", query_only)
        });
        options
    };
    let cannot = || place::cannot_open(path);
    let writer = Writer::open(options(1, "OFF"), place.clone()).await.with_context(cannot)?;
    let copying = Database::connect(options(1, "ON")).await.with_context(cannot)?;
    let checkpoints = Some(Checkpoints::new(Reader::new(copying, 1, place.clone())));
    let reader = Database::connect(options(SQLITE_READERS, "ON")).await.with_context(cannot)?;
    let reader = Reader::new(reader, SQLITE_READERS, place);
    Ok(Opened { backend: DbBackend::Sqlite, writer, checkpoints, reader, node: Arc::default(), lock: Some(lock) })
}
