//! Each account's connection on this node: its status, its code, its gateway. What outlives the
//! process is in the account's row; this is the live part.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reports::{PLACES, Reported, Reports};
use super::{Code, ConnectError, Gateway, Messengers, Pairing};
use crate::store::account::Account;

/// How long a connection may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Where an account's connection stands, in the API's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Not connected, and not trying.
    #[default]
    Disconnected,
    /// Opening the connection.
    Connecting,
    /// A code waits to be scanned.
    QrReady,
    /// The code was scanned.
    Authenticating,
    /// It can send.
    Connected,
    /// It can't connect until a person changes something.
    Failed,
}

impl Status {
    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "DISCONNECTED",
            Self::Connecting => "CONNECTING",
            Self::QrReady => "QR_READY",
            Self::Authenticating => "AUTHENTICATING",
            Self::Connected => "CONNECTED",
            Self::Failed => "FAILED",
        }
    }
}

/// What can be said of a connection.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Where it stands.
    pub status: Status,
    /// The code to scan, while there is one.
    pub code: Option<Code>,
    /// When the messenger last answered.
    pub last_alive_at: Option<DateTime<Utc>>,
    /// Since when its status is what it is.
    pub since: Option<DateTime<Utc>>,
}

#[derive(Default)]
struct Session {
    snapshot: Snapshot,
    connection: u64,
    gateway: Option<Arc<dyn Gateway>>,
    pairing: Pairing,
    /// Cancelled once the connection before is closed.
    closing: Option<CancellationToken>,
    places: Places,
}

/// Room for the reports of one account.
struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

impl Session {
    /// What says that it is connected before its gateway is here can't send yet.
    fn status(&self) -> Status {
        match self.snapshot.status {
            Status::Connected if self.gateway.is_none() => Status::Connecting,
            status => status,
        }
    }
}

/// All sessions of this node.
pub struct Sessions {
    all: Mutex<HashMap<AccountId, Session>>,
    connections: AtomicU64,
    pub(super) messengers: Messengers,
    reports: mpsc::Sender<Reported>,
    runtime: Handle,
    /// Connections that are being closed.
    closing: TaskTracker,
}

impl Sessions {
    /// No sessions; their gateways will report to `reports`, and are closed on this runtime.
    #[must_use]
    pub fn new(messengers: Messengers, reports: mpsc::Sender<Reported>) -> Self {
        let (connections, runtime) = (AtomicU64::new(1), Handle::current());
        Self { all: Mutex::default(), connections, messengers, reports, runtime, closing: TaskTracker::new() }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<AccountId, Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be said of the account's connection.
    #[must_use]
    pub fn snapshot(&self, account: AccountId) -> Snapshot {
        let all = self.all();
        let snapshot = |session: &Session| Snapshot { status: session.status(), ..session.snapshot.clone() };
        all.get(&account).map(snapshot).unwrap_or_default()
    }

    /// The account's status alone.
    #[must_use]
    pub fn status(&self, account: AccountId) -> Status {
        self.all().get(&account).map_or(Status::Disconnected, Session::status)
    }

    /// Since when the account has this status.
    #[must_use]
    pub fn since(&self, account: AccountId) -> Option<DateTime<Utc>> {
        self.all().get(&account)?.snapshot.since
    }

    /// The status of each session, and since when it has that.
    #[must_use]
    pub(super) fn statuses(&self) -> HashMap<AccountId, (Status, Option<DateTime<Utc>>)> {
        self.all().iter().map(|(id, session)| (*id, (session.status(), session.snapshot.since))).collect()
    }

    /// How the person at the account wants to pair, for the connection about to be opened.
    pub fn prepare(&self, account: AccountId, pairing: Pairing) {
        let mut all = self.all();
        let session = all.entry(account).or_default();
        session.pairing = pairing;
        if matches!(session.snapshot.status, Status::Disconnected | Status::Failed) {
            session.snapshot.status = Status::Connecting;
            session.snapshot.since = Some(self.messengers.clock.now());
        }
    }

    /// Whether the account is being paired in another way than that.
    #[must_use]
    pub fn pairs_otherwise(&self, account: AccountId, pairing: &Pairing) -> bool {
        self.all().get(&account).is_some_and(|session| session.pairing != *pairing)
    }

    /// Opens the account's connection, once the one before is closed.
    pub async fn open(&self, account: &Account) -> Result<(), ConnectError> {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let (pairing, closing, places) = {
            let mut all = self.all();
            let session = all.entry(account.id).or_default();
            session.connection = connection;
            session.snapshot.status = Status::Connecting;
            session.snapshot.code = None;
            session.snapshot.since = Some(self.messengers.clock.now());
            (session.pairing.clone(), session.closing.take(), session.places.0.clone())
        };
        if let Some(closing) = closing {
            closing.cancelled().await;
        }
        let (epoch, to) = (account.epoch, self.reports.clone());
        let reports = Reports { account: account.id, connection, epoch, places, to };
        let gateway = self.messengers.connect(account, pairing, reports).await?;
        match self.all().get_mut(&account.id).filter(|session| session.connection == connection) {
            Some(session) => session.gateway = Some(gateway),
            // Somebody closed the connection while it was opened.
            None => drop(self.hang_up(gateway, false)),
        }
        Ok(())
    }

    /// Ends a connection, in a task of its own: nobody waits for a messenger that takes its time.
    fn hang_up(&self, gateway: Arc<dyn Gateway>, log_out: bool) -> CancellationToken {
        let closed = CancellationToken::new();
        let (clock, over) = (self.messengers.clock.clone(), closed.clone().drop_guard());
        let close = async move {
            let _over = over;
            if clock.timeout(CLOSING, gateway.close(log_out)).await.is_err() {
                tracing::warn!("a connection does not close; it is dropped");
            }
        };
        self.closing.spawn_on(close, &self.runtime);
        closed
    }

    /// The gateway, if the account is connected.
    #[must_use]
    pub fn gateway(&self, account: AccountId) -> Option<Arc<dyn Gateway>> {
        let all = self.all();
        all.get(&account).filter(|session| session.status() == Status::Connected)?.gateway.clone()
    }

    /// Whether the account has a gateway, connected or on its way.
    #[must_use]
    pub fn is_open(&self, account: AccountId) -> bool {
        self.all().get(&account).is_some_and(|session| session.gateway.is_some())
    }

    /// Whether the account is disconnected, and has no gateway.
    #[must_use]
    pub fn is_closed(&self, account: AccountId) -> bool {
        let is_closed =
            |session: &Session| session.gateway.is_none() && session.snapshot.status == Status::Disconnected;
        self.all().get(&account).is_none_or(is_closed)
    }

    /// Notes that the messenger answered at `at`.
    pub fn alive(&self, account: AccountId, at: DateTime<Utc>) {
        if let Some(session) = self.all().get_mut(&account) {
            session.snapshot.last_alive_at = Some(at);
        }
    }

    /// Whether `connection` is the account's present one.
    #[must_use]
    pub fn is_current(&self, account: AccountId, connection: u64) -> bool {
        self.all().get(&account).is_some_and(|session| session.connection == connection)
    }

    /// Shows a new status, with the code to scan if there is one, as `connection` says; answers
    /// whether that still is the account's present one.
    pub fn show(&self, account: AccountId, connection: u64, status: Status, code: Option<Code>) -> bool {
        let mut all = self.all();
        let Some(session) = all.get_mut(&account).filter(|session| session.connection == connection) else {
            return false;
        };
        session.snapshot.status = status;
        session.snapshot.code = code;
        session.snapshot.since = Some(self.messengers.clock.now());
        true
    }

    /// Ends the account's connection and shows `status`; with `log_out`, its pairing, too.
    pub fn close(&self, account: AccountId, status: Status, log_out: bool) {
        let mut all = self.all();
        if log_out {
            let is_open = all.get(&account).is_some_and(|session| session.gateway.is_some());
            self.messengers.browsers.log_out(account, is_open);
        }
        let Some(session) = all.get_mut(&account) else { return };
        session.connection = 0;
        let last_alive_at = session.snapshot.last_alive_at;
        session.snapshot = Snapshot { status, code: None, last_alive_at, since: Some(self.messengers.clock.now()) };
        if let Some(gateway) = session.gateway.take() {
            session.closing = Some(self.hang_up(gateway, log_out));
        }
    }

    /// The same, if `connection` still is the account's present one; answers whether it was.
    pub fn close_if_current(&self, account: AccountId, connection: u64, status: Status) -> bool {
        let is_current = self.is_current(account, connection);
        if is_current {
            self.close(account, status, false);
        }
        is_current
    }

    /// Ends all connections; their pairings stay.
    pub async fn close_all(&self) {
        let accounts: Vec<AccountId> = self.all().keys().copied().collect();
        for account in accounts {
            self.close(account, Status::Disconnected, false);
        }
        self.closing.close();
        self.closing.wait().await;
    }

    /// Forgets an account that was removed.
    pub fn forget(&self, account: AccountId) {
        self.all().remove(&account);
        self.messengers.simulator.forget(account);
        self.messengers.browsers.forget(account);
    }
}
