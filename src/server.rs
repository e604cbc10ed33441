//! A server, from its start to its stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::app::{App, Comings};
use crate::clock::Clock;
use crate::config::Config;
use crate::lane::{filer, watchdog};
use crate::logs::Logs;
use crate::media::{eager, sweep};
use crate::nodes::Nodes;
use crate::realtime::listener::Door;
use crate::realtime::socketio::{self, Clients};

/// Accounts that may wait to be shown to who watches them.
const CHANGES: usize = 16_384;
/// How long Socket.IO clients may take to be told that the server goes.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long the last that is to be written may take, and the database to close.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// A server that runs until it is stopped.
pub struct Server {
    /// Its parts.
    pub app: Arc<App>,
    /// Where it listens.
    pub address: SocketAddr,
    http: ServerHandle,
    clients: Arc<Clients>,
    inbox: JoinHandle<()>,
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

impl Server {
    /// Starts a server: database, queue, lanes, HTTP. Returns once it listens.
    pub async fn start(config: Config, clock: Clock, logs: Arc<Logs>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.bind).with_context(|| format!("can't listen on {}", config.bind))?;
        let address = listener.local_addr()?;
        let (app, Comings { reported, ends, comers, files }) = App::new(config, clock, address, logs).await?;
        let app = Arc::new(app);
        let orphans = app.store.orphans().await.context("can't read the database")?;
        let door = Door {
            guard: app.guard.clone(),
            seats: Arc::default(),
            most: app.config.socket_connections,
            clock: app.clock.clone(),
            quiet: app.quiet.clone(),
        };
        let missed = app.telemetry.events_missed.clone();
        let (changes, changed) = mpsc::channel(CHANGES);
        let (service, clients) = socketio::open(door, app.store.clone(), app.sessions.clone(), changes, missed);
        let clients = Arc::new(clients);
        let house = api::House::new(app.clone(), service);
        let http = house.serve(listener)?;
        let handle = http.handle();
        let vitals = Vitals { ended: watch::channel(None).0, quiet: app.quiet.clone() };
        let (never, silence, stop) = (CancellationToken::new(), CancellationToken::new(), &app.stop);
        vitals.spawn("the HTTP server", &never, async { drop(http.await) });
        if app.ports.range().is_some() {
            let side = api::door::open(house, comers)?;
            vitals.spawn("the server at the accounts' ports", stop, async { drop(side.await) });
            open_ports(&app).await.context("can't give the accounts their ports")?;
        }
        let (part, silent) = (app.clone(), silence.clone());
        let inbox = vitals.spawn("the inbox", &never, async move { part.inbox.run(reported, &silent).await });
        let store = app.store.clone();
        vitals.spawn("the group commit", stop, async move { store.commit_ended().await });
        let (part, watchers) = (app.clone(), clients.clone());
        let board = async move { part.board.run(changed, &watchers).await };
        vitals.spawn("the task that shows accounts", stop, board);
        let told = clients.clone();
        vitals.spawn("the task that tells clients", stop, async move { told.run(ends.clients).await });
        if let (Some(redis), Some(outgoing)) = (app.config.redis.clone(), ends.nodes) {
            let (bus, store, lanes, clock) = (app.bus.clone(), app.store.clone(), app.lanes.clone(), app.clock.clone());
            let nodes = Nodes { redis, bus, store, lanes, clock };
            vitals.spawn("the link to other nodes", stop, async move { nodes.run(outgoing).await });
        }
        let (store, bus, clock) = (app.store.clone(), app.bus.clone(), app.clock.clone());
        vitals.spawn("the filer", stop, async move { filer::run(&store, &bus, &clock).await });
        let media = app.media.clone();
        if app.config.media_eager {
            let media = media.clone();
            vitals.spawn("the task that fetches files", stop, async move { eager::run(&media, files).await });
        }
        vitals.spawn("the task that lets old files go", stop, async move { sweep::run(&media).await });
        let lanes = app.lanes.clone();
        vitals.spawn("the watchdog", stop, async move { watchdog::run(&lanes).await });
        let lanes = app.lanes.clone();
        vitals.spawn("the task that restores", stop, async move { lanes.strangers.run(&lanes).await });
        app.store.clear_actions(app.clock.now()).await.context("can't write the database")?;
        app.lanes.clear_up(orphans);
        app.browsers.sweep();
        app.lanes.start_all().await.context("can't read the accounts")?;
        Ok(Self { app, address, http: handle, clients, inbox, silence, vitals })
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
        app.stop.cancel();
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

/// Opens the port of each account; one that has none, or one that is not of the range any more, gets one.
async fn open_ports(app: &App) -> anyhow::Result<()> {
    let mut without = Vec::new();
    let ports = app.store.ports().await?.into_iter();
    let ports: Vec<_> =
        ports.map(|(account, port)| (account, port.and_then(|port| u16::try_from(port).ok()))).collect();
    if let Some(last) = app.store.last_port().await?.or(ports.iter().filter_map(|(_, port)| *port).max()) {
        app.ports.go_on_after(last);
    }
    for (account, port) in ports {
        if !port.is_some_and(|port| app.ports.open_again(account, port)) {
            without.push(account);
        }
    }
    for account in without {
        let Some(port) = app.ports.take()? else {
            tracing::warn!(account.id = %account, "no port of ANDANTE_INSTANCE_PORTS is left for an account");
            continue;
        };
        let number = i32::from(port.number);
        let given = app.store.change_account(account, |row| row.port = sea_orm::ActiveValue::Set(Some(number)));
        if given.await?.is_some() {
            port.give(account);
        }
    }
    Ok(())
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
