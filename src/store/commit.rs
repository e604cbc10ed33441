//! The group commit. Whoever has a row to write hands it over and waits; one task takes all that
//! wait, writes them in one transaction, and wakes them. While one batch is written the next
//! gathers, so there is no timer, no delay when idle, and one `fsync` for up to 1,000 rows.
//!
//! A batch that the database refuses is tried again one by one, so that a row that can't be
//! written never takes its neighbours along. If the database is down, all of them hear so.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::chat;
use entity::ids::{AccountId, MessageId};
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use tokio::sync::{mpsc, oneshot};

use super::accept;
use super::attempt;
use super::message::{Beginning, Kept, NewMessage, Outcome, Receipt};
use super::report::{self, Filed, Report};
use super::{Store, StoreError};

/// Rows in one transaction at most: enough to make `fsync` cheap, few enough to answer soon.
const BATCH: usize = 1_000;
/// Requests that may wait before the next one waits to be let in.
const WAITING: usize = 10_000;

/// How long a transaction may take before the database counts as down.
const SILENCE: Duration = Duration::from_secs(15);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Write {
    Accept(Vec<NewMessage>, Reply<Vec<Kept>>),
    Begin(MessageId, DateTime<Utc>, Reply<Beginning>),
    Finish(MessageId, Box<Outcome>, Reply<Option<chat::Model>>),
    Receive(Vec<Receipt>, Reply<Vec<Receipt>>),
    Report(Vec<Report>, Vec<(AccountId, i64)>, Reply<Vec<Filed>>),
}

impl Write {
    fn rows(&self) -> usize {
        match self {
            Self::Accept(rows, _) => rows.len(),
            Self::Receive(receipts, _) => receipts.len(),
            Self::Report(reports, ..) => reports.len(),
            Self::Begin(..) | Self::Finish(..) => 1,
        }
    }

    fn refuse(self, error: StoreError) {
        // Who no longer waits need not hear it.
        match self {
            Self::Accept(_, reply) => drop(reply.send(Err(error))),
            Self::Begin(_, _, reply) => drop(reply.send(Err(error))),
            Self::Finish(_, _, reply) => drop(reply.send(Err(error))),
            Self::Receive(_, reply) => drop(reply.send(Err(error))),
            Self::Report(_, _, reply) => drop(reply.send(Err(error))),
        }
    }
}

/// The way to the task that writes; the task ends when this is dropped.
pub(super) struct Commit {
    writes: mpsc::Sender<Write>,
}

impl Commit {
    pub(super) fn start(db: DatabaseConnection) -> Self {
        let (writes, waiting) = mpsc::channel(WAITING);
        tokio::spawn(run(db, waiting));
        Self { writes }
    }

    async fn ask<T>(&self, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, StoreError> {
        let gone = || StoreError::Down(DbErr::Custom("the writer has stopped".to_owned()));
        let (reply, answer) = oneshot::channel();
        self.writes.send(write(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Store {
    /// Writes messages as `queued`; on return they are durable. Up to a thousand at a time.
    pub async fn accept(&self, rows: Vec<NewMessage>) -> Result<Vec<Kept>, StoreError> {
        self.commit.ask(|reply| Write::Accept(rows, reply)).await
    }

    /// Writes the intent to send a message at `now`, and reads it.
    pub async fn begin(&self, message: MessageId, now: DateTime<Utc>) -> Result<Beginning, StoreError> {
        self.commit.ask(|reply| Write::Begin(message, now, reply)).await
    }

    /// Writes how an attempt ended; answers the chat that the message entered by that. Writing it
    /// twice does no harm.
    pub async fn finish(&self, message: MessageId, outcome: Outcome) -> Result<Option<chat::Model>, StoreError> {
        self.commit.ask(|reply| Write::Finish(message, Box::new(outcome), reply)).await
    }

    /// Writes receipts; answers those that moved their message.
    pub async fn receive(&self, receipts: Vec<Receipt>) -> Result<Vec<Receipt>, StoreError> {
        self.commit.ask(|reply| Write::Receive(receipts, reply)).await
    }

    /// Writes what messengers report and up to where they were read, both or neither; answers the
    /// reports that were news.
    pub async fn report(
        &self,
        reports: Vec<Report>,
        positions: Vec<(AccountId, i64)>,
    ) -> Result<Vec<Filed>, StoreError> {
        self.commit.ask(|reply| Write::Report(reports, positions, reply)).await
    }
}

async fn run(db: DatabaseConnection, mut waiting: mpsc::Receiver<Write>) {
    let mut held: Option<Write> = None;
    loop {
        let first = match held.take() {
            Some(write) => write,
            None => match waiting.recv().await {
                Some(write) => write,
                None => return,
            },
        };
        let mut rows = first.rows();
        let mut batch = vec![first];
        while let Ok(write) = waiting.try_recv() {
            rows += write.rows();
            if rows > BATCH {
                held = Some(write);
                break;
            }
            batch.push(write);
        }
        commit(&db, batch).await;
    }
}

async fn commit(db: &DatabaseConnection, batch: Vec<Write>) {
    match write(db, &batch).await {
        Ok(written) => written.tell(batch),
        Err(StoreError::Broken(error)) if batch.len() > 1 => {
            tracing::error!(%error, rows = batch.len(), "a batch was refused; its writes are tried one by one");
            for single in batch {
                match write(db, std::slice::from_ref(&single)).await {
                    Ok(written) => written.tell(vec![single]),
                    Err(error) => single.refuse(error),
                }
            }
        }
        Err(error) => batch.into_iter().for_each(|write| write.refuse(error.clone())),
    }
}

/// What one transaction wrote, to be told apart again.
struct Written {
    kept: Vec<Kept>,
    beginnings: HashMap<MessageId, Beginning>,
    moved: Vec<Receipt>,
    entered: HashMap<MessageId, chat::Model>,
    filed: HashMap<MessageId, Filed>,
}

/// Writes a batch, or gives up on a database that has gone silent.
async fn write(db: &DatabaseConnection, batch: &[Write]) -> Result<Written, StoreError> {
    let silent = |_| StoreError::Down(DbErr::Custom("no answer in time".to_owned()));
    tokio::time::timeout(SILENCE, write_all(db, batch)).await.map_err(silent)?
}

async fn write_all(db: &DatabaseConnection, batch: &[Write]) -> Result<Written, StoreError> {
    let (mut rows, mut asked, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut receipts, mut reports, mut positions) = (Vec::new(), Vec::new(), Vec::new());
    for write in batch {
        match write {
            Write::Accept(messages, _) => rows.extend(messages),
            Write::Begin(message, now, _) => asked.push((*message, *now)),
            Write::Finish(message, outcome, _) => outcomes.push((*message, outcome.as_ref())),
            Write::Receive(some, _) => receipts.extend_from_slice(some),
            Write::Report(some, notes, _) => {
                reports.extend(some);
                positions.extend_from_slice(notes);
            }
        }
    }
    let tx = db.begin().await?;
    let kept = accept::accept(&tx, &rows).await?;
    let beginnings = attempt::begin(&tx, &asked).await?.into_iter().collect();
    let entered = attempt::finish(&tx, &outcomes).await?;
    let moved = attempt::receive(&tx, &receipts).await?;
    let filed = report::report(&tx, &reports).await?;
    for (account, position) in positions {
        report::note_position(&tx, account, position).await?;
    }
    tx.commit().await?;
    let filed = filed.into_iter().map(|filed| (filed.report.id, filed)).collect();
    Ok(Written { kept, beginnings, moved, entered, filed })
}

impl Written {
    fn tell(mut self, batch: Vec<Write>) {
        let mut kept = self.kept.into_iter();
        for write in batch {
            match write {
                Write::Accept(rows, reply) => drop(reply.send(Ok(kept.by_ref().take(rows.len()).collect()))),
                Write::Begin(message, _, reply) => {
                    drop(reply.send(Ok(self.beginnings.remove(&message).unwrap_or(Beginning::NotQueued))));
                }
                Write::Finish(message, _, reply) => drop(reply.send(Ok(self.entered.remove(&message)))),
                Write::Report(reports, _, reply) => {
                    let filed = reports.iter().filter_map(|report| self.filed.remove(&report.id));
                    drop(reply.send(Ok(filed.collect())));
                }
                Write::Receive(asked, reply) => {
                    let is_asked = |moved: &Receipt| asked.iter().any(|r| r.message == moved.message);
                    drop(reply.send(Ok(self.moved.extract_if(.., |moved| is_asked(moved)).collect())));
                }
            }
        }
    }
}
