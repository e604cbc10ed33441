//! Each account's connection on this node: its status, its code, its gateway. What outlives the
//! process is in the account's row; this is the live part.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Code, ConnectError, Gateway, GatewayEvent, Pairing, Reports, connect};
use crate::app::App;
use crate::store::account::Account;

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
    /// Until when the messenger asked not to be bothered.
    pub restricted_until: Option<DateTime<Utc>>,
}

#[derive(Default)]
struct Session {
    snapshot: Snapshot,
    connection: u64,
    gateway: Option<Arc<dyn Gateway>>,
    pairing: Pairing,
}

/// All sessions of this node.
pub struct Sessions {
    all: Mutex<HashMap<AccountId, Session>>,
    connections: AtomicU64,
    reports: mpsc::UnboundedSender<(AccountId, u64, GatewayEvent)>,
}

impl Sessions {
    /// No sessions; their gateways will report to `reports`.
    #[must_use]
    pub fn new(reports: mpsc::UnboundedSender<(AccountId, u64, GatewayEvent)>) -> Self {
        Self { all: Mutex::default(), connections: AtomicU64::new(1), reports }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<AccountId, Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be said of the account's connection.
    #[must_use]
    pub fn snapshot(&self, account: AccountId) -> Snapshot {
        self.all().get(&account).map(|session| session.snapshot.clone()).unwrap_or_default()
    }

    /// The account's status alone.
    #[must_use]
    pub fn status(&self, account: AccountId) -> Status {
        self.all().get(&account).map_or(Status::Disconnected, |session| session.snapshot.status)
    }

    /// How many sessions have each status.
    #[must_use]
    pub fn count(&self) -> HashMap<Status, usize> {
        let mut counts = HashMap::new();
        for session in self.all().values() {
            *counts.entry(session.snapshot.status).or_default() += 1;
        }
        counts
    }

    /// How the person at the account wants to pair, for the connection about to be opened.
    pub fn prepare(&self, account: AccountId, pairing: Pairing) {
        let mut all = self.all();
        let session = all.entry(account).or_default();
        session.pairing = pairing;
        if matches!(session.snapshot.status, Status::Disconnected | Status::Failed) {
            session.snapshot.status = Status::Connecting;
        }
    }

    /// Opens the account's connection.
    pub async fn open(&self, app: &App, account: &Account) -> Result<(), ConnectError> {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let pairing = {
            let mut all = self.all();
            let session = all.entry(account.id).or_default();
            session.connection = connection;
            session.snapshot.status = Status::Connecting;
            session.snapshot.code = None;
            session.pairing.clone()
        };
        let reports = Reports { account: account.id, connection, to: self.reports.clone() };
        let gateway = connect(app, account, pairing, reports).await?;
        if let Some(session) = self.all().get_mut(&account.id).filter(|session| session.connection == connection) {
            session.gateway = Some(gateway);
        }
        Ok(())
    }

    /// The gateway, if the account is connected.
    #[must_use]
    pub fn gateway(&self, account: AccountId) -> Option<Arc<dyn Gateway>> {
        let all = self.all();
        let session = all.get(&account).filter(|session| session.snapshot.status == Status::Connected)?;
        session.gateway.clone()
    }

    /// Whether the account has a gateway, connected or on its way.
    #[must_use]
    pub fn is_open(&self, account: AccountId) -> bool {
        self.all().get(&account).is_some_and(|session| session.gateway.is_some())
    }

    /// Notes that the messenger answered at `at`.
    pub fn alive(&self, account: AccountId, at: DateTime<Utc>) {
        if let Some(session) = self.all().get_mut(&account) {
            session.snapshot.last_alive_at = Some(at);
        }
    }

    /// Notes that the messenger asked not to be bothered until `until`.
    pub fn restrict(&self, account: AccountId, until: DateTime<Utc>) {
        if let Some(session) = self.all().get_mut(&account) {
            session.snapshot.restricted_until = Some(until);
        }
    }

    /// Whether `connection` is the account's present one.
    #[must_use]
    pub fn is_current(&self, account: AccountId, connection: u64) -> bool {
        self.all().get(&account).is_some_and(|session| session.connection == connection)
    }

    /// Shows a new status, with the code to scan if there is one.
    pub fn show(&self, account: AccountId, status: Status, code: Option<Code>) {
        if let Some(session) = self.all().get_mut(&account) {
            session.snapshot.status = status;
            session.snapshot.code = code;
        }
    }

    /// Ends the account's connection and shows `status`; with `log_out`, its pairing, too.
    pub async fn close(&self, account: AccountId, status: Status, log_out: bool) {
        let gateway = {
            let mut all = self.all();
            let Some(session) = all.get_mut(&account) else { return };
            session.connection = 0;
            session.snapshot =
                Snapshot { status, last_alive_at: session.snapshot.last_alive_at, ..Snapshot::default() };
            session.gateway.take()
        };
        if let Some(gateway) = gateway {
            gateway.close(log_out).await;
        }
    }

    /// Ends all connections; their pairings stay.
    pub async fn close_all(&self) {
        let accounts: Vec<AccountId> = self.all().keys().copied().collect();
        for account in accounts {
            self.close(account, Status::Disconnected, false).await;
        }
    }

    /// Forgets an account that was removed.
    pub fn forget(&self, account: AccountId) {
        self.all().remove(&account);
    }
}
