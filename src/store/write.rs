//! What the group commit writes in one transaction: many writes of each kind by few statements, and
//! afterwards to each the answer to its own.

use std::collections::HashMap;

use entity::ids::{AccountId, MessageId};
use sea_orm::{DatabaseTransaction, DbErr};
use tokio::sync::oneshot;

use super::StoreError;
use super::accept;
use super::attempt;
use super::change::Change;
use super::message::{Attempt, Beginning, Finished, Kept, Moved, NewMessage, Outcome, Receipt};
use super::report::{self, Filed, Report};
use super::tally::Tally;

/// The way back to who waits.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to be written, and who waits for it.
pub(super) enum Write {
    Accept(Vec<NewMessage>, Reply<Vec<Kept>>),
    Begin(Attempt, Reply<Beginning>),
    Unbegin(Attempt, Reply<()>),
    Finish(Attempt, Box<Outcome>, Reply<Finished>),
    Receive(Vec<Receipt>, Reply<Vec<Moved>>),
    Report(Vec<Report>, Vec<(AccountId, i64)>, Reply<Vec<Filed>>),
    Change(Box<dyn Change>),
}

impl Write {
    /// How much it counts for in a batch.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Accept(rows, _) => rows.len(),
            Self::Receive(receipts, _) => receipts.len(),
            Self::Report(reports, ..) => reports.len(),
            Self::Begin(..) | Self::Unbegin(..) | Self::Finish(..) | Self::Change(_) => 1,
        }
    }

    /// Tells who waits that it was not written.
    pub(super) fn refuse(self, error: StoreError) {
        // Who no longer waits need not hear it.
        match self {
            Self::Accept(_, reply) => drop(reply.send(Err(error))),
            Self::Begin(_, reply) => drop(reply.send(Err(error))),
            Self::Unbegin(_, reply) => drop(reply.send(Err(error))),
            Self::Finish(_, _, reply) => drop(reply.send(Err(error))),
            Self::Receive(_, reply) => drop(reply.send(Err(error))),
            Self::Report(_, _, reply) => drop(reply.send(Err(error))),
            Self::Change(change) => change.tell(Err(error)),
        }
    }
}

/// What one transaction wrote, to be told apart again.
pub(super) struct Written {
    kept: Vec<Kept>,
    beginnings: HashMap<MessageId, Beginning>,
    moved: Vec<Moved>,
    /// The lowest id of those that were accepted.
    unlisted_from: Option<i64>,
    finished: HashMap<MessageId, Option<i64>>,
    /// How many of them are still to be filed, and the first of their places.
    unfiled: usize,
    unfiled_from: Option<i64>,
    filed: HashMap<MessageId, Filed>,
}

/// Writes a batch in the transaction.
pub(super) async fn write_all(tx: &DatabaseTransaction, batch: &mut [Write]) -> Result<Written, DbErr> {
    // First, since some keep others from beginning attempts, and must not wait for it with some begun.
    for write in &mut *batch {
        if let Write::Change(change) = write {
            change.apply(tx).await?;
        }
    }
    let (mut rows, mut asked, mut undone, mut outcomes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut receipts, mut reports, mut positions) = (Vec::new(), Vec::new(), Vec::new());
    for write in &*batch {
        match write {
            Write::Accept(messages, _) => rows.extend(messages),
            Write::Begin(attempt, _) => asked.push(*attempt),
            Write::Unbegin(attempt, _) => undone.push(*attempt),
            Write::Finish(attempt, outcome, _) => outcomes.push((*attempt, outcome.as_ref())),
            Write::Receive(some, _) => receipts.extend_from_slice(some),
            Write::Report(some, notes, _) => {
                reports.extend(some);
                positions.extend_from_slice(notes);
            }
            Write::Change(_) => {}
        }
    }
    let mut tally = Tally::default();
    let kept = accept::accept(tx, &rows, &mut tally).await?;
    let beginnings = attempt::begin(tx, &asked).await?;
    attempt::unbegin(tx, &undone).await?;
    let finished = attempt::finish(tx, &outcomes).await?;
    let filed_later =
        |(attempt, outcome): &&(Attempt, &Outcome)| outcome.filing.is_some() && finished.contains_key(&attempt.message);
    let unfiled = outcomes.iter().filter(filed_later).count();
    let place = |(attempt, _): &(Attempt, &Outcome)| finished.get(&attempt.message).copied().flatten();
    let unfiled_from = outcomes.iter().filter(filed_later).filter_map(place).min();
    let unlisted_from = rows.iter().map(|row| row.id.number()).min();
    let moved = attempt::receive(tx, &receipts, &mut tally).await?;
    let filed = report::report(tx, &reports, &mut tally).await?;
    tally.add(tx).await?;
    for (account, position) in positions {
        report::note_position(tx, account, position).await?;
    }
    let filed = filed.into_iter().map(|filed| (filed.report.id, filed)).collect();
    Ok(Written { kept, beginnings, moved, unlisted_from, finished, unfiled, unfiled_from, filed })
}

impl Written {
    /// How many messages are in no list yet for it, and the lowest of their ids …
    pub(super) fn unlisted(&self) -> (usize, Option<i64>) {
        (self.kept.len(), self.unlisted_from)
    }

    /// … and how many are not filed yet, and the first of their places.
    pub(super) fn unfiled(&self) -> (usize, Option<i64>) {
        (self.unfiled, self.unfiled_from)
    }

    /// Tells everybody who waits what became of theirs.
    pub(super) fn tell(mut self, batch: Vec<Write>) {
        let mut kept = self.kept.into_iter();
        for write in batch {
            match write {
                Write::Accept(rows, reply) => drop(reply.send(Ok(kept.by_ref().take(rows.len()).collect()))),
                Write::Begin(attempt, reply) => {
                    let beginning = self.beginnings.remove(&attempt.message).unwrap_or(Beginning::NotQueued);
                    drop(reply.send(Ok(beginning)));
                }
                Write::Unbegin(_, reply) => drop(reply.send(Ok(()))),
                Write::Finish(attempt, _, reply) => {
                    let is_news = self.finished.remove(&attempt.message).is_some();
                    drop(reply.send(Ok(if is_news { Finished::Written } else { Finished::Settled })));
                }
                Write::Report(reports, _, reply) => {
                    let filed = reports.iter().filter_map(|report| self.filed.remove(&report.id));
                    drop(reply.send(Ok(filed.collect())));
                }
                Write::Receive(asked, reply) => {
                    let is_asked = |moved: &Moved| asked.iter().any(|r| r.message == moved.receipt.message);
                    drop(reply.send(Ok(self.moved.extract_if(.., |moved| is_asked(moved)).collect())));
                }
                Write::Change(change) => change.tell(Ok(())),
            }
        }
    }
}
