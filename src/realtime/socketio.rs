//! The Socket.IO clients of this node: who they are, which rooms they are in, and the one task
//! that tells them the news.
//!
//! An admin or a program is in its company's room, a manager in those of the accounts granted.
//! Rooms follow grants as news of them pass by; a token that expires or is ended cuts its sockets.

use std::sync::Arc;
use std::time::Duration;

use engineioxide::service::NotFoundService;
use entity::ids::CompanyId;
use serde_json::{Value, json};
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::service::SocketIoService;
use socketioxide::{ParserConfig, SocketIo};
use tokio::sync::mpsc;

use super::due::Due;
use super::emission::emissions;
use super::event::{Access, Event, News};
use super::listener::{account_room, admit, company_room, pairing_room, room_of, seat, shut};
use crate::app::App;
use crate::seats::Seats;
use crate::store::StoreError;

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
    seats: Arc<Seats<CompanyId>>,
}

/// Opens the doors: the service that requests are given to, and the clients that will come.
#[must_use]
pub fn open(app: &Arc<App>) -> (Service, Clients) {
    let (service, io) = SocketIo::builder()
        .max_buffer_size(BUFFER)
        .max_payload(PAYLOAD as u64)
        .ws_max_message_size(PAYLOAD)
        .ws_max_frame_size(PAYLOAD)
        .connect_timeout(SAYS_WHO)
        .with_parser(ParserConfig::common().max_incoming_binary_buf_size(PAYLOAD).max_incoming_binaries(1))
        .build_svc();
    let seats = Arc::new(Seats::default());
    let authenticate = {
        let (app, seats) = (app.clone(), seats.clone());
        move |socket: SocketRef, TryData(said): TryData<Value>| {
            let (app, seats) = (app.clone(), seats.clone());
            async move { admit(&app, &seats, &socket, said.ok()).await }
        }
    };
    let welcome = {
        let app = app.clone();
        move |socket: SocketRef| {
            let app = app.clone();
            async move { seat(&app, socket).await }
        }
    };
    io.ns("/", welcome.with(authenticate));
    (service, Clients { io, seats })
}

impl Clients {
    /// Tells the clients the news, one after the other, until there are none any more.
    pub async fn run(&self, app: &App, mut news: mpsc::Receiver<News>) {
        let mut stats = Due::default();
        loop {
            let due = stats.due();
            let next = tokio::select! {
                next = news.recv() => next,
                () = app.clock.sleep_until_maybe(due) => {
                    for company in stats.take_due(app.clock.now()) {
                        self.tell_stats(app, company).await;
                    }
                    continue;
                }
            };
            let Some(news) = next else { return };
            if matches!(news.event, Event::PeopleChanged | Event::LoginEnded { .. }) {
                app.identities.forget(news.company);
            }
            self.tell(app, &news).await;
            if counts(&news.event) && self.seats.are_taken(&news.company) {
                stats.note(news.company, app.clock.now());
            }
        }
    }

    async fn tell(&self, app: &App, news: &News) {
        if !self.seats.are_taken(&news.company) {
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
            self.emit(app, rooms.clone(), name, &payload).await;
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

    async fn emit(&self, app: &App, rooms: Vec<String>, name: &'static str, payload: &Value) {
        if self.io.to(rooms).emit(name, payload).await.is_err() {
            app.telemetry.events_missed.inc();
        }
        // A burst leaves the clients' own tasks the time to send it.
        tokio::task::yield_now().await;
    }

    async fn tell_stats(&self, app: &App, company: CompanyId) {
        let today = app.today();
        let read =
            async { Ok::<_, StoreError>((app.store.stats(company, today).await?, app.sessions_of(company).await?)) };
        let (stats, sessions) = match read.await {
            Ok(read) => read,
            Err(error) => return tracing::warn!(%error, "the counts could not be told"),
        };
        let payload = json!({"companyId": company, "stats": {
            "totalChats": stats.individual + stats.groups, "unreadChats": stats.unread,
            "totalMessages": stats.sent + stats.received, "todayMessages": stats.on(today),
            "connectedSessions": sessions.connected}});
        self.emit(app, vec![company_room(company)], "whatsapp:stats-updated", &payload).await;
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
