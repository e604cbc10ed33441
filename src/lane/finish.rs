//! How an attempt ended, told to its row and then to the world.

use std::sync::atomic::Ordering;
use std::time::Duration;

use entity::message::Status;

use super::run::Lane;
use super::tell;
use crate::store::StoreError;
use crate::store::message::{Attempt, Begun, Finished, Outcome};

/// The pause before a store or queue that does not answer is told again.
const AGAIN: Duration = Duration::from_millis(500);

/// What became of telling the row.
pub(super) enum Told {
    /// It says how the attempt ended, and so was the world told.
    News,
    /// Somebody else had ended it.
    Old,
    /// The server stops, and could not.
    Nothing,
}

/// Tells the row how an attempt ended, and then the world. It is not given up before the server itself
/// stops: what the row is told here nobody else knows.
pub(super) async fn finish(lane: &Lane, attempt: Attempt, begun: &Begun, mut outcome: Outcome) -> Told {
    let status = outcome.status.unwrap_or(Status::Uncertain);
    let mut was_written = false;
    loop {
        match lane.kit().store.finish(attempt, outcome.clone()).await {
            Ok(Finished::Written) => break,
            // The database had answered that it did not write it, and was wrong.
            Ok(Finished::Settled) if was_written => break,
            Ok(Finished::Settled) => {
                // Somebody else took the account, and found this in flight.
                lane.signals.is_stale.store(true, Ordering::Release);
                return Told::Old;
            }
            Err(StoreError::Broken(error)) if outcome != outcome.clone().bare() => {
                tracing::error!(account.id = %lane.id, message.id = %attempt.message, %error,
                                "an outcome is written without the messenger's words");
                outcome = outcome.bare();
                continue;
            }
            Err(StoreError::Broken(error)) => {
                tracing::error!(account.id = %lane.id, message.id = %attempt.message, %error, "an outcome is refused");
                // What is in flight is uncertain to whoever restores.
                lane.signals.is_stale.store(true, Ordering::Release);
                return Told::Old;
            }
            Err(error) => {
                was_written = true;
                tracing::error!(account.id = %lane.id, message.id = %attempt.message, %error,
                                "an outcome waits for the database");
            }
        }
        if lane.lanes.stop.is_cancelled() {
            // The next start finds it in flight, and must take it for uncertain.
            return Told::Nothing;
        }
        pause(lane).await;
    }
    lane.kit().telemetry.settled.with_label_values(&[status.as_str()]).inc();
    tell::ended(lane.kit(), &lane.account, attempt.message, begun, &outcome);
    Told::News
}

/// Waits a moment before somebody who does not answer is told again.
pub(super) async fn pause(lane: &Lane) {
    lane.promise(AGAIN);
    lane.kit().clock.sleep(AGAIN).await;
}
