//! Lanes: one task for each account that should be connected. It restores what must be, keeps the
//! connection, and sends what is queued at the account's pace; see [`run`].
//!
//! A lane waits for a notification, its next deadline, or the stop, never on a tick; an idle one
//! is a parked task and nothing else. Each tells the [`watchdog`] by when it will be heard of again.

pub mod attempt;
pub mod restore;
pub mod retry;
pub mod run;
mod tell;
pub mod watchdog;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use sea_orm::ActiveValue::Set;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::gateway::Pairing;
use crate::gateway::sessions::Status;
use crate::realtime::Event;
use crate::store::StoreError;
use crate::store::account::Account;

/// Lanes that restore or connect at the same time: after a start thousands want to.
const STARTING: usize = 32;
/// How long a lane that is told to end may take to settle what is in flight.
const LAST_WORD: Duration = Duration::from_secs(5);

/// The lanes of this node.
pub struct Lanes {
    all: Mutex<HashMap<AccountId, Lane>>,
    runtime: Handle,
    tasks: TaskTracker,
    /// Nothing new begins.
    quiet: CancellationToken,
    /// What is in flight ends.
    stop: CancellationToken,
    starting: Semaphore,
}

struct Lane {
    signals: Arc<Signals>,
    task: AbortHandle,
    epoch: i64,
}

/// How the rest of the server speaks to a lane, and the lane to the watchdog.
#[derive(Default)]
pub struct Signals {
    wake: Notify,
    /// The queue's copy is to be checked against the rows before anything else.
    is_stale: AtomicBool,
    /// This lane alone is to end.
    end: CancellationToken,
    /// Cancelled when the task is over, however it came to its end.
    done: CancellationToken,
    /// By when it will be heard of again, in milliseconds; `i64::MAX`: it waits for somebody.
    due_by_ms: AtomicI64,
    /// What it waits for in that time, in milliseconds; 0: it works.
    waits_until_ms: AtomicI64,
}

impl Lanes {
    /// No lanes. Their tasks will run on this runtime, whoever starts them.
    #[must_use]
    pub fn new(tasks: TaskTracker, quiet: CancellationToken, stop: CancellationToken) -> Self {
        let starting = Semaphore::new(STARTING);
        Self { all: Mutex::default(), runtime: Handle::current(), tasks, quiet, stop, starting }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<AccountId, Lane>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a lane for every account that should be connected.
    pub async fn start_all(&self, app: &Arc<App>) -> Result<(), StoreError> {
        let ids: Vec<AccountId> = app.store.accounts_to_connect().await?.iter().map(|account| account.id).collect();
        for account in app.store.raise_epochs(&ids).await? {
            app.sessions.prepare(account.id, Pairing::Qr);
            self.start(app, &account);
        }
        Ok(())
    }

    /// Connects an account: from now on it should be, and has a lane. Answers the account as it is
    /// then, or none if it is gone.
    pub async fn connect(
        &self,
        app: &Arc<App>,
        id: AccountId,
        pairing: Pairing,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        if self.is_running(id) {
            if !matches!(app.sessions.status(id), Status::Disconnected | Status::Failed) {
                return app.store.account(id).await;
            }
            // It is about to end by itself, and would not look again.
            self.end(app, id).await;
        }
        let wish = |row: &mut entity::account::ActiveModel| row.should_connect = Set(true);
        if app.store.change_account(id, wish).await?.is_none() {
            return Ok(None);
        }
        app.sessions.prepare(id, pairing);
        let raised = app.store.raise_epochs(&[id]).await?;
        if let Some(account) = raised.first() {
            self.start(app, account);
            app.bus.publish(account.company_id, id, Event::AccountChanged);
        }
        Ok(raised.into_iter().next())
    }

    /// Disconnects an account: from now on it should not be connected, and has no lane. What is in
    /// flight finishes first.
    pub async fn disconnect(
        &self,
        app: &App,
        id: AccountId,
        log_out: bool,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let change = |row: &mut entity::account::ActiveModel| {
            row.should_connect = Set(false);
            if log_out {
                row.pairing = Set(None);
            }
        };
        let account = app.store.change_account(id, change).await?;
        self.end(app, id).await;
        app.sessions.close(id, Status::Disconnected, log_out).await;
        if let Some(account) = &account {
            let reason = if log_out { "client_logout" } else { "disconnected" };
            app.bus.publish(account.company_id, id, Event::Disconnected { reason: reason.to_owned() });
            app.bus.publish(account.company_id, id, Event::AccountChanged);
        }
        Ok(account)
    }

    /// Removes an account: nothing more is sent, what is queued is taken back, the pairing ends.
    pub async fn remove(&self, app: &App, account: &Account) -> Result<(), StoreError> {
        let (company, id) = (account.company_id, account.id);
        app.store.delete_account(id).await?;
        self.end(app, id).await;
        app.store.lose_in_flight(id).await?;
        // What was in flight may have entered a chat meanwhile.
        app.store.forget_chats(id).await?;
        app.sessions.close(id, Status::Disconnected, true).await;
        app.sessions.forget(id);
        app.simulator.forget(id);
        app.bus.publish(company, id, Event::Disconnected { reason: "removed".to_owned() });
        app.bus.publish(company, id, Event::AccountChanged);
        app.people_changed(company);
        if let Err(error) = app.queue.forget(id).await {
            tracing::warn!(account.id = %id, %error, "a removed account's queue is left behind");
        }
        Ok(())
    }

    /// Ends the account's lane, once what is in flight is settled. One that takes too long is cut
    /// off; its message is found in flight by the next lane, or by who removes the account.
    pub async fn end(&self, app: &App, id: AccountId) {
        let Some((signals, task)) = self.all().get(&id).map(|lane| (lane.signals.clone(), lane.task.clone())) else {
            return;
        };
        signals.end.cancel();
        if app.clock.timeout(LAST_WORD, signals.done.cancelled()).await.is_err() {
            task.abort();
            signals.done.cancelled().await;
        }
        self.all().retain(|_, lane| !Arc::ptr_eq(&lane.signals, &signals));
    }

    fn start(&self, app: &Arc<App>, account: &Arc<Account>) {
        if self.quiet.is_cancelled() {
            return;
        }
        let signals = Arc::new(Signals::default());
        signals.is_stale.store(true, Ordering::Relaxed);
        signals.promise(app.clock.now() + watchdog::PATIENCE);
        let (id, epoch) = (account.id, account.epoch);
        let lane = run::run(app.clone(), account.clone(), signals.clone());
        let task = self.tasks.spawn_on(lane, &self.runtime).abort_handle();
        if let Some(old) = self.all().insert(id, Lane { signals, task, epoch }) {
            old.task.abort();
        }
    }

    /// Takes the account away from a lane that is not heard of, and gives it a new one.
    pub async fn restart(&self, app: &Arc<App>, id: AccountId) -> Result<(), StoreError> {
        if let Some(lane) = self.all().get(&id) {
            lane.task.abort();
        }
        app.sessions.close(id, Status::Connecting, false).await;
        for account in app.store.raise_epochs(&[id]).await? {
            self.start(app, &account);
        }
        Ok(())
    }

    /// Whether the account has a lane that runs.
    #[must_use]
    pub fn is_running(&self, id: AccountId) -> bool {
        self.all().get(&id).is_some_and(|lane| !lane.task.is_finished())
    }

    /// There is something to look at.
    pub fn wake(&self, id: AccountId) {
        if let Some(lane) = self.all().get(&id) {
            lane.signals.wake.notify_one();
        }
    }

    /// The queue's copy may differ from the rows, or the limits changed: check before going on.
    /// Answers whether there is a lane to do it.
    pub fn refresh(&self, id: AccountId) -> bool {
        let all = self.all();
        let Some(lane) = all.get(&id).filter(|lane| !lane.task.is_finished()) else { return false };
        lane.signals.is_stale.store(true, Ordering::Release);
        lane.signals.wake.notify_one();
        true
    }

    /// Until when the account's lane waits, if it does and knows.
    #[must_use]
    pub fn waits_until(&self, id: AccountId) -> Option<DateTime<Utc>> {
        let ms = self.all().get(&id)?.signals.waits_until_ms.load(Ordering::Acquire);
        (ms > 0 && ms < i64::MAX).then(|| DateTime::from_timestamp_millis(ms)).flatten()
    }

    /// The lanes that were not heard of by `now`, and the instant of the next one to be.
    fn overdue(&self, now: DateTime<Utc>) -> (Vec<AccountId>, Option<DateTime<Utc>>) {
        let (mut overdue, mut next) = (Vec::new(), i64::MAX);
        let mut all = self.all();
        // A lane that came to its end by itself promised nothing more.
        all.retain(|_, lane| !(lane.task.is_finished() && lane.signals.due_by_ms.load(Ordering::Acquire) == i64::MAX));
        for (id, lane) in all.iter() {
            let due_by = lane.signals.due_by_ms.load(Ordering::Acquire);
            if due_by <= now.timestamp_millis() { overdue.push(*id) } else { next = next.min(due_by) }
        }
        (overdue, (next < i64::MAX).then(|| DateTime::from_timestamp_millis(next)).flatten())
    }

    /// Removes the lane of `epoch` that is about to end.
    fn ended(&self, id: AccountId, epoch: i64) {
        let mut all = self.all();
        if all.get(&id).is_some_and(|lane| lane.epoch == epoch) {
            all.remove(&id);
        }
    }
}

impl Signals {
    /// Promises to be heard of by `at`.
    fn promise(&self, at: DateTime<Utc>) {
        self.due_by_ms.store(at.timestamp_millis(), Ordering::Release);
    }

    /// Promises nothing: it waits for somebody.
    fn promise_nothing(&self) {
        self.due_by_ms.store(i64::MAX, Ordering::Release);
    }
}
