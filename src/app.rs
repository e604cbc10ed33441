//! The parts of a server, put together once and passed down; and the server running, to be stopped.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, CompanyId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::attempts::Attempts;
use crate::auth::identity::Identities;
use crate::auth::token::Keys;
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::sessions::{Sessions, Status};
use crate::gateway::simulator::Simulator;
use crate::lane::{Lanes, watchdog};
use crate::queue::Queue;
use crate::queue::memory::MemoryQueue;
use crate::queue::redis::RedisQueue;
use crate::realtime::socketio::{self, Clients};
use crate::realtime::{Bus, Event, nodes};
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;
use crate::{api, inbox};

/// 2025-01-01T00:00:00Z in microseconds: where the sequence numbers start.
pub const SEQUENCE_EPOCH_US: i64 = 1_735_689_600_000_000;

/// How long Socket.IO clients may take to be told that the server goes.
const FAREWELL: Duration = Duration::from_secs(3);

/// The parts of one server.
pub struct App {
    /// Every setting.
    pub config: Config,
    /// What time it is.
    pub clock: Clock,
    /// The truth.
    pub store: Store,
    /// The queues.
    pub queue: Arc<dyn Queue>,
    /// The connections.
    pub sessions: Sessions,
    /// The lanes.
    pub lanes: Lanes,
    /// The events.
    pub bus: Bus,
    /// Who showed which credential lately.
    pub identities: Identities,
    /// Attempts to sign in.
    pub attempts: Attempts,
    /// What logins are signed with.
    pub keys: Keys,
    /// The simulated messenger.
    pub simulator: Arc<Simulator>,
    /// The counters.
    pub telemetry: Telemetry,
    /// What the outside calls this server, without a slash at the end.
    pub public_url: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Cancelled when the server begins to stop: streams end.
    pub quiet: CancellationToken,
    sequence: AtomicI64,
}

impl App {
    /// The next sequence number: microseconds since 2025, later than any given before.
    pub fn next_seq(&self) -> i64 {
        let now = self.clock.now().timestamp_micros() - SEQUENCE_EPOCH_US;
        let next = |last: i64| now.max(last + 1);
        let mut last = self.sequence.load(Ordering::Relaxed);
        while let Err(seen) =
            self.sequence.compare_exchange_weak(last, next(last), Ordering::Relaxed, Ordering::Relaxed)
        {
            last = seen;
        }
        next(last)
    }

    /// The day that counts go by: days since 1970 where the server's day starts.
    #[must_use]
    pub fn today(&self) -> i32 {
        self.day_of(self.clock.now())
    }

    /// The day of `at`, as [`Self::today`] counts them.
    #[must_use]
    pub fn day_of(&self, at: DateTime<Utc>) -> i32 {
        at.with_timezone(&self.config.timezone).date_naive().to_epoch_days()
    }

    /// How many accounts a company has, and how they stand.
    pub async fn sessions_of(&self, company: CompanyId) -> Result<SessionCounts, StoreError> {
        let accounts = self.store.accounts_of(company).await?;
        let is_connected = |id| self.sessions.status(id) == Status::Connected;
        Ok(SessionCounts {
            total: accounts.len(),
            active: accounts.iter().filter(|(_, should_connect)| *should_connect).count(),
            connected: accounts.iter().filter(|(id, _)| is_connected(*id)).count(),
        })
    }

    /// People, keys or grants changed: every node looks again who somebody is.
    pub fn people_changed(&self, company: CompanyId) {
        self.identities.forget();
        self.bus.tell(company, None, Event::PeopleChanged);
    }

    /// A user or a key may not call any more, and its sockets are cut.
    pub fn shut_out(&self, company: CompanyId, whom: impl ToString) {
        self.people_changed(company);
        self.bus.tell(company, None, Event::ShutOut { whom: whom.to_string() });
    }

    /// The link that pairs the account.
    #[must_use]
    pub fn qr_url(&self, account: AccountId) -> String {
        format!("{}/qr/{account}", self.public_url)
    }
}

/// How many accounts a company has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCounts {
    /// All of them.
    pub total: usize,
    /// Those that should be connected.
    pub active: usize,
    /// Those that are.
    pub connected: usize,
}

/// A server that runs until it is stopped.
pub struct Running {
    /// Its parts.
    pub app: Arc<App>,
    /// Where it listens.
    pub address: SocketAddr,
    http: ServerHandle,
    clients: Arc<Clients>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Running {
    /// Starts a server: database, queue, lanes, HTTP. Returns once it listens.
    pub async fn start(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.bind).with_context(|| format!("can't listen on {}", config.bind))?;
        let address = listener.local_addr()?;
        let store = Store::open(&config.database_url).await?;
        store.cancel_orphans().await.context("can't read the database")?;
        let queue: Arc<dyn Queue> = match &config.redis {
            Some(redis) => Arc::new(RedisQueue::new(&redis.url, redis.is_cluster, &redis.prefix)?),
            None => Arc::new(MemoryQueue::default()),
        };
        let (reports, reported) = mpsc::unbounded_channel();
        let (quiet, stop, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let telemetry = Telemetry::new()?;
        let (bus, ends) = Bus::new(config.redis.is_some(), telemetry.events_dropped.clone());
        let app = Arc::new(App {
            public_url: config.public_url.clone().unwrap_or_else(|| format!("http://{address}")),
            store,
            queue,
            sessions: Sessions::new(reports),
            lanes: Lanes::new(tasks.clone(), quiet.clone(), stop.clone()),
            bus,
            identities: Identities::default(),
            attempts: Attempts::new(config.login_rate),
            keys: Keys::default(),
            simulator: Arc::default(),
            telemetry,
            started_at: clock.now(),
            quiet: quiet.clone(),
            sequence: AtomicI64::new(0),
            config,
            clock,
        });
        let (service, clients) = socketio::open(&app);
        let clients = Arc::new(clients);
        let http = api::serve(app.clone(), service, listener)?;
        let handle = http.handle();
        tokio::spawn(http);
        tokio::spawn({
            let (app, clients, stop) = (app.clone(), clients.clone(), stop.clone());
            async move { stop.run_until_cancelled(clients.run(&app, ends.clients)).await }
        });
        if let (Some(redis), Some(outgoing)) = (app.config.redis.clone(), ends.nodes) {
            let (app, stop) = (app.clone(), stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(nodes::run(&app, &redis, outgoing)).await });
        }
        tokio::spawn({
            let (app, stop) = (app.clone(), stop.clone());
            async move { stop.run_until_cancelled(inbox::run(&app, reported)).await }
        });
        tokio::spawn({
            let (app, stop) = (app.clone(), stop.clone());
            async move { stop.run_until_cancelled(watchdog::run(&app)).await }
        });
        app.lanes.start_all(&app).await.context("can't read the accounts")?;
        Ok(Self { app, address, http: handle, clients, tasks, stop })
    }

    /// Stops in two stages. First nothing new begins: HTTP refuses, lanes claim no more, streams
    /// end; what is in flight may finish until the deadline. Then what still is ends as uncertain,
    /// and the gateways close. A next start goes on where this one was.
    pub async fn stop(self) {
        self.app.quiet.cancel();
        self.tasks.close();
        // The call itself refuses new connections; then clients are told, and come back elsewhere.
        let stopped = self.http.stop(true);
        if self.app.clock.timeout(FAREWELL, self.clients.close()).await.is_err() {
            tracing::debug!("a client takes nothing, not even a farewell");
        }
        let finished = async { tokio::join!(stopped, self.tasks.wait()) };
        if self.app.clock.timeout(self.app.config.shutdown_deadline, finished).await.is_err() {
            tracing::warn!("messages in flight at the deadline end as uncertain");
        }
        self.stop.cancel();
        self.http.stop(false).await;
        self.tasks.wait().await;
        self.app.sessions.close_all().await;
        self.app.store.close().await;
    }
}
