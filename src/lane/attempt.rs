//! Attempts, straight down: write the intent, send, and settle by what the gateway says. The only
//! caller of `Gateway::send`.
//!
//! The row hears first how an attempt ended, and then the queue; unless the account's next message may
//! go at once. Then the queue ends the one and gives the other in one step, and the rows of both are
//! written together: the outcome of the one, the intent for the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use entity::message::Status;

use super::enclose::enclose;
use super::finish::{Told, finish, pause};
use super::judge::judge;
use super::run::{Lane, Step};
use super::{tell, typing};
use crate::gateway::{Attachment, Gateway, Outgoing, SendError, Taken, Text};
use crate::pacing::Policy;
use crate::phone::Recipient;
use crate::queue::{Claim, Settled, Settlement, Turn};
use crate::store::StoreError;
use crate::store::message::{Attempt, Beginning, Begun, Outcome};

/// A claimed message on its way.
struct Sending {
    claim: Claim,
    attempt: Attempt,
    gateway: Arc<dyn Gateway>,
    policy: Policy,
    /// When work on it began, which may be typing.
    since: DateTime<Utc>,
}

impl Sending {
    fn new(lane: &Lane, claim: Claim, gateway: Arc<dyn Gateway>, policy: Policy) -> Self {
        let since = lane.kit().clock.now();
        let (message, token) = (claim.message, rand::random());
        let attempt = Attempt { account: lane.id, message, epoch: lane.epoch, token, at: since };
        Self { claim, attempt, gateway, policy, since }
    }
}

/// What comes of an outcome for the queue.
enum Next {
    /// It is told once the row is.
    Settle(Claim),
    /// It knows, and gave the next.
    Send(Box<Sending>),
    /// It knows, and there is nothing to send at once.
    Step(Step),
}

/// Sends the claimed message, and those after it that may go at once. `planned` is the instant the
/// lane waited for.
pub(super) async fn attempt(lane: &Lane, claim: Claim, policy: Policy, mut planned: Option<DateTime<Utc>>) -> Step {
    let Some(gateway) = lane.kit().sessions.gateway(lane.id) else {
        return put_back(lane, claim).await;
    };
    let mut now = Sending::new(lane, claim, gateway, policy);
    // Nothing has left yet: a message that is cut off while it is typed waits as before.
    if now.policy.typing && !typing::show(lane, &*now.gateway, now.claim.message, planned.take()).await {
        return put_back(lane, now.claim).await;
    }
    now.attempt.at = lane.kit().clock.now();
    let mut beginning = lane.kit().store.begin(now.attempt).await;
    loop {
        let begun = match beginning {
            Ok(Beginning::Begun(begun)) => begun,
            beginning => return not_begun(lane, now, beginning).await,
        };
        let (outcome, settlement) = send(lane, &now, &begun, planned.take()).await;
        let attempt = now.attempt;
        match next(lane, now.claim, &settlement).await {
            Next::Settle(claim) => {
                let is_down = outcome.error.as_ref().is_some_and(|(code, _)| *code == "account_down");
                let step = match finish(lane, attempt, &begun, outcome).await {
                    Told::News => settle(lane, claim, settlement).await,
                    Told::Old => drop_claim(lane, claim).await,
                    Told::Nothing => return Step::End,
                };
                // The gateway reports why as well; the inbox then wakes this lane to see where it stands.
                return if is_down { Step::Wait(None) } else { step };
            }
            Next::Send(next) => {
                let began = lane.kit().store.begin(next.attempt);
                let (told, began) = tokio::join!(finish(lane, attempt, &begun, outcome), began);
                if matches!(told, Told::Nothing) {
                    // It did not leave, which the next start could not know. The queue is restored then.
                    let _ = lane.kit().store.unbegin(next.attempt).await;
                    return Step::End;
                }
                (now, beginning) = (*next, began);
            }
            Next::Step(step) => {
                let told = finish(lane, attempt, &begun, outcome).await;
                return if matches!(told, Told::Nothing) { Step::End } else { step };
            }
        }
    }
}

/// Gives a message back whose attempt did not begin, or drops it.
async fn not_begun(lane: &Lane, sending: Sending, beginning: Result<Beginning, StoreError>) -> Step {
    let Sending { claim, attempt, .. } = sending;
    match beginning {
        Ok(Beginning::Begun(_)) => unreachable!("it began"),
        Ok(Beginning::Expired) => {
            lane.kit().telemetry.settled.with_label_values(&[Status::Expired.as_str()]).inc();
            tell::expired(lane.kit(), &lane.account, claim.message).await;
            drop_claim(lane, claim).await
        }
        Ok(Beginning::NotQueued) => {
            // The queue had what the rows have not: it may lack what they have.
            lane.signals.is_stale.store(true, Ordering::Release);
            drop_claim(lane, claim).await
        }
        Ok(Beginning::Held) => {
            lane.kit().store.forget_account(lane.id);
            put_back(lane, claim).await
        }
        Ok(Beginning::Lost) => lane.lost(),
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
            put_back(lane, claim).await
        }
    }
}

/// Hands a message to its gateway: what its answer means.
async fn send(lane: &Lane, sending: &Sending, begun: &Begun, planned: Option<DateTime<Utc>>) -> (Outcome, Settlement) {
    let began = lane.kit().clock.now();
    lane.note_late(planned, began);
    let result = match enclose(lane, begun.media.as_deref()).await {
        Ok(media) => {
            let (message, text) = (sending.claim.message, Text(begun.text.clone()));
            let recipient = Recipient::stored(begun.recipient.clone());
            hand_over(lane, &*sending.gateway, &Outgoing { message, recipient, text, media }).await
        }
        Err(error) => Err(error),
    };
    let now = lane.kit().clock.now();
    lane.kit().telemetry.send.observe((now - began).to_std().unwrap_or_default().as_secs_f64());
    let took = (now - sending.since).to_std().unwrap_or_default();
    let chat = result.as_ref().ok().and_then(|taken| taken.chat.clone());
    let (mut outcome, settlement) = judge(lane, &sending.claim.pace, &sending.policy, begun, result, now, took);
    if matches!(outcome.status, Some(Status::Sent | Status::Uncertain)) {
        outcome.filing = Some(tell::filing(lane.kit(), &lane.account, begun, chat));
    }
    (outcome, settlement)
}

/// Nobody knows whether a message left whose gateway does not answer in time.
async fn hand_over(lane: &Lane, gateway: &dyn Gateway, outgoing: &Outgoing) -> Result<Taken, SendError> {
    let carrying = outgoing.media.as_ref().map(Attachment::carrying).unwrap_or_default();
    let deadline = lane.kit().send_deadline + carrying;
    lane.promise(deadline);
    tokio::select! {
        result = lane.kit().clock.timeout(deadline, gateway.send(outgoing)) => result.unwrap_or_else(|_| {
            Err(SendError::Uncertain { cause: anyhow!("no answer within {} s", deadline.as_secs()) })
        }),
        () = lane.lanes.stop.cancelled() => Err(SendError::Uncertain { cause: anyhow!("stopped while sending") }),
    }
}

/// Takes the account's next message, if one may go at once.
async fn next(lane: &Lane, claim: Claim, settlement: &Settlement) -> Next {
    let now = lane.kit().clock.now();
    let Settlement::Done { pace } = settlement else { return Next::Settle(claim) };
    if pace.next_at.is_some_and(|at| at > now) {
        return Next::Settle(claim);
    }
    let Some((gateway, policy)) = goes_on(lane, now).await else { return Next::Settle(claim) };
    let provisional_next_at = now + policy.delay.min;
    match lane.kit().queue.settle_and_claim(claim, settlement.clone(), now, provisional_next_at).await {
        Ok(Turn::Take(claim)) => Next::Send(Box::new(Sending::new(lane, claim, gateway, policy))),
        Ok(Turn::NotBefore(_) | Turn::Empty) => Next::Step(Step::Next),
        Ok(Turn::Forgotten) => {
            lane.signals.is_stale.store(true, Ordering::Release);
            Next::Step(Step::Next)
        }
        Ok(Turn::Lost) => Next::Step(lane.lost()),
        Err((claim, error)) => {
            tracing::warn!(account.id = %lane.id, %error, "the queue is told later");
            Next::Settle(claim)
        }
    }
}

/// What the next message may be sent by, if nothing else is to be done first.
async fn goes_on(lane: &Lane, now: DateTime<Utc>) -> Option<(Arc<dyn Gateway>, Policy)> {
    lane.promise(Duration::ZERO);
    if lane.is_told_to_end() || lane.signals.is_stale.load(Ordering::Acquire) {
        return None;
    }
    let account = lane.kit().store.account(lane.id).await.ok()??;
    let is_open = account.epoch == lane.epoch && account.should_connect && !account.is_paused;
    let policy = account.policy(&lane.kit().presets);
    let gateway = lane.kit().sessions.gateway(lane.id)?;
    (is_open && !policy.typing && policy.after_quiet(now) <= now).then_some((gateway, policy))
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

/// Tells the queue how a claim ended. It is not given up before the server itself stops, either.
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
