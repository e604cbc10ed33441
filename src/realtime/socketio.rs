//! The Socket.IO clients of this node: who they are, which rooms they are in, and the one task
//! that tells them the news.
//!
//! An admin or a program is in its company's room, a manager in those of the accounts granted.
//! Rooms follow grants as news of them pass by; a token that expires or is ended cuts its sockets.

use std::sync::Arc;
use std::time::Duration;

use engineioxide::service::NotFoundService;
use entity::ids::{AccountId, CompanyId};
use prometheus::IntCounter;
use serde_json::{Value, json};
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::service::SocketIoService;
use socketioxide::{ParserConfig, SocketIo};
use tokio::sync::mpsc;

use super::due::Due;
use super::emission::emissions;
use super::event::{Access, Event, News};
use super::listener::{Door, account_room, company_room, pairing_room, room_of, shut};
use crate::gateway::sessions::Sessions;
use crate::store::{Store, StoreError};

/// Bytes of what a client may send at once: its credentials are all that is read.
pub const PAYLOAD: usize = 100_000;
/// Packets that may wait for one client; beyond them it misses some, and sees the gap.
const BUFFER: usize = 2_048;
/// How long a client may take to say who it is.
const SAYS_WHO: Duration = Duration::from_secs(10);

/// What HTTP requests of Socket.IO are given to.
pub type Service = SocketIoService<NotFoundService>;

/// The clients of this node.
pub struct Clients {
    io: SocketIo,
    door: Arc<Door>,
    store: Arc<Store>,
    sessions: Arc<Sessions>,
    /// Where accounts go that look different, if somebody watches them.
    changes: mpsc::Sender<(CompanyId, AccountId)>,
    /// Counts what found no room with one of them.
    missed: IntCounter,
}

/// Opens the door: the service that requests are given to, and the clients that will come. Accounts that
/// they watch and that change go to `changes`.
#[must_use]
pub fn open(
    door: Door,
    store: Arc<Store>,
    sessions: Arc<Sessions>,
    changes: mpsc::Sender<(CompanyId, AccountId)>,
    missed: IntCounter,
) -> (Service, Clients) {
    let (service, io) = SocketIo::builder()
        .max_buffer_size(BUFFER)
        .max_payload(PAYLOAD as u64)
        .ws_max_message_size(PAYLOAD)
        .ws_max_frame_size(PAYLOAD)
        .connect_timeout(SAYS_WHO)
        .with_parser(ParserConfig::common().max_incoming_binary_buf_size(PAYLOAD).max_incoming_binaries(1))
        .build_svc();
    let door = Arc::new(door);
    let authenticate = {
        let door = door.clone();
        move |socket: SocketRef, TryData(said): TryData<Value>| {
            let door = door.clone();
            async move { door.admit(&socket, said.ok()).await }
        }
    };
    let welcome = {
        let door = door.clone();
        move |socket: SocketRef| {
            let door = door.clone();
            async move { door.seat(socket).await }
        }
    };
    io.ns("/", welcome.with(authenticate));
    (service, Clients { io, door, store, sessions, changes, missed })
}

impl Clients {
    /// Tells the clients the news, one after the other, until there are none any more.
    pub async fn run(&self, mut news: mpsc::Receiver<News>) {
        let clock = &self.door.clock;
        let mut stats = Due::default();
        loop {
            let due = stats.next();
            let next = tokio::select! {
                next = news.recv() => next,
                () = clock.sleep_until_maybe(due) => {
                    for company in stats.take(clock.now()) {
                        self.tell_stats(company).await;
                    }
                    continue;
                }
            };
            let Some(news) = next else { return };
            if matches!(news.event, Event::PeopleChanged | Event::LoginEnded { .. }) {
                self.door.guard.forget(news.company);
            }
            self.tell(&news).await;
            if !self.door.seats.are_taken(&news.company) {
                continue;
            }
            if counts(&news.event) {
                stats.note(news.company, clock.now());
            }
            if let Some(account) = news.account.filter(|_| news.event.is_seen())
                && self.changes.try_send((news.company, account)).is_err()
            {
                self.missed.inc();
            }
        }
    }

    async fn tell(&self, news: &News) {
        if !self.door.seats.are_taken(&news.company) {
            return;
        }
        let mut rooms = vec![company_room(news.company)];
        rooms.extend(news.account.map(account_room));
        match &news.event {
            Event::AccessGranted(access) | Event::AccessRevoked(access) => {
                self.follow(news, access).await;
                rooms = vec![company_room(news.company), room_of(access.manager)];
            }
            // A code is a key to the account.
            Event::CodeShown { .. } => rooms = vec![pairing_room(news.company)],
            Event::LoginEnded { login } => self.shut_all(room_of(login), None),
            Event::ShutOut { whom, but } => self.shut_all(room_of(whom), but.map(room_of)),
            _ => {}
        }
        for (name, payload) in emissions(news) {
            self.emit(rooms.clone(), name, &payload).await;
        }
    }

    /// Moves a manager's clients into the account's room, or out of it.
    async fn follow(&self, news: &News, access: &Access) {
        let Some(account) = news.account else { return };
        let may_read = matches!(news.event, Event::AccessGranted(_)) && access.permissions.iter().any(|p| p == "read");
        let clients = self.io.within(room_of(access.manager));
        // Fails only between nodes, and each looks after its own.
        let _ = if may_read {
            clients.join(account_room(account)).await
        } else {
            clients.leave(account_room(account)).await
        };
    }

    fn shut_all(&self, room: String, but: Option<String>) {
        let whom = self.io.within(room);
        let whom = match but {
            Some(room) => whom.except(room),
            None => whom,
        };
        whom.sockets().iter().for_each(shut);
    }

    async fn emit(&self, rooms: Vec<String>, name: &'static str, payload: &Value) {
        if self.io.to(rooms).emit(name, payload).await.is_err() {
            self.missed.inc();
        }
        // A burst leaves the clients' own tasks the time to send it.
        tokio::task::yield_now().await;
    }

    async fn tell_stats(&self, company: CompanyId) {
        let today = self.door.clock.today();
        let read = async {
            Ok::<_, StoreError>((self.store.stats(company, today).await?, self.sessions.count_of(company).await?))
        };
        let (stats, sessions) = match read.await {
            Ok(read) => read,
            Err(error) => return tracing::warn!(%error, "the counts could not be told"),
        };
        let payload = json!({"companyId": company, "stats": {
            "totalChats": stats.individual + stats.groups, "unreadChats": stats.unread,
            "totalMessages": stats.sent + stats.received, "todayMessages": stats.on(today),
            "connectedSessions": sessions.connected}});
        self.emit(vec![company_room(company)], "whatsapp:stats-updated", &payload).await;
    }

    /// Tells who watches an account how it looks.
    pub async fn tell_account(&self, company: CompanyId, account: AccountId, payload: &Value) {
        self.emit(vec![company_room(company), account_room(account)], "whatsapp:account-updated", payload).await;
    }

    /// Tells all clients that the server goes, so that they come back, to this one or another.
    pub async fn close(&self) {
        self.io.close().await;
    }
}

/// Whether the event changes what is counted.
fn counts(event: &Event) -> bool {
    matches!(
        event,
        Event::MessageFiled { .. }
            | Event::MessageSent { .. }
            | Event::ChatChanged { .. }
            | Event::Connected { .. }
            | Event::Disconnected { .. }
    )
}
