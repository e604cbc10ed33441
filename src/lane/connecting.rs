//! How a lane gets its account connected. A messenger that is not reached, or that lets go again at
//! once, is left in peace for a while: whoever wakes the lane meanwhile does not make it try sooner.

use std::fmt::Display;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::run::{Lane, Step, pause};
use crate::account::BANNED;
use crate::gateway::ConnectError;
use crate::gateway::sessions::Status;
use crate::logs::step;
use crate::store::account::Account;
use crate::store::instant;

/// The longest pause before a messenger is tried again.
const LONGEST: Duration = Duration::from_secs(60);
/// The pause before it is seen whether what is waited for has come.
const LOOK: Duration = Duration::from_secs(5);
/// How long a connection lasts that counts as one.
const LASTING: TimeDelta = TimeDelta::seconds(30);

/// What a lane knows of its connections.
#[derive(Default)]
pub(super) struct Connecting {
    /// Connections in a row that were none, or did not last.
    failures: u32,
    /// Whether one was opened and has not come about yet.
    is_opened: bool,
    /// Since when there is one.
    since: Option<DateTime<Utc>>,
    /// Before when none is opened.
    not_before: Option<DateTime<Utc>>,
}

impl Connecting {
    /// There is a connection.
    pub(super) fn is_connected(&mut self, now: DateTime<Utc>) {
        self.is_opened = false;
        let since = *self.since.get_or_insert(now);
        if now - since >= LASTING {
            self.failures = 0;
        }
    }

    /// There is none; answers until when none is opened.
    fn is_gone(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let was_short = self.since.take().is_some_and(|since| now - since < LASTING);
        if std::mem::take(&mut self.is_opened) || was_short {
            self.fail(now);
        }
        self.not_before.filter(|at| *at > now)
    }

    /// None could be opened; answers until when none is.
    fn fail(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.failures += 1;
        *self.not_before.insert(now + pause(self.failures, LONGEST))
    }
}

impl Lane {
    /// Connects, if it may and is not about to.
    pub(super) async fn connect(&mut self, account: &Account) -> Step {
        if self.kit().sessions.is_open(self.id) {
            return self.await_report(account, 1).await;
        }
        let now = self.kit().clock.now();
        // One that was asked to wait may be connected, and sends later.
        let is_banned = account.error_code.as_deref() == Some(BANNED);
        let banned = account.restricted_until_ms.map(instant).filter(|until| is_banned && *until > now);
        if let Some(at) = self.connecting.is_gone(now).max(banned) {
            return Step::Wait(Some(at));
        }
        // What was waited for is no send.
        self.planned = None;
        let deadline = self.kit().connect_deadline;
        let opened = {
            self.signals.promise_nothing();
            let _place = self.lanes.places.connect(account.provider, self.connecting.failures > 0).await;
            self.promise(deadline);
            tokio::select! {
                opened = self.kit().clock.timeout(deadline, self.kit().sessions.open(account)) => opened,
                // A messenger that is not reached keeps nobody from stopping.
                () = self.lanes.quiet.cancelled() => return Step::Next,
                () = self.signals.end.cancelled() => return Step::Next,
            }
        };
        match opened {
            Ok(Ok(())) => {
                self.connecting.is_opened = true;
                // What it has reported already is shown only now.
                self.kit().accounts.changed(&self.account);
                Step::Next
            }
            Ok(Err(ConnectError::Failed { code, reason })) => {
                self.kit().accounts.fail(account, code, reason).await;
                Step::End
            }
            Ok(Err(ConnectError::Waits { code, reason })) => {
                self.kit().accounts.waits(account, code, &reason).await;
                Step::Wait(Some(self.kit().clock.now() + LOOK))
            }
            Ok(Err(ConnectError::Later(error))) => self.not_connected(account, &error).await,
            Err(_) => {
                self.kit().accounts.miss(account).await;
                self.not_connected(account, &"no answer in time").await
            }
        }
    }

    async fn not_connected(&mut self, account: &Account, error: &(dyn Display + Sync)) -> Step {
        if self.connecting.failures == 0 {
            // What a library says of it is for the server's own log alone.
            tracing::warn!(account.id = %self.id, %error, "the account is not connected");
            step!(warn, self.id, "the messenger is not reached; it is tried again");
        } else {
            // Once may be an accident.
            self.kit().accounts.miss(account).await;
        }
        Step::Wait(Some(self.connecting.fail(self.kit().clock.now())))
    }

    /// Waits for a gateway that is there to report how it gets on, so many times as long as a connection may
    /// take; one that never does is closed.
    pub(super) async fn await_report(&mut self, account: &Account, times: u32) -> Step {
        let patience = self.kit().connect_deadline * times;
        let due = self.kit().sessions.since(self.id).map(|since| since + patience);
        match due.filter(|due| *due > self.kit().clock.now()) {
            Some(due) => Step::Wait(Some(due)),
            None => {
                self.kit().accounts.close(&self.account, Status::Connecting);
                self.not_connected(account, &"the gateway does not say how it gets on").await
            }
        }
    }
}
