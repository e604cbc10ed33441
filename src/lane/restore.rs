//! Brings an account's queue in line with the rows, which are the truth: after a start, after Redis
//! lost its memory or was away, after the limits changed. A queue that agrees with its rows costs
//! two numbers of each; another is rebuilt beside the one in use, and put in its place in one step.
//!
//! An account's lane does it, one at a time. Where there is none, the [`super::strangers`] do.

use chrono::{DateTime, Utc};
use entity::message::Status;

use super::{Kit, tell};
use crate::logs::step;
use crate::pacing::{Pace, Policy, clamp, plan};
use crate::queue::{Builder, Unavailable};
use crate::store::account::Account;
use crate::store::message::{Attempt, Begun, Finished, Outcome, Paced};
use crate::store::{Store, StoreError, instant};

/// Messages put back in one step.
const BATCH: u64 = 5_000;

/// Why it has to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The rows can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue can't be written.
    #[error(transparent)]
    Queue(#[from] Unavailable),
}

/// The lane's own: what an earlier lane had in flight is over, its outcome lost. `heard_of` is
/// called as it gets on.
pub(super) async fn by_lane(
    kit: &Kit,
    account: &Account,
    epoch: i64,
    heard_of: &(dyn Fn() + Send + Sync),
) -> Result<(), RestoreError> {
    let policy = account.policy(&kit.presets);
    let mut pace = pace(&kit.store, account, &policy, kit.clock.now()).await?;
    for (attempt, begun) in kit.store.in_flight(account.id, epoch).await? {
        lose(kit, account, attempt, &begun, &policy, &mut pace).await?;
    }
    if agrees(kit, account).await? {
        return Ok(kit.queue.remember(account.id, epoch, &pace).await?);
    }
    let interrupted = || Unavailable(anyhow::anyhow!("another rebuild of the queue came in between"));
    let is_done = rebuild(kit, account, epoch, Builder::Lane, &pace, heard_of).await?;
    Ok(is_done.then_some(()).ok_or_else(interrupted)?)
}

/// For an account that has no lane here. One that should be connected has a lane elsewhere, or is
/// about to have one, whose word is better.
pub(super) async fn by_stranger(kit: &Kit, account: &Account) -> Result<(), RestoreError> {
    let policy = account.policy(&kit.presets);
    let pace = pace(&kit.store, account, &policy, kit.clock.now()).await?;
    let builder = if account.should_connect { Builder::Stranger } else { Builder::Lane };
    if !agrees(kit, account).await? {
        rebuild(kit, account, account.epoch, builder, &pace, &|| ()).await?;
    } else if builder == Builder::Lane {
        kit.queue.remember(account.id, account.epoch, &pace).await?;
    }
    Ok(())
}

/// What was counted, as of now: the limits may have changed since, and the messenger may have
/// asked to wait.
pub async fn pace(store: &Store, account: &Account, policy: &Policy, now: DateTime<Utc>) -> Result<Pace, StoreError> {
    let mut pace = store.pace(account.id, policy, now).await?;
    pace.next_at = pace.next_at.map(|planned| clamp(policy, &pace, planned, now));
    let restricted_until = account.restricted_until_ms.map(instant).filter(|until| *until > now);
    pace.next_at = pace.next_at.max(restricted_until);
    Ok(pace)
}

/// The outcome of an attempt was lost: the message may have left, so it is not sent again, and it counts.
async fn lose(
    kit: &Kit,
    account: &Account,
    attempt: Attempt,
    begun: &Begun,
    policy: &Policy,
    pace: &mut Pace,
) -> Result<(), StoreError> {
    let now = kit.clock.now();
    let mut counted = pace.clone();
    counted.record(policy, now, std::time::Duration::from_millis(u64::from(pace.took_ms)));
    counted.next_at = Some(plan(policy, &counted, now, &mut rand::rng())).max(pace.next_at);
    let outcome = Outcome {
        status: Some(Status::Uncertain),
        error: Some(("interrupted", "the server stopped while the message was being sent".to_owned())),
        is_attempt: true,
        paced: Some(Paced::of(&counted, now)),
        filing: Some(tell::filing(kit, account, begun, None)),
        ..Outcome::default()
    };
    if kit.store.finish(attempt, outcome.clone()).await? == Finished::Written {
        *pace = counted;
        tell::ended(kit, account, attempt.message, begun, &outcome);
    }
    Ok(())
}

/// Whether the queue holds what the rows say. A claim whose row has moved on is taken out first:
/// that is what an ordinary crash leaves behind.
pub(super) async fn agrees(kit: &Kit, account: &Account) -> Result<bool, RestoreError> {
    let Some(overview) = kit.queue.overview(account.id).await? else { return Ok(false) };
    let queued = kit.store.queued(account.id).await?;
    if overview.held() == queued {
        return Ok(true);
    }
    let Some(entry) = overview.in_flight else { return Ok(false) };
    if kit.store.is_queued(entry.message).await? {
        return Ok(false);
    }
    kit.queue.remove(account.id, &[entry]).await?;
    Ok(kit.queue.overview(account.id).await?.is_some_and(|overview| overview.held() == queued))
}

/// Answers whether the rebuilt line took the place of the one in use.
async fn rebuild(
    kit: &Kit,
    account: &Account,
    epoch: i64,
    builder: Builder,
    pace: &Pace,
    heard_of: &(dyn Fn() + Send + Sync),
) -> Result<bool, RestoreError> {
    // Before the rows are read, so that what comes in meanwhile is in both lines.
    let Some(rebuild) = kit.queue.rebuild(account.id, epoch, builder).await? else { return Ok(false) };
    let (mut after, mut count) = (None, 0);
    loop {
        let (entries, last) = kit.store.queued_after(account.id, after, BATCH).await?;
        if entries.is_empty() {
            break;
        }
        if !kit.queue.refill(&rebuild, &entries).await? {
            return Ok(false);
        }
        heard_of();
        (after, count) = (last, count + entries.len());
    }
    let is_done = kit.queue.switch(rebuild, pace).await?;
    if is_done && count > 0 {
        step!(info, account.id, "the queue is rebuilt from the database", queued = count);
        kit.telemetry.restored.inc();
    }
    Ok(is_done)
}
