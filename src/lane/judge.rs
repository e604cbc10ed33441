//! What a gateway's answer to a message means for the row, for the queue and for the pace.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::message::Status;

use super::retry;
use super::run::Lane;
use crate::gateway::{SendError, Taken};
use crate::pacing::{Pace, Policy, plan};
use crate::queue::Settlement;
use crate::store::message::{Begun, Outcome, Paced};

/// A messenger's words in a row, at most.
const REASON: usize = 500;

/// What it means. `before` is what was counted before the message, `took` how long the answer took.
pub(super) fn judge(
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
        Err(SendError::Refused { code, reason }) => {
            let error = Some((code, short(&reason)));
            done(Outcome { status: Some(Status::Failed), error, ..Outcome::default() })
        }
        Err(SendError::Uncertain { cause }) => {
            let error = Some(("uncertain", short(&format!("{cause:#}"))));
            done(Outcome { status: Some(Status::Uncertain), error, ..Outcome::default() })
        }
        Err(SendError::Held { after, reason }) => {
            let at = now + after;
            let error = Some(("held", short(&reason)));
            let outcome = Outcome { status: Some(Status::Queued), error, due_at: Some(at), ..Outcome::default() };
            (outcome, Settlement::Later { at, pace: uncounted(now) })
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

/// A messenger's words, cut to what a row keeps.
fn short(reason: &str) -> String {
    reason.chars().filter(|c| *c != '\0').take(REASON).collect()
}
