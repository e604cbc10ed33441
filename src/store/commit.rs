//! The group commit. Whoever has a row to write hands it over and waits; one task takes all that
//! wait, writes them in one transaction, and wakes them. While one batch is written the next
//! gathers, so there is no timer, no delay when idle, and one `fsync` for up to 1,000 rows.
//!
//! A batch that the database refuses is written half by half, so that a row that can't be written
//! never takes its neighbours along. If the database is down, all of them hear so.
//!
//! Everything this server writes goes through here, so that what a change has to be told of can be
//! written beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entity::ids::AccountId;
use sea_orm::DbErr;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::change::Change;
use super::listing;
use super::message::{Attempt, Beginning, Finished, Kept, NewMessage, Outcome, Receipt};
use super::report::{Filed, Report};
use super::write::{Reply, Write, Written, write_all};
use super::writer::Writer;
use super::{Store, StoreError};

/// Rows in one transaction at most: enough to make `fsync` cheap, few enough to answer soon.
const BATCH: usize = 1_000;
/// Requests that may wait before the next one waits to be let in.
const WAITING: usize = 10_000;

/// The way to the task that writes.
pub(super) struct Commit {
    writes: mpsc::Sender<Write>,
    /// Whether the last transaction could not be written.
    is_failing: Arc<AtomicBool>,
    /// Cancelled to end the task once what waits is written.
    closing: CancellationToken,
    /// Cancelled when the task is over, however it came to its end.
    ended: CancellationToken,
}

impl Commit {
    pub(super) fn start(writer: Writer) -> Self {
        let (writes, waiting) = mpsc::channel(WAITING);
        let (is_failing, closing, ended) = <(Arc<AtomicBool>, CancellationToken, CancellationToken)>::default();
        // What an earlier server left is looked for at the first opportunity.
        let task = Task { writer, waiting, is_failing: is_failing.clone(), unlisted: listing::SLICE };
        let (end, over) = (closing.clone(), ended.clone().drop_guard());
        tokio::spawn(async move {
            let _over = over;
            task.run(end).await;
        });
        Self { writes, is_failing, closing, ended }
    }

    async fn ask<T>(&self, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, StoreError> {
        let gone = || StoreError::Down(DbErr::Custom("the writer has stopped".to_owned()));
        let (reply, answer) = oneshot::channel();
        self.writes.send(write(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    pub(super) async fn change<T>(&self, change: impl FnOnce(Reply<T>) -> Box<dyn Change>) -> Result<T, StoreError> {
        self.ask(|reply| Write::Change(change(reply))).await
    }

    /// Whether the last transaction could not be written.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Writes what waits, and ends.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.ended.cancelled().await;
    }

    /// Returns when the task is over.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Store {
    /// Writes messages as `queued`; on return they are durable. Up to a thousand at a time.
    pub async fn accept(&self, rows: Vec<NewMessage>) -> Result<Vec<Kept>, StoreError> {
        self.commit.ask(|reply| Write::Accept(rows, reply)).await
    }

    /// Writes the intent to send a message, and reads it.
    pub async fn begin(&self, attempt: Attempt) -> Result<Beginning, StoreError> {
        self.commit.ask(|reply| Write::Begin(attempt, reply)).await
    }

    /// Puts a message back whose attempt was begun and never reached the gateway.
    pub async fn unbegin(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.commit.ask(|reply| Write::Unbegin(attempt, reply)).await
    }

    /// Writes how an attempt ended. Writing it twice does no harm; an attempt of a lane that has
    /// lost the account, or one that was settled by somebody else, is not written at all.
    pub async fn finish(&self, attempt: Attempt, outcome: Outcome) -> Result<Finished, StoreError> {
        let is_restricted = outcome.restricted_until.is_some();
        let finished = self.commit.ask(|reply| Write::Finish(attempt, Box::new(outcome), reply)).await;
        if is_restricted {
            // Its row changed.
            self.forget_account(attempt.account);
        }
        finished
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

/// The task that writes.
struct Task {
    writer: Writer,
    waiting: mpsc::Receiver<Write>,
    is_failing: Arc<AtomicBool>,
    /// About how many messages are in no list.
    unlisted: u64,
}

impl Task {
    async fn run(mut self, closing: CancellationToken) {
        let mut held: Option<Write> = None;
        loop {
            let first = match held.take() {
                Some(write) => Some(write),
                None => tokio::select! {
                    biased;
                    write = self.waiting.recv() => write,
                    () = closing.cancelled() => None,
                    () = std::future::ready(()), if self.unlisted >= listing::SLICE && !self.is_failing() => {
                        self.list().await;
                        continue;
                    }
                },
            };
            let Some(first) = first else { break };
            let mut rows = first.rows();
            let mut batch = vec![first];
            while let Ok(write) = self.waiting.try_recv() {
                rows += write.rows();
                if rows > BATCH {
                    held = Some(write);
                    break;
                }
                batch.push(write);
            }
            self.commit(batch).await;
            if self.unlisted > listing::MOST && !self.is_failing() {
                self.list().await;
            }
        }
        while self.unlisted > 0 && !self.is_failing() {
            self.list().await;
        }
        self.writer.close().await;
    }

    fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Lists some of the messages that are in no list. If that fails, it is tried again after
    /// something else could be written.
    async fn list(&mut self) {
        let listed = self.writer.write(async |tx| listing::list(tx).await).await;
        self.is_failing.store(listed.is_err(), Ordering::Relaxed);
        match listed {
            Ok(left) => self.unlisted = left,
            Err(error) => tracing::warn!(%error, "messages are listed later"),
        }
    }

    async fn commit(&mut self, batch: Vec<Write>) {
        let mut parts = vec![batch];
        while let Some(mut batch) = parts.pop() {
            match self.write(&mut batch).await {
                Ok(written) => {
                    self.unlisted += written.accepted() as u64;
                    written.tell(batch);
                }
                Err(StoreError::Broken(error)) if batch.len() > 1 => {
                    tracing::error!(%error, writes = batch.len(), "a batch was refused; it is written half by half");
                    parts.push(batch.split_off(batch.len() / 2));
                    parts.push(batch);
                }
                Err(error @ StoreError::Broken(_)) => batch.into_iter().for_each(|write| write.refuse(error.clone())),
                Err(error) => {
                    // Nor is a database that left in the middle waited for by each of the rest.
                    let rest = batch.into_iter().chain(parts.drain(..).rev().flatten());
                    rest.for_each(|write| write.refuse(error.clone()));
                }
            }
        }
    }

    async fn write(&mut self, batch: &mut [Write]) -> Result<Written, StoreError> {
        let written = self.writer.write(async |tx| write_all(tx, batch).await).await;
        self.is_failing.store(matches!(written, Err(StoreError::Down(_))), Ordering::Relaxed);
        written
    }
}
