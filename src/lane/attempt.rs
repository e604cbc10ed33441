//! One attempt, straight down: write the intent, send, and settle by what the gateway says. The
//! only caller of `Gateway::send`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use entity::message::Status;

use super::run::{Lane, Step};
use super::{retry, tell};
use crate::gateway::{Outgoing, SendError, Taken, Text};
use crate::pacing::{Pace, Policy, plan};
use crate::phone::Recipient;
use crate::queue::{Claim, Settled, Settlement};
use crate::store::StoreError;
use crate::store::message::{Attempt, Beginning, Begun, Finished, Outcome, Paced};

/// The pause before a store or queue that does not answer is told again.
const AGAIN: Duration = Duration::from_millis(500);
/// A messenger's words in a row, at most.
const REASON: usize = 500;

/// Sends the claimed message. `planned` is the instant the lane waited for.
pub(super) async fn attempt(lane: &Lane, claim: Claim, policy: &Policy, planned: Option<DateTime<Utc>>) -> Step {
    let Some(gateway) = lane.kit().sessions.gateway(lane.id) else {
        return put_back(lane, claim).await;
    };
    let attempt = Attempt {
        account: lane.id,
        message: claim.message,
        epoch: lane.epoch,
        token: rand::random(),
        at: lane.kit().clock.now(),
    };
    let begun = match lane.kit().store.begin(attempt).await {
        Ok(Beginning::Begun(begun)) => begun,
        Ok(Beginning::Expired) => {
            lane.kit().telemetry.settled.with_label_values(&[Status::Expired.as_str()]).inc();
            tell::moved(lane.kit(), &lane.account, claim.message, Status::Expired, None);
            return drop_claim(lane, claim).await;
        }
        Ok(Beginning::NotQueued) => {
            // The queue had what the rows have not: it may lack what they have.
            lane.signals.is_stale.store(true, Ordering::Release);
            return drop_claim(lane, claim).await;
        }
        Ok(Beginning::Held) => {
            lane.kit().store.forget_account(lane.id);
            return put_back(lane, claim).await;
        }
        Ok(Beginning::Lost) => return lane.lost(),
        Err(error) => {
            tracing::warn!(account.id = %lane.id, %error, "an intent could not be written; the message waits");
            // Whether the row moved is not known; nothing left, so it goes back either way.
            while lane.kit().store.unbegin(attempt).await.is_err() {
                if lane.lanes.stop.is_cancelled() {
                    // The next start finds it in flight, and must take it for uncertain.
                    return Step::End;
                }
                pause(lane).await;
            }
            return put_back(lane, claim).await;
        }
    };
    let outgoing = Outgoing {
        message: claim.message,
        recipient: Recipient::stored(begun.recipient.clone()),
        text: Text(begun.text.clone()),
    };
    let began = lane.kit().clock.now();
    let deadline = lane.kit().send_deadline;
    lane.promise(deadline);
    if let Some(late) = planned.and_then(|planned| (began - planned).to_std().ok()) {
        lane.kit().telemetry.lateness.observe(late.as_secs_f64());
    }
    let result = tokio::select! {
        result = lane.kit().clock.timeout(deadline, gateway.send(&outgoing)) => result.unwrap_or_else(|_| {
            Err(SendError::Uncertain { cause: anyhow!("no answer within {} s", deadline.as_secs()) })
        }),
        () = lane.lanes.stop.cancelled() => Err(SendError::Uncertain { cause: anyhow!("stopped while sending") }),
    };
    let now = lane.kit().clock.now();
    let took = (now - began).to_std().unwrap_or_default();
    lane.kit().telemetry.send.observe(took.as_secs_f64());
    let chat = result.as_ref().ok().and_then(|taken| taken.chat.clone());
    let (mut outcome, settlement) = judge(lane, &claim.pace, policy, &begun, result, now, took);
    if matches!(outcome.status, Some(Status::Sent | Status::Uncertain)) {
        outcome.filing = Some(tell::filing(lane.kit(), &lane.account, &begun, chat));
    }
    finish(lane, claim, attempt, &begun, outcome, settlement).await
}

/// What the gateway's answer means for the row and for the queue.
fn judge(
    lane: &Lane,
    before: &Pace,
    policy: &Policy,
    begun: &Begun,
    result: Result<Taken, SendError>,
    now: DateTime<Utc>,
    took: Duration,
) -> (Outcome, Settlement) {
    let mut rng = rand::rng();
    let mut counted = before.clone();
    counted.record(policy, now, took);
    counted.next_at = Some(plan(policy, &counted, now, &mut rng));
    let paced = Some(Paced::of(&counted, now));
    let done = |outcome: Outcome| (Outcome { is_attempt: true, paced, ..outcome }, Settlement::Done { pace: counted });
    let uncounted = |next_at| Pace { next_at: Some(next_at), ..before.clone() };
    match result {
        Ok(taken) => {
            lane.kit().sessions.alive(lane.id, now);
            let provider_message_id = Some(taken.provider_message_id);
            done(Outcome { status: Some(Status::Sent), sent_at: Some(now), provider_message_id, ..Outcome::default() })
        }
        Err(SendError::Refused { reason }) => {
            let error = Some(("refused", short(&reason)));
            done(Outcome { status: Some(Status::Failed), error, ..Outcome::default() })
        }
        Err(SendError::Uncertain { cause }) => {
            let error = Some(("uncertain", short(&format!("{cause:#}"))));
            done(Outcome { status: Some(Status::Uncertain), error, ..Outcome::default() })
        }
        Err(SendError::Later { after: Some(after), cause }) => {
            let at = now + after;
            let outcome = Outcome {
                status: Some(Status::Queued),
                error: Some(("later", short(&format!("{cause:#}")))),
                due_at: Some(at),
                restricted_until: Some(at),
                ..Outcome::default()
            };
            (outcome, Settlement::Later { at, pace: uncounted(at) })
        }
        Err(SendError::Later { after: None, cause }) => {
            let reason = short(&format!("{cause:#}"));
            let next_at = now + policy.delay.draw(&mut rng);
            match retry::backoff(begun.attempts, &mut rng) {
                Some(pause) => {
                    let at = now + pause;
                    let error = Some(("later", reason));
                    let outcome = Outcome {
                        status: Some(Status::Queued),
                        error,
                        due_at: Some(at),
                        is_attempt: true,
                        ..Outcome::default()
                    };
                    (outcome, Settlement::Later { at, pace: uncounted(next_at) })
                }
                None => {
                    let error = Some(("too_many_attempts", reason));
                    let outcome =
                        Outcome { status: Some(Status::Failed), error, is_attempt: true, ..Outcome::default() };
                    (outcome, Settlement::Done { pace: uncounted(next_at) })
                }
            }
        }
        Err(SendError::AccountDown { reason }) => {
            let error = Some(("account_down", short(&reason)));
            let outcome = Outcome { status: Some(Status::Queued), error, ..Outcome::default() };
            (outcome, Settlement::Back { pace: before.clone() })
        }
    }
}

/// Tells the row, then the queue, then the world. Neither of the first two is given up before the
/// server itself stops: what they are told here nobody else knows.
async fn finish(
    lane: &Lane,
    claim: Claim,
    attempt: Attempt,
    begun: &Begun,
    mut outcome: Outcome,
    settlement: Settlement,
) -> Step {
    let status = outcome.status.unwrap_or(Status::Uncertain);
    let is_down = outcome.error.as_ref().is_some_and(|(code, _)| *code == "account_down");
    let mut was_written = false;
    loop {
        match lane.kit().store.finish(attempt, outcome.clone()).await {
            Ok(Finished::Written) => break,
            // The database had answered that it did not write it, and was wrong.
            Ok(Finished::Settled) if was_written => break,
            Ok(Finished::Settled) => {
                // Somebody else took the account, and found this in flight.
                lane.signals.is_stale.store(true, Ordering::Release);
                return drop_claim(lane, claim).await;
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
                return drop_claim(lane, claim).await;
            }
            Err(error) => {
                was_written = true;
                tracing::error!(account.id = %lane.id, message.id = %attempt.message, %error,
                                "an outcome waits for the database");
            }
        }
        if lane.lanes.stop.is_cancelled() {
            // The next start finds it in flight, and must take it for uncertain.
            return Step::End;
        }
        pause(lane).await;
    }
    lane.kit().telemetry.settled.with_label_values(&[status.as_str()]).inc();
    tell::ended(lane.kit(), &lane.account, claim.message, begun, &outcome);
    tracing::debug!(account.id = %lane.id, message.id = %claim.message, %status, "an attempt ended");
    let step = settle(lane, claim, settlement).await;
    // The gateway reports why as well; the inbox then wakes this lane to see where it stands.
    if is_down { Step::Wait(None) } else { step }
}

/// Ends a claim whose message needs nothing more; what was counted stays as it was.
async fn drop_claim(lane: &Lane, claim: Claim) -> Step {
    let pace = claim.pace.clone();
    settle(lane, claim, Settlement::Done { pace }).await
}

/// Gives a claim back unharmed.
async fn put_back(lane: &Lane, claim: Claim) -> Step {
    let pace = claim.pace.clone();
    settle(lane, claim, Settlement::Back { pace }).await
}

async fn settle(lane: &Lane, mut claim: Claim, settlement: Settlement) -> Step {
    loop {
        match lane.kit().queue.settle(claim, settlement.clone()).await {
            Ok(Settled::Yes) => return Step::Next,
            Ok(Settled::Forgotten) => {
                lane.signals.is_stale.store(true, Ordering::Release);
                return Step::Next;
            }
            Ok(Settled::Lost) => return lane.lost(),
            Err((unsettled, error)) => {
                tracing::warn!(account.id = %lane.id, %error, "a settlement waits for the queue");
                claim = unsettled;
                if lane.lanes.stop.is_cancelled() {
                    // The row knows; the next start restores the queue from it.
                    return Step::End;
                }
                pause(lane).await;
            }
        }
    }
}

async fn pause(lane: &Lane) {
    lane.promise(AGAIN);
    lane.kit().clock.sleep(AGAIN).await;
}

/// A messenger's words, cut to what a row keeps.
fn short(reason: &str) -> String {
    reason.chars().filter(|c| *c != '\0').take(REASON).collect()
}
