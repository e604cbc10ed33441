//! Lanes: one task for each account that should be connected. It restores what must be, keeps the
//! connection, and sends what is queued at the account's pace; see [`run`].
//!
//! A lane waits for a notification, its next deadline, or the stop, never on a tick; an idle one
//! is a parked task and nothing else. Each tells the [`watchdog`] by when it will be heard of again.
//! Whether an account should be connected is in its row: a lane that reads there that it should not
//! comes to its end, whoever started it.

pub mod attempt;
pub mod change;
mod connecting;
mod enclose;
pub mod filer;
mod finish;
mod judge;
mod one_by_one;
mod pauses;
mod places;
pub mod restore;
pub mod retry;
pub mod run;
mod signals;
pub mod strangers;
mod tell;
mod typing;
pub mod watchdog;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::one_by_one::OneByOne;
use self::places::Places;
use self::signals::Signals;
use self::strangers::Strangers;
use crate::account::Accounts;
use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::gateway::Pairing;
use crate::gateway::sessions::{Sessions, Status};
use crate::pacing::Presets;
use crate::queue::Queue;
use crate::realtime::Bus;
use crate::store::account::Account;
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;

/// How long a lane that is told to end may take to settle what is in flight.
const LAST_WORD: Duration = Duration::from_secs(5);
/// The pause before a database that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Lanes that are started together.
const TOGETHER: usize = 1_000;

/// What lanes work with.
pub struct Kit {
    /// The truth.
    pub store: Arc<Store>,
    /// The queues.
    pub queue: Arc<dyn Queue>,
    /// The files.
    pub blobs: Arc<Blobs>,
    /// The connections.
    pub sessions: Arc<Sessions>,
    /// What happens to them.
    pub accounts: Arc<Accounts>,
    /// The events.
    pub bus: Arc<Bus>,
    /// What time it is.
    pub clock: Clock,
    /// The counters.
    pub telemetry: Arc<Telemetry>,
    /// The two presets of limits.
    pub presets: Presets,
    /// How long a gateway may take for one message …
    pub send_deadline: Duration,
    /// … and to connect.
    pub connect_deadline: Duration,
    /// How many accounts of a company may be connected; none: any number.
    pub company_accounts: Option<u64>,
}

/// The lanes of this node.
pub struct Lanes {
    kit: Kit,
    all: Mutex<HashMap<AccountId, Lane>>,
    runtime: Handle,
    tasks: TaskTracker,
    /// Nothing new begins.
    quiet: CancellationToken,
    /// What is in flight ends.
    stop: CancellationToken,
    places: Places,
    one_by_one: OneByOne,
    /// A lane broke: the watchdog looks at once.
    broken: Notify,
    /// Looks after the queues of accounts without a lane.
    pub strangers: Strangers,
}

struct Lane {
    signals: Arc<Signals>,
    task: AbortHandle,
    epoch: i64,
}

impl Lanes {
    /// No lanes. Their tasks will run on this runtime, whoever starts them.
    #[must_use]
    pub fn new(kit: Kit, tasks: TaskTracker, quiet: CancellationToken, stop: CancellationToken) -> Self {
        Self {
            kit,
            all: Mutex::default(),
            runtime: Handle::current(),
            tasks,
            quiet,
            stop,
            places: Places::new(),
            one_by_one: OneByOne::default(),
            broken: Notify::new(),
            strangers: Strangers::default(),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<AccountId, Lane>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a lane for every account that should be connected or has something left in flight.
    pub async fn start_all(self: &Arc<Self>) -> Result<(), StoreError> {
        self.kit.store.forget_state_of_unpaired().await?;
        let ids = self.kit.store.accounts_to_start().await?;
        for some in ids.chunks(TOGETHER) {
            for account in self.kit.store.raise_epochs(some).await? {
                if account.should_connect {
                    self.kit.sessions.prepare(account.id, Pairing::Qr);
                }
                self.start(&account);
            }
        }
        Ok(())
    }

    fn start(self: &Arc<Self>, account: &Arc<Account>) {
        if self.quiet.is_cancelled() {
            return;
        }
        let (id, epoch) = (account.id, account.epoch);
        let mut all = self.all();
        // Who raised the epoch later has the account.
        if all.get(&id).is_some_and(|lane| lane.epoch >= epoch) {
            return;
        }
        let signals = Arc::new(Signals::default());
        signals.is_stale.store(true, Ordering::Relaxed);
        signals.promise(self.kit.clock.now() + watchdog::PATIENCE);
        let lane = run::run(self.clone(), account.clone(), signals.clone());
        let task = self.tasks.spawn_on(lane, &self.runtime).abort_handle();
        if let Some(old) = all.insert(id, Lane { signals, task, epoch }) {
            old.task.abort();
        }
    }

    /// Ends the account's lane, once what is in flight is settled; answers whether it was. A lane
    /// that takes too long is cut off, and leaves that to whoever ends it.
    async fn end(&self, id: AccountId) -> bool {
        let Some((signals, task)) = self.all().get(&id).map(|lane| (lane.signals.clone(), lane.task.clone())) else {
            return true;
        };
        signals.end.cancel();
        let is_settled = self.kit.clock.timeout(LAST_WORD, signals.done.cancelled()).await.is_ok();
        if !is_settled {
            task.abort();
            signals.done.cancelled().await;
        }
        self.all().retain(|_, lane| !Arc::ptr_eq(&lane.signals, &signals));
        is_settled
    }

    /// Gives the account a lane that settles what an earlier one had in flight, as soon as the
    /// database can be written. If the account should not be connected, it does no more.
    fn succeed(self: &Arc<Self>, id: AccountId) {
        let lanes = self.clone();
        let raise = async move {
            loop {
                match lanes.kit.store.raise_epochs(&[id]).await {
                    Ok(raised) => return raised.iter().for_each(|account| lanes.start(account)),
                    Err(error) => tracing::error!(account.id = %id, %error, "a lane can't be started yet"),
                }
                if lanes.quiet.run_until_cancelled(lanes.kit.clock.sleep(AGAIN)).await.is_none() {
                    return;
                }
            }
        };
        self.tasks.spawn_on(raise, &self.runtime);
    }

    /// Takes the account away from a lane that is not heard of, and gives it a new one.
    fn restart(self: &Arc<Self>, id: AccountId) {
        if let Some(lane) = self.all().get(&id) {
            lane.task.abort();
        }
        self.kit.sessions.close(id, Status::Connecting, false);
        self.succeed(id);
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

    /// The queue may differ from the rows, or the limits changed: it is compared before anything
    /// else is sent, by the account's lane or, where it has none, by somebody else.
    pub fn refresh(&self, id: AccountId) {
        let all = self.all();
        match all.get(&id).filter(|lane| !lane.task.is_finished()) {
            Some(lane) => {
                lane.signals.is_stale.store(true, Ordering::Release);
                lane.signals.wake.notify_one();
            }
            None => self.strangers.ask(id),
        }
    }

    /// Until when the account's lane waits, if it does and knows.
    #[must_use]
    pub fn waits_until(&self, id: AccountId) -> Option<DateTime<Utc>> {
        self.all().get(&id)?.signals.waits_until()
    }

    /// The lanes that were not heard of by `now`, each told once, and the instant of the next one
    /// to be.
    fn overdue(&self, now: DateTime<Utc>) -> (Vec<AccountId>, Option<DateTime<Utc>>) {
        let (mut overdue, mut next) = (Vec::new(), None::<DateTime<Utc>>);
        let mut all = self.all();
        // A lane that came to its end by itself promised nothing more.
        all.retain(|_, lane| !lane.task.is_finished() || lane.signals.due_by().is_some());
        for (id, lane) in all.iter() {
            match lane.signals.due_by() {
                Some(due_by) if due_by <= now => {
                    lane.signals.promise_nothing();
                    overdue.push(*id);
                }
                Some(due_by) => next = Some(next.map_or(due_by, |next| next.min(due_by))),
                None => {}
            }
        }
        (overdue, next)
    }

    /// Removes the lane of `epoch` that is about to end.
    fn ended(&self, id: AccountId, epoch: i64) {
        let mut all = self.all();
        if all.get(&id).is_some_and(|lane| lane.epoch == epoch) {
            all.remove(&id);
        }
    }
}
