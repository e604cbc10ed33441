//! The parts of a server, put together once. Each has been given what it needs and knows no other; the
//! API's handlers find here the one that they call.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::{CompanyId, LoginId};
use entity::media;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::account::Accounts;
use crate::auth::Guard;
use crate::blobs::Blobs;
use crate::board::{Board, Loads};
use crate::clock::Clock;
use crate::config::{Config, half_of_the_files};
use crate::egress::Egress;
use crate::gateway::Messengers;
use crate::gateway::browsers::Browsers;
use crate::gateway::reports::{self, Reported};
use crate::gateway::sessions::Sessions;
use crate::gateway::simulator::Simulator;
use crate::inbox::Inbox;
use crate::intake::Intake;
use crate::lane::{Kit, Lanes};
use crate::logs::Logs;
use crate::machine::Machine;
use crate::media::{Media, eager};
use crate::ports::{Comer, Ports};
use crate::queue::Queue;
use crate::queue::memory::MemoryQueue;
use crate::queue::redis::RedisQueue;
use crate::realtime::bus::Ends;
use crate::realtime::{Bus, Event};
use crate::standing::Standings;
use crate::store::{Servers, Store};
use crate::telemetry::Telemetry;

/// The parts of one server.
pub struct App {
    /// Every setting.
    pub config: Config,
    /// What time it is.
    pub clock: Clock,
    /// The truth.
    pub store: Arc<Store>,
    /// The queues.
    pub queue: Arc<dyn Queue>,
    /// Who calls.
    pub guard: Arc<Guard>,
    /// Where messages come in.
    pub intake: Intake,
    /// Where they stand.
    pub standings: Standings,
    /// What accounts look like.
    pub board: Board,
    /// The lanes, which send them.
    pub lanes: Arc<Lanes>,
    /// The files.
    pub media: Arc<Media>,
    /// The connections, over which they leave.
    pub sessions: Arc<Sessions>,
    /// What happens to them.
    pub accounts: Arc<Accounts>,
    /// Where the messengers' reports come in.
    pub inbox: Inbox,
    /// The events.
    pub bus: Arc<Bus>,
    /// The counters.
    pub telemetry: Arc<Telemetry>,
    /// The simulated messenger, for whoever plays its part.
    pub simulator: Arc<Simulator>,
    /// The browsers that some accounts are in.
    pub browsers: Arc<Browsers>,
    /// The ports of accounts' own.
    pub ports: Arc<Ports>,
    /// What the process takes of its machine.
    pub machine: Arc<Machine>,
    /// What happened to each account lately, in words.
    pub logs: Arc<Logs>,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Cancelled when the server begins to stop: nothing new begins, streams end.
    pub quiet: CancellationToken,
    /// What a stop waits for: lanes, and changes that run to their end.
    pub tasks: TaskTracker,
    /// Cancelled when it has waited long enough: what is in flight ends.
    pub stop: CancellationToken,
}

/// What comes to a server from outside its handlers, for whoever carries it on.
pub struct Comings {
    /// What messengers report.
    pub reported: mpsc::Receiver<Reported>,
    /// What clients and other nodes are to hear.
    pub ends: Ends,
    /// Who comes in by an account's port.
    pub comers: mpsc::Receiver<Comer>,
    /// Files that came in and are to be fetched.
    pub files: mpsc::Receiver<media::Model>,
}

impl App {
    /// Puts the parts of a server together that listens at `address`; and what has to be carried from
    /// one to the other while it runs. `logs` has what happens to its accounts.
    pub async fn new(
        config: Config,
        clock: Clock,
        address: SocketAddr,
        logs: Arc<Logs>,
    ) -> anyhow::Result<(Self, Comings)> {
        let clock = clock.in_zone(config.timezone);
        // Nobody else would know what one has in its memory.
        let servers = if config.redis.is_some() { Servers::Many } else { Servers::One };
        let store = Store::serve(&config.database_url, servers, &config.seal, config.allow_readable).await?;
        let store = Arc::new(store);
        // Also where the clock was put back meanwhile.
        clock.go_on_after(store.last_seq().await?);
        let blobs = Arc::new(match &config.media_bucket {
            Some(bucket) => Blobs::in_bucket(bucket)?,
            None => Blobs::in_folder(&config.data_dir.join("media"))?,
        });
        let queue: Arc<dyn Queue> = match &config.redis {
            Some(redis) => Arc::new(RedisQueue::new(&redis.url, redis.is_cluster, &redis.prefix)?),
            None => Arc::new(MemoryQueue::default()),
        };
        let telemetry = Arc::new(Telemetry::new()?);
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let guard = Arc::new(Guard::new(&config, &public_url, store.clone(), clock.clone()));
        let (bus, ends) = Bus::new(config.redis.is_some(), telemetry.events_dropped.clone());
        let bus = Arc::new(bus);
        let messengers = Messengers::new(&config, store.clone(), clock.clone());
        let (simulator, browsers) = (messengers.simulator.clone(), messengers.browsers.clone());
        let (reports, reported) = mpsc::channel(reports::WAITING);
        let sessions = Arc::new(Sessions::new(messengers, reports));
        let accounts = Arc::new(Accounts {
            store: store.clone(),
            sessions: sessions.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
        });
        let kit = Kit {
            store: store.clone(),
            queue: queue.clone(),
            blobs: blobs.clone(),
            sessions: sessions.clone(),
            accounts: accounts.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            telemetry: telemetry.clone(),
            presets: config.presets.clone(),
            send_deadline: config.send_deadline,
            connect_deadline: config.connect_deadline,
            company_accounts: config.company_accounts,
        };
        let (quiet, tasks, stop) = <(CancellationToken, TaskTracker, CancellationToken)>::default();
        let range = config.instance_ports.clone();
        let most = half_of_the_files();
        let (ports, comers) = Ports::new(address.ip(), range, most, clock.clone(), tasks.clone(), quiet.clone());
        let lanes = Arc::new(Lanes::new(kit, tasks.clone(), quiet.clone(), stop.clone()));
        let standings = Standings {
            store: store.clone(),
            queue: queue.clone(),
            sessions: sessions.clone(),
            lanes: lanes.clone(),
            clock: clock.clone(),
            presets: config.presets.clone(),
        };
        let board = Board {
            store: store.clone(),
            standings: standings.clone(),
            sessions: sessions.clone(),
            presets: config.presets.clone(),
            public_url,
            clock: clock.clone(),
            loads: Loads::default(),
        };
        let intake = Intake {
            store: store.clone(),
            queue: queue.clone(),
            lanes: lanes.clone(),
            standings: standings.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            accepted: telemetry.accepted.clone(),
        };
        let (limits, egress) = (config.media, Egress::new(config.private_media));
        let media = Media::new(store.clone(), blobs, sessions.clone(), clock.clone(), limits, egress);
        let (files, files_come) = mpsc::channel(eager::WAITING);
        let inbox = Inbox {
            store: store.clone(),
            sessions: sessions.clone(),
            accounts: accounts.clone(),
            lanes: lanes.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            files: config.media_eager.then_some(files),
        };
        let started_at = clock.now();
        let app = Self {
            config,
            clock,
            store,
            queue,
            guard,
            intake,
            standings,
            board,
            lanes,
            media: Arc::new(media),
            sessions,
            accounts,
            inbox,
            bus,
            telemetry,
            simulator,
            browsers,
            ports: Arc::new(ports),
            machine: Arc::default(),
            logs,
            started_at,
            quiet,
            tasks,
            stop,
        };
        Ok((app, Comings { reported, ends, comers, files: files_come }))
    }

    /// People, keys or grants changed: every node looks again who somebody is.
    pub fn people_changed(&self, company: CompanyId) {
        self.guard.forget(company);
        self.bus.tell(company, None, Event::PeopleChanged);
    }

    /// A user or a key may not call any more, and its sockets are cut, but for those of one login.
    pub fn shut_out(&self, company: CompanyId, whom: impl ToString, but: Option<LoginId>) {
        self.people_changed(company);
        self.bus.tell(company, None, Event::ShutOut { whom: whom.to_string(), but });
    }
}
