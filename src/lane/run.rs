//! A lane's loop: restore, connect, then claim, wait, attempt, settle, until it is told to stop or
//! its account's row says that it should not be connected.

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::ids::AccountId;

use super::connecting::Connecting;
use super::signals::Signals;
use super::{Kit, Lanes, attempt, restore, watchdog};
use crate::gateway::sessions::Status;
use crate::logs::step;
use crate::pacing::policy::Span;
use crate::queue::Turn;
use crate::store::account::Account;

/// How often a connection that has nothing to send is asked whether it lives.
const PROBE: Duration = Duration::from_secs(60);
/// The pause before a queue that does not agree with its rows is looked at again.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// How many times as long as connecting a first one may take, in which a messenger may send what it has.
const PAIRING: u32 = 8;
/// The longest pause before our own database or queue is tried again: messages wait for it.
const SERVICE: Duration = Duration::from_secs(2);

/// One lane, while it runs.
pub(super) struct Lane {
    pub(super) lanes: Arc<Lanes>,
    pub(super) id: AccountId,
    /// The account as it was when the lane started; for what changes, ask the store.
    pub(super) account: Arc<Account>,
    pub(super) epoch: i64,
    pub(super) signals: Arc<Signals>,
    /// Failures in a row, of whatever the lane needs.
    failures: u32,
    /// The instant the last wait was for, if it came: what the next send is measured against.
    pub(super) planned: Option<DateTime<Utc>>,
    probed_at: DateTime<Utc>,
    pub(super) connecting: Connecting,
    /// Whether the queue did not agree with the rows when it was last looked at. Once is no sign: a
    /// message may have been on its way from the one to the other.
    is_in_doubt: bool,
    /// Until when the account's log says that it waits.
    pub(super) said_until: Option<DateTime<Utc>>,
}

/// A lane that breaks is overdue at once.
struct Broken {
    lanes: Arc<Lanes>,
    signals: Arc<Signals>,
}

impl Drop for Broken {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.signals.promise(self.lanes.kit.clock.now());
            self.lanes.broken.notify_one();
        }
    }
}

/// What a step of the loop came to.
pub(super) enum Step {
    /// Go on at once.
    Next,
    /// Our own database or queue does not answer: back off.
    Failed,
    /// Nothing to do until woken, or until this instant.
    Wait(Option<DateTime<Utc>>),
    /// The lane has no more to do.
    End,
}

/// Runs the lane for the account as it was given out: with this epoch and no later one.
pub(super) async fn run(lanes: Arc<Lanes>, account: Arc<Account>, signals: Arc<Signals>) {
    let probed_at = lanes.kit.clock.now();
    let _done = signals.done.clone().drop_guard();
    let _broken = Broken { lanes: lanes.clone(), signals: signals.clone() };
    let (id, epoch) = (account.id, account.epoch);
    let mut lane = Lane {
        lanes,
        id,
        account,
        epoch,
        signals,
        failures: 0,
        planned: None,
        probed_at,
        connecting: Connecting::default(),
        is_in_doubt: false,
        said_until: None,
    };
    while !lane.is_told_to_end() {
        // Subscribed before looking, so that what comes in between wakes the wait.
        let signals = lane.signals.clone();
        let mut woken = pin!(signals.wake.notified());
        woken.as_mut().enable();
        let until = match lane.step().await {
            Step::Next => continue,
            Step::End => break,
            Step::Failed => Some(lane.kit().clock.now() + lane.back_off()),
            Step::Wait(until) => until,
        };
        lane.planned = None;
        let lanes = lane.lanes.clone();
        lane.note_wait(until);
        tokio::select! {
            () = woken => {}
            () = lanes.quiet.cancelled() => {}
            () = signals.end.cancelled() => {}
            () = lanes.kit.clock.sleep_until_maybe(until) => lane.planned = until,
        }
        signals.wait_until(None);
    }
    lane.signals.promise_nothing();
    lane.lanes.ended(id, epoch);
}

/// The pause after so many failures in a row: exponential from a quarter of a second, with jitter.
pub(super) fn pause(failures: u32, longest: Duration) -> Duration {
    let longest = Duration::from_millis(250).saturating_mul(1 << failures.saturating_sub(1).min(12)).min(longest);
    Span { min: longest / 2, max: longest }.draw(&mut rand::rng())
}

impl Lane {
    /// What it works with.
    pub(super) fn kit(&self) -> &Kit {
        &self.lanes.kit
    }

    pub(super) fn is_told_to_end(&self) -> bool {
        self.lanes.quiet.is_cancelled() || self.signals.end.is_cancelled()
    }

    /// Promises to be heard of within `span`, and the watchdog's patience.
    pub(super) fn promise(&self, span: Duration) {
        self.signals.promise(self.kit().clock.now() + span + watchdog::PATIENCE);
    }

    /// Counts how late a send is that was planned for an instant.
    pub(super) fn note_late(&self, planned: Option<DateTime<Utc>>, at: DateTime<Utc>) {
        if let Some(late) = planned.and_then(|planned| (at - planned).to_std().ok()) {
            self.kit().telemetry.lateness.observe(late.as_secs_f64());
        }
    }

    fn note_wait(&self, until: Option<DateTime<Utc>>) {
        match until {
            Some(at) => self.signals.promise(at + watchdog::PATIENCE),
            None => self.signals.promise_nothing(),
        }
        self.signals.wait_until(until);
    }

    fn back_off(&mut self) -> Duration {
        self.failures += 1;
        pause(self.failures, SERVICE)
    }

    async fn step(&mut self) -> Step {
        self.promise(Duration::ZERO);
        let account = match self.kit().store.account(self.id).await {
            Ok(Some(account)) => account,
            Ok(None) => return Step::End,
            Err(error) => return self.failed("the database", &error),
        };
        if account.epoch != self.epoch {
            return self.lost();
        }
        if self.signals.is_stale.swap(false, Ordering::AcqRel)
            && let Err(error) = self.restore(&account).await
        {
            self.signals.is_stale.store(true, Ordering::Release);
            return self.failed("restoring", &error);
        }
        if !account.should_connect {
            if !self.kit().sessions.is_closed(self.id) {
                self.kit().accounts.close(&self.account, Status::Disconnected);
            }
            return Step::End;
        }
        match self.kit().sessions.status(self.id) {
            Status::Connected => {
                self.connecting.is_connected(self.kit().clock.now());
                self.turn(&account).await
            }
            Status::Connecting | Status::Disconnected => self.connect(&account).await,
            // Its person has the next move …
            Status::QrReady => Step::Wait(None),
            // … or its gateway.
            Status::Authenticating => self.await_report(&account, PAIRING).await,
            Status::Failed => Step::End,
        }
    }

    fn failed(&self, what: &str, error: &dyn Display) -> Step {
        if self.failures == 0 {
            tracing::warn!(account.id = %self.id, %error, what, "the lane backs off");
        }
        Step::Failed
    }

    /// Another lane has the account, here or elsewhere.
    pub(super) fn lost(&self) -> Step {
        step!(warn, self.id, "another lane has taken the account");
        self.kit().sessions.close(self.id, Status::Disconnected, false);
        Step::End
    }

    async fn restore(&self, account: &Account) -> Result<(), restore::RestoreError> {
        // How long it waits for its turn is not the lane's to promise.
        self.signals.promise_nothing();
        let _place = self.lanes.places.restore().await;
        let heard_of = || self.promise(Duration::ZERO);
        heard_of();
        restore::by_lane(self.kit(), account, self.epoch, &heard_of).await
    }

    /// Takes what is next, if it may go now.
    async fn turn(&mut self, account: &Account) -> Step {
        if account.is_paused {
            return self.wait_connected(account, None).await;
        }
        let now = self.kit().clock.now();
        let policy = account.policy(&self.kit().presets);
        let open = policy.after_quiet(now);
        if open > now {
            self.say_wait(&policy, open).await;
            return self.wait_connected(account, Some(open)).await;
        }
        match self.kit().queue.claim(self.id, self.epoch, now, now + policy.delay.min).await {
            Ok(Turn::Take(claim)) => {
                self.failures = 0;
                let planned = self.planned.take();
                attempt::attempt(self, claim, policy, planned).await
            }
            Ok(Turn::NotBefore(at)) => {
                self.say_wait(&policy, at).await;
                self.wait_connected(account, Some(at)).await
            }
            Ok(Turn::Empty) => self.wait_connected(account, None).await,
            Ok(Turn::Forgotten) => {
                self.signals.is_stale.store(true, Ordering::Release);
                Step::Next
            }
            Ok(Turn::Lost) => self.lost(),
            Err(error) => {
                // What was to be written meanwhile may not have been.
                self.signals.is_stale.store(true, Ordering::Release);
                self.failed("the queue", &error)
            }
        }
    }

    /// Waits with a connection that is asked now and then whether it lives, and a queue whether it
    /// agrees with the rows.
    async fn wait_connected(&mut self, account: &Account, until: Option<DateTime<Utc>>) -> Step {
        self.failures = 0;
        let now = self.kit().clock.now();
        let pause = if self.is_in_doubt { SECOND_LOOK } else { PROBE };
        if now >= self.probed_at + pause {
            self.probed_at = now;
            self.promise(self.kit().connect_deadline);
            let Some(gateway) = self.kit().sessions.gateway(self.id) else { return Step::Next };
            if self.kit().clock.timeout(self.kit().connect_deadline, gateway.is_alive()).await != Ok(true) {
                step!(warn, self.id, "the connection does not answer");
                self.kit().accounts.close(&self.account, Status::Connecting);
                return Step::Next;
            }
            self.kit().sessions.alive(self.id, self.kit().clock.now());
            // Another server may have changed the row without our hearing of it.
            self.kit().store.forget_account(self.id);
            match restore::agrees(self.kit(), account).await {
                Ok(agrees) => {
                    let is_sign = !agrees && self.is_in_doubt;
                    self.is_in_doubt = !agrees && !is_sign;
                    self.signals.is_stale.fetch_or(is_sign, Ordering::AcqRel);
                }
                Err(error) => return self.failed("comparing", &error),
            }
            return Step::Next;
        }
        let probe = self.probed_at + pause;
        Step::Wait(Some(until.map_or(probe, |at| at.min(probe))))
    }
}
