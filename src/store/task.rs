//! The task that writes: batch after batch, and in between what can wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, DbErr};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::StoreError;
use super::backlog::Backlog;
use super::checkpoint::Checkpoints;
use super::commit::FileRequest;
use super::filing;
use super::listing;
use super::write::{Write, write_all};
use super::writer::Writer;

/// Rows in one transaction at most: enough to make `fsync` cheap, few enough to answer soon.
const BATCH: usize = 1_000;
/// How long nothing comes in before what can wait is done …
const LULL: Duration = Duration::from_millis(20);
/// … and how many commits what left waits for such a lull.
const PATIENCE: u32 = 8;

/// How long before all that waits is looked through again, in a lull.
const AGAIN: Duration = Duration::from_secs(600);

/// The task.
pub(super) struct Task {
    writer: Writer,
    /// What SQLite needs besides.
    checkpoints: Option<Checkpoints>,
    waiting: mpsc::Receiver<Write>,
    filing: mpsc::Receiver<FileRequest>,
    /// Who waits for something to be filed.
    filer: Option<FileRequest>,
    is_failing: Arc<AtomicBool>,
    /// The messages that are in no list …
    unlisted: Backlog,
    /// … and those that are not filed, for how many commits.
    unfiled: Backlog,
    waited: u32,
    /// When all of both is looked through again.
    again: BoxFuture<'static, ()>,
}

/// Returns after that time.
fn after(span: Duration) -> BoxFuture<'static, ()> {
    Box::pin(async move { drop(tokio::time::timeout(span, std::future::pending::<()>()).await) })
}

impl Task {
    /// One that writes what waits, and files what is asked for.
    pub(super) fn new(
        writer: Writer,
        checkpoints: Option<Checkpoints>,
        waiting: mpsc::Receiver<Write>,
        filing: mpsc::Receiver<FileRequest>,
        is_failing: Arc<AtomicBool>,
    ) -> Self {
        // What an earlier server left is looked for at the first opportunity.
        let (unlisted, unfiled) = (Backlog::new(listing::SLICE), Backlog::new(1));
        Self {
            writer,
            checkpoints,
            waiting,
            filing,
            filer: None,
            is_failing,
            unlisted,
            unfiled,
            waited: 0,
            again: after(AGAIN),
        }
    }

    pub(super) async fn run(mut self, closing: CancellationToken) {
        let mut held: Option<Write> = None;
        loop {
            let first = match held.take() {
                Some(write) => Some(write),
                None => self.next(&closing).await,
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
            self.wrote(rows).await;
            self.waited += u32::from(self.unfiled.count() > 0);
            if self.unfiled.count() >= filing::SLICE || self.waited >= PATIENCE {
                self.file().await;
            }
            if self.unlisted.count() >= listing::MOST {
                self.list().await;
            }
        }
        while self.unlisted.count() > 0 && !self.is_failing() {
            self.list().await;
        }
        if let Some(checkpoints) = self.checkpoints {
            checkpoints.close().await;
        }
        self.writer.close().await;
    }

    /// So many rows were written.
    async fn wrote(&mut self, rows: usize) {
        if let Some(checkpoints) = &mut self.checkpoints
            && checkpoints.wrote(rows).await
        {
            self.writer.begin_log_anew().await;
        }
    }

    /// The next write. In a lull before it, what can wait is done.
    async fn next(&mut self, closing: &CancellationToken) -> Option<Write> {
        loop {
            let can_list = self.unlisted.count() >= listing::SLICE && !self.is_failing();
            let can_work = can_list || self.unfiled.count() > 0 && self.filer.is_some();
            tokio::select! {
                biased;
                write = self.waiting.recv() => return write,
                () = closing.cancelled() => return None,
                () = &mut self.again => {
                    self.again = after(AGAIN);
                    self.unlisted.look_again();
                    self.unfiled.look_again();
                }
                request = self.filing.recv(), if self.filer.is_none() => self.filer = request,
                _ = tokio::time::timeout(LULL, std::future::pending::<()>()), if can_work => {
                    self.file().await;
                    if can_list {
                        self.list().await;
                    }
                }
            }
        }
    }

    /// Files some of the messages that left, if somebody asks for it. A slice that is refused is halved,
    /// so that one that can't be filed never keeps its neighbours out; alone, it is left out.
    async fn file(&mut self) {
        self.waited = 0;
        if self.unfiled.count() == 0 {
            return;
        }
        let Some(request) = self.filer.take().or_else(|| self.filing.try_recv().ok()) else { return };
        let (from, mut most) = (self.unfiled.from(), filing::SLICE);
        let filed = loop {
            let filed = self.transact(async |tx| filing::file(tx, &*request.day_of, from, most).await).await;
            match filed {
                Err(StoreError::Broken(error)) if most > 1 => {
                    tracing::error!(%error, most, "messages are refused by their chats; fewer are tried");
                    most /= 2;
                }
                Err(StoreError::Broken(error)) => {
                    tracing::error!(%error, "a message is refused by its chat, and is in none");
                    break self.transact(async |tx| filing::leave_out(tx, from).await).await.map(|()| Vec::new());
                }
                filed => break filed,
            }
        };
        if let Ok(posted) = &filed {
            let last = posted.iter().filter_map(|posted| posted.message.filed_seq).max();
            // After a slice that was made smaller, the rest still waits.
            let is_rest = most < filing::SLICE;
            self.unfiled.done(posted.len() as u64, if is_rest { posted.len() as u64 } else { most }, last);
            self.wrote(posted.len()).await;
        }
        // Who no longer waits finds them in the rows.
        let _ = request.reply.send(filed);
    }

    fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Lists some of the messages that are in no list. If that fails, it is tried again after
    /// something else could be written.
    async fn list(&mut self) {
        let from = self.unlisted.from();
        match self.transact(async |tx| listing::list(tx, from).await).await {
            Ok((count, last)) => {
                self.unlisted.done(count, listing::SLICE, last);
                self.wrote(listing::SLICE as usize).await;
            }
            Err(error) => {
                tracing::warn!(%error, "messages are listed later");
                self.is_failing.store(true, Ordering::Relaxed);
            }
        }
    }

    async fn commit(&mut self, batch: Vec<Write>) {
        let mut parts = vec![batch];
        while let Some(mut batch) = parts.pop() {
            match self.transact(async |tx| write_all(tx, &mut batch).await).await {
                Ok(written) => {
                    let ((unlisted, id), (unfiled, place)) = (written.unlisted(), written.unfiled());
                    self.unlisted.add(unlisted, id);
                    self.unfiled.add(unfiled, place);
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

    /// Runs `work` in one transaction, and keeps in mind whether that is possible.
    async fn transact<T>(
        &mut self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, DbErr>,
    ) -> Result<T, StoreError> {
        let done = self.writer.write(work).await;
        self.is_failing.store(matches!(done, Err(StoreError::Down(_))), Ordering::Relaxed);
        done
    }
}
