//! The parts of a server, put together once and passed down; and the server running, to be stopped.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, CompanyId, LoginId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::attempts::Attempts;
use crate::auth::identity::Identities;
use crate::auth::token::Keys;
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::reports;
use crate::gateway::sessions::{Sessions, Status};
use crate::gateway::simulator::Simulator;
use crate::lane::{Lanes, watchdog};
use crate::queue::Queue;
use crate::queue::memory::MemoryQueue;
use crate::queue::redis::RedisQueue;
use crate::realtime::socketio::{self, Clients};
use crate::realtime::{Bus, Event, nodes};
use crate::store::{Servers, Store, StoreError};
use crate::telemetry::Telemetry;
use crate::{api, inbox};

/// 2025-01-01T00:00:00Z in microseconds: where the sequence numbers start.
pub const SEQUENCE_EPOCH_US: i64 = 1_735_689_600_000_000;

/// How long Socket.IO clients may take to be told that the server goes.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long the last that is to be written may take, and the database to close.
const LAST_WORDS: Duration = Duration::from_secs(20);

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
    /// What a stop waits for: lanes, and changes that run to their end.
    pub tasks: TaskTracker,
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
        self.identities.forget(company);
        self.bus.tell(company, None, Event::PeopleChanged);
    }

    /// A user or a key may not call any more, and its sockets are cut, but for those of one login.
    pub fn shut_out(&self, company: CompanyId, whom: impl ToString, but: Option<LoginId>) {
        self.people_changed(company);
        self.bus.tell(company, None, Event::ShutOut { whom: whom.to_string(), but });
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
    inbox: JoinHandle<()>,
    /// What is in flight ends.
    stop: CancellationToken,
    /// Nobody reports any more.
    silence: CancellationToken,
    vitals: Vitals,
}

/// The tasks a server can't do without. One that ends before the server is told to stop, ends it.
#[derive(Clone)]
struct Vitals {
    ended: watch::Sender<Option<&'static str>>,
    quiet: CancellationToken,
}

impl Vitals {
    /// Runs `task` until it ends or `end` comes.
    fn spawn(
        &self,
        name: &'static str,
        end: &CancellationToken,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let (vitals, task) = (self.clone(), end.clone().run_until_cancelled_owned(task));
        tokio::spawn(async move {
            // In a task of its own, so that a panic is an end as well.
            let _ = tokio::spawn(task).await;
            if !vitals.quiet.is_cancelled() {
                vitals.ended.send_replace(Some(name));
            }
        })
    }
}

impl Running {
    /// Starts a server: database, queue, lanes, HTTP. Returns once it listens.
    pub async fn start(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.bind).with_context(|| format!("can't listen on {}", config.bind))?;
        let address = listener.local_addr()?;
        // Nobody else would know what one has in its memory.
        let servers = if config.redis.is_some() { Servers::Many } else { Servers::One };
        let store = Store::serve(&config.database_url, servers, &config.seal, config.allow_readable).await?;
        let queue: Arc<dyn Queue> = match &config.redis {
            Some(redis) => Arc::new(RedisQueue::new(&redis.url, redis.is_cluster, &redis.prefix)?),
            None => Arc::new(MemoryQueue::default()),
        };
        let orphans = store.orphans().await.context("can't read the database")?;
        let (reports, reported) = mpsc::channel(reports::WAITING);
        let (quiet, stop, silence) = <(CancellationToken, CancellationToken, CancellationToken)>::default();
        let tasks = TaskTracker::new();
        let telemetry = Telemetry::new()?;
        let (bus, ends) = Bus::new(config.redis.is_some(), telemetry.events_dropped.clone());
        let app = Arc::new(App {
            public_url: config.public_url.clone().unwrap_or_else(|| format!("http://{address}")),
            store,
            queue,
            sessions: Sessions::new(reports, clock.clone()),
            lanes: Lanes::new(tasks.clone(), quiet.clone(), stop.clone()),
            bus,
            identities: Identities::default(),
            attempts: Attempts::new(config.login_rate),
            keys: Keys::default(),
            simulator: Arc::default(),
            telemetry,
            started_at: clock.now(),
            quiet: quiet.clone(),
            tasks,
            sequence: AtomicI64::new(0),
            config,
            clock,
        });
        let (service, clients) = socketio::open(&app);
        let clients = Arc::new(clients);
        let http = api::serve(app.clone(), service, listener)?;
        let handle = http.handle();
        let vitals = Vitals { ended: watch::channel(None).0, quiet };
        let never = CancellationToken::new();
        vitals.spawn("the HTTP server", &never, async { drop(http.await) });
        let (part, silent) = (app.clone(), silence.clone());
        let inbox = vitals.spawn("the inbox", &never, async move { inbox::run(&part, reported, &silent).await });
        let part = app.clone();
        vitals.spawn("the group commit", &stop, async move { part.store.commit_ended().await });
        let (part, told) = (app.clone(), clients.clone());
        vitals.spawn("the task that tells clients", &stop, async move { told.run(&part, ends.clients).await });
        if let (Some(redis), Some(outgoing)) = (app.config.redis.clone(), ends.nodes) {
            let part = app.clone();
            vitals.spawn("the link to other nodes", &stop, async move { nodes::run(&part, &redis, outgoing).await });
        }
        let part = app.clone();
        vitals.spawn("the watchdog", &stop, async move { watchdog::run(&part).await });
        let part = app.clone();
        vitals.spawn("the task that restores", &stop, async move { part.lanes.strangers.run(&part).await });
        app.lanes.clear_up(&app, orphans);
        app.lanes.start_all(&app).await.context("can't read the accounts")?;
        Ok(Self { app, address, http: handle, clients, inbox, stop, silence, vitals })
    }

    /// Returns if the server can't go on, with what has ended.
    pub async fn failed(&self) -> &'static str {
        let mut ended = self.vitals.ended.subscribe();
        // Fails only when nobody can send any more, and this one can.
        let named = ended.wait_for(Option::is_some).await.ok().and_then(|name| *name);
        named.unwrap_or("a task")
    }

    /// Stops in two stages. First nothing new begins: HTTP refuses, lanes claim no more, streams
    /// end; what is in flight may finish until the deadline. Then what still is ends as uncertain,
    /// the gateways close, and what they reported is written. A next start goes on where this one was.
    pub async fn stop(self) {
        let app = &self.app;
        app.quiet.cancel();
        app.tasks.close();
        // The call itself refuses new connections; then clients are told, and come back elsewhere.
        let stopped = self.http.stop(true);
        if app.clock.timeout(FAREWELL, self.clients.close()).await.is_err() {
            tracing::debug!("a client takes nothing, not even a farewell");
        }
        let finished = async { tokio::join!(stopped, app.tasks.wait()) };
        if app.clock.timeout(app.config.shutdown_deadline, finished).await.is_err() {
            tracing::warn!("messages in flight at the deadline end as uncertain");
        }
        self.stop.cancel();
        let ended = async {
            self.http.stop(false).await;
            app.tasks.wait().await;
            app.sessions.close_all().await;
            self.silence.cancel();
            // It ends once it has written what there is.
            let _ = self.inbox.await;
        };
        if app.clock.timeout(LAST_WORDS, ended).await.is_err() {
            tracing::warn!("the database does not take the last words; the next start finds what they are about");
        }
        if app.clock.timeout(LAST_WORDS, app.store.close()).await.is_err() {
            tracing::warn!("the database does not close");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_before_the_stop_is_named() {
        for is_stopped in [false, true] {
            let vitals = Vitals { ended: watch::channel(None).0, quiet: CancellationToken::new() };
            if is_stopped {
                vitals.quiet.cancel();
            }
            let never = CancellationToken::new();
            let named = [("one that returns", false), ("one that breaks", true)].map(async |(name, breaks)| {
                let task = async move { assert!(!breaks, "it was told to break") };
                vitals.spawn(name, &never, task).await.unwrap();
                vitals.ended.send_replace(None)
            });
            let [returned, broke] = named;
            let expected = |name| (!is_stopped).then_some(name);
            assert_eq!(returned.await, expected("one that returns"));
            assert_eq!(broke.await, expected("one that breaks"));
        }
    }
}
