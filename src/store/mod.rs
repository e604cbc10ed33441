//! The database: the truth about every account and message. The only place that speaks SQL.
//!
//! SQLite or PostgreSQL: one connection that writes, and a few that only can read. On SQLite in WAL
//! mode with `synchronous=FULL`, where a lock file keeps a second process off. Everything that is
//! written goes through the group [`commit`]. What is secret in accounts and signing keys is sealed
//! on its way in and opened on its way out: nobody else knows of it.

mod accept;
pub mod account;
pub mod action;
pub mod activity;
mod attempt;
mod backlog;
mod cache;
mod change;
pub mod chat;
pub mod chats;
mod checkpoint;
pub mod commit;
mod connect;
mod create;
pub mod file;
pub mod filing;
pub mod grant;
mod in_use;
pub mod list;
mod listing;
pub mod media;
pub mod message;
pub mod newest;
pub mod people;
mod place;
mod reader;
pub mod rebuild;
mod removal;
pub mod report;
mod rows;
pub mod seal;
mod secrets;
pub mod state;
pub mod stats;
mod tally;
mod task;
pub mod template;
mod write;
mod writer;

use std::fs::File;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use entity::ids::MessageId;
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    IntoActiveModel, RuntimeErr, Statement, Value,
};

use tokio::sync::Semaphore;

use self::connect::Opened;
pub use self::connect::Servers;
use self::reader::Reader;
pub use self::seal::Seal;

/// Bytes that are written to find out whether a database that failed can be written again.
const PROBE: usize = 65_536;

/// Companies whose accounts are counted at a time.
const COUNTING: usize = 2;

/// The database, connected and migrated.
pub struct Store {
    backend: DbBackend,
    reader: Reader,
    commit: commit::Commit,
    accounts: Arc<cache::Cache>,
    seal: Seal,
    searching: chats::Searching,
    /// Companies whose accounts are counted at a time.
    counting: Semaphore,
    node: Arc<AtomicU16>,
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

/// Whether a database's error code means that the data is at fault. In PostgreSQL the classes 21 (cardinality), 22
/// (data exception), 23 (integrity constraint) and 54 (too long for an index); in SQLite, whose
/// codes are numbers with the kind in the lowest byte, TOOBIG, CONSTRAINT, MISMATCH and RANGE.
fn is_about_data(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 18 | 19 | 20 | 25),
        _ => ["21", "22", "23", "54"].iter().any(|class| code.starts_with(class)),
    }
}

impl Store {
    /// Connects to `url`, creating the SQLite file if need be, and brings the schema up to date.
    /// Secrets are sealed with `seal`, which has to be what they are sealed with already; if they
    /// are not, and it has a key, they are now. A SQLite file that others on this machine can read
    /// is refused, unless it may be.
    pub async fn open(url: &str, seal: &Seal, allow_readable: bool) -> anyhow::Result<Self> {
        Self::start(connect::open(url, None, allow_readable).await?, seal).await
    }

    /// The same for a server, for as long as it is connected. Refuses where there is one already
    /// and one of the two is to be the only one.
    pub async fn serve(url: &str, servers: Servers, seal: &Seal, allow_readable: bool) -> anyhow::Result<Self> {
        Self::start(connect::open(url, Some(servers), allow_readable).await?, seal).await
    }

    async fn start(opened: Opened, seal: &Seal) -> anyhow::Result<Self> {
        secrets::unlock(opened.db()?, seal).await?;
        let Opened { backend, writer, checkpoints, reader, node, lock } = opened;
        let commit = commit::Commit::start(writer, checkpoints);
        let accounts = Arc::default();
        Ok(Self {
            backend,
            reader,
            commit,
            accounts,
            seal: seal.clone(),
            searching: chats::Searching::default(),
            counting: Semaphore::new(COUNTING),
            node,
            lock: Mutex::new(lock),
        })
    }

    /// Seals all secrets anew, all or none: what is sealed with `from` now is sealed with `to`
    /// then. Answers how many were left as they are, since they could not be opened. Refuses while
    /// a server uses the database.
    pub async fn rekey(url: &str, from: &Seal, to: &Seal, allow_readable: bool) -> anyhow::Result<u64> {
        let opened = connect::open(url, Some(Servers::Zero), allow_readable).await?;
        let left = secrets::rekey(opened.db()?, from, to).await;
        if let Some(checkpoints) = opened.checkpoints {
            checkpoints.close().await;
        }
        opened.writer.close().await;
        opened.reader.close().await;
        left
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

    /// Which of the nodes that write to the database this one is, for the ids of its messages.
    #[must_use]
    pub fn node(&self) -> u16 {
        self.node.load(Ordering::Relaxed)
    }

    /// The highest sequence number of a message's id.
    pub async fn last_seq(&self) -> Result<i64, StoreError> {
        let row = self.reader.query_one_raw(self.sql("SELECT MAX(id) FROM message", [])).await?;
        let last: Option<MessageId> = row.map_or(Ok(None), |row| row.try_get_by_index(0))?;
        Ok(last.map_or(0, MessageId::seq))
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

/// The instant in a column named `…_ms`.
#[must_use]
pub fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}
