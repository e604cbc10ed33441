//! Rebuilds an account's queue and pace from the rows, which are the truth: after a start, after
//! Redis lost its memory or was away, after the limits changed. An untouched queue costs two counts.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};
use entity::message::Status;

use super::tell;
use crate::app::App;
use crate::pacing::{Pace, Policy, clamp, plan};
use crate::queue::{Entry, Overview, Unavailable};
use crate::store::StoreError;
use crate::store::account::Account;
use crate::store::message::{Begun, Outcome, Paced};

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

/// Brings the account's queue in line with the rows. `owner` is the epoch of the lane that does
/// it: only that lane knows that nothing of its own is in flight, so only it may say of messages
/// that are that their outcome is lost. `heard_of` is called as it gets on.
pub async fn restore(
    app: &App,
    account: &Account,
    owner: Option<i64>,
    heard_of: &(dyn Fn() + Send + Sync),
) -> Result<(), RestoreError> {
    let policy = account.policy(&app.config.presets);
    let now = app.clock.now();
    let mut pace = app.store.pace(account.id, &policy, now).await?;
    pace.next_at = pace.next_at.map(|planned| clamp(&policy, &pace, planned, now));
    if owner.is_some() {
        for (message, begun) in app.store.in_flight(account.id).await? {
            lose(app, account, message, &begun, &policy, &mut pace, now).await?;
        }
    }
    let overview = app.queue.overview(account.id).await?;
    let queued = app.store.count_queued(account.id).await?;
    if !is_intact(app, account.id, overview, queued).await? {
        if queued > 0 {
            tracing::info!(account.id = %account.id, queued, "the queue is rebuilt from the database");
            app.telemetry.restored.inc();
        }
        app.queue.forget(account.id).await?;
        refill(app, account.id, heard_of).await?;
    }
    let epoch = owner.unwrap_or(account.epoch);
    Ok(app.queue.remember(account.id, epoch, account.is_paused, &pace).await?)
}

/// The account's queue at a glance, restored first if it is lost.
pub async fn overview(app: &App, account: &Account) -> Result<Overview, RestoreError> {
    if let Some(overview) = app.queue.overview(account.id).await? {
        return Ok(overview);
    }
    restore(app, account, None, &|| ()).await?;
    let lost = || Unavailable(anyhow::anyhow!("the queue forgot the account again"));
    Ok(app.queue.overview(account.id).await?.ok_or_else(lost)?)
}

/// The outcome of an attempt was lost: the message may have left, so it is not sent again, and it counts.
async fn lose(
    app: &App,
    account: &Account,
    message: MessageId,
    begun: &Begun,
    policy: &Policy,
    pace: &mut Pace,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    pace.record(policy, now, std::time::Duration::from_millis(u64::from(pace.took_ms)));
    pace.next_at = Some(plan(policy, pace, now, &mut rand::rng()));
    let outcome = Outcome {
        status: Some(Status::Uncertain),
        error: Some(("interrupted", "the server stopped while the message was being sent".to_owned())),
        is_attempt: true,
        paced: Some(Paced::of(pace, now)),
        filing: Some(tell::filing(app, account, begun, None, now)),
        ..Outcome::default()
    };
    let entered = app.store.finish(message, outcome.clone()).await?;
    tracing::warn!(account.id = %account.id, message.id = %message, "interrupted while sending: uncertain");
    tell::ended(app, account, message, begun, &outcome, entered);
    Ok(())
}

/// Whether the queue holds as many messages as the rows say. One in flight whose row has moved on
/// is taken out first: that is what an ordinary crash leaves behind.
async fn is_intact(
    app: &App,
    account: AccountId,
    overview: Option<Overview>,
    queued: u64,
) -> Result<bool, RestoreError> {
    let Some(overview) = overview else { return Ok(false) };
    let mut held = overview.len();
    if let Some(entry) = overview.in_flight
        && !app.store.is_queued(entry.message).await?
    {
        app.queue.remove(account, &[entry]).await?;
        held -= 1;
    }
    Ok(held == queued)
}

async fn refill(app: &App, account: AccountId, heard_of: &(dyn Fn() + Send + Sync)) -> Result<(), RestoreError> {
    let mut after = None;
    loop {
        let (entries, last): (Vec<Entry>, _) = app.store.queued_after(account, after, BATCH).await?;
        if entries.is_empty() {
            return Ok(());
        }
        app.queue.enqueue(account, &entries).await?;
        heard_of();
        after = last;
    }
}
