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

use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use sea_orm::DbErr;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::change::Change;
use super::checkpoint::Checkpoints;
use super::filing::Posted;
use super::message::{Attempt, Beginning, Finished, Kept, Moved, NewMessage, Outcome, Receipt};
use super::report::{Filed, Report};
use super::task::Task;
use super::write::{Reply, Write};
use super::writer::Writer;
use super::{Store, StoreError};
use crate::clock::Clock;

/// Requests that may wait before the next one waits to be let in.
const WAITING: usize = 10_000;

/// Somebody who waits for messages to be filed, and counts days so.
pub(super) struct FileRequest {
    pub(super) day_of: Box<dyn Fn(DateTime<Utc>) -> i32 + Send + Sync>,
    pub(super) reply: Reply<Vec<Posted>>,
}

/// The way to the task that writes.
pub(super) struct Commit {
    writes: mpsc::Sender<Write>,
    files: mpsc::Sender<FileRequest>,
    /// Whether the last transaction could not be written.
    is_failing: Arc<AtomicBool>,
    /// Cancelled to end the task once what waits is written.
    closing: CancellationToken,
    /// Cancelled when the task is over, however it came to its end.
    ended: CancellationToken,
}

impl Commit {
    pub(super) fn start(writer: Writer, checkpoints: Option<Checkpoints>) -> Self {
        let (writes, waiting) = mpsc::channel(WAITING);
        let (files, filing) = mpsc::channel(1);
        let (is_failing, closing, ended) = <(Arc<AtomicBool>, CancellationToken, CancellationToken)>::default();
        let task = Task::new(writer, checkpoints, waiting, filing, is_failing.clone());
        let (end, over) = (closing.clone(), ended.clone().drop_guard());
        tokio::spawn(async move {
            let _over = over;
            task.run(end).await;
        });
        Self { writes, files, is_failing, closing, ended }
    }

    async fn ask<T>(&self, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, StoreError> {
        ask(&self.writes, write).await
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

/// Hands something over to the task that writes, and waits for its answer.
async fn ask<W, T>(to: &mpsc::Sender<W>, asked: impl FnOnce(Reply<T>) -> W) -> Result<T, StoreError> {
    let gone = || StoreError::Down(DbErr::Custom("the writer has stopped".to_owned()));
    let (reply, answer) = oneshot::channel();
    to.send(asked(reply)).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
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

    /// Files messages that left, once there are some: puts them in their chats and counts them. Does
    /// so when there is nothing more urgent to write, or when there are many. Answers them.
    pub async fn file(&self, clock: &Clock) -> Result<Vec<Posted>, StoreError> {
        let clock = clock.clone();
        let day_of = Box::new(move |at| clock.day_of(at));
        ask(&self.commit.files, |reply| FileRequest { day_of, reply }).await
    }

    /// Writes receipts; answers those that moved their message.
    pub async fn receive(&self, receipts: Vec<Receipt>) -> Result<Vec<Moved>, StoreError> {
        self.commit.ask(|reply| Write::Receive(receipts, reply)).await
    }

    /// Writes what messengers report and up to where they were read, both or neither; answers the
    /// reports that were news.
    pub async fn report(
        &self,
        reports: Vec<Report>,
        positions: Vec<(AccountId, i64)>,
    ) -> Result<Vec<Filed>, StoreError> {
        let sealed = reports.into_iter().map(|report| {
            let media = report.media.map(|came| came.sealed(&self.seal));
            Report { media, ..report }
        });
        let reports = sealed.collect();
        self.commit.ask(|reply| Write::Report(reports, positions, reply)).await
    }
}
