//! Carries events: to those who watch an account on this node, to this node's Socket.IO clients,
//! and to other nodes. An account nobody watches costs no channel.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use entity::ids::{AccountId, CompanyId};
use prometheus::IntCounter;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::sync::mpsc;

use super::{Event, News};

/// Events a slow watcher may lag behind; past them it is told that it missed some.
const BACKLOG: usize = 64;
/// News that may wait for the clients of this node, or for the other nodes, before some are dropped.
const WAITING: usize = 16_384;

/// The bus.
pub struct Bus {
    source: u32,
    watched: Mutex<HashMap<AccountId, Sender<Event>>>,
    counts: Mutex<HashMap<(CompanyId, Option<AccountId>), u64>>,
    clients: mpsc::Sender<News>,
    nodes: Option<mpsc::Sender<News>>,
    dropped: IntCounter,
}

/// Where a bus ends.
pub struct Ends {
    /// What this node's clients are to hear.
    pub clients: mpsc::Receiver<News>,
    /// What other nodes are to hear, if there may be any.
    pub nodes: Option<mpsc::Receiver<News>>,
}

impl Bus {
    /// A bus, and its ends. `dropped` counts what found no room.
    #[must_use]
    pub fn new(has_nodes: bool, dropped: IntCounter) -> (Self, Ends) {
        let (clients, to_clients) = mpsc::channel(WAITING);
        let (nodes, to_nodes) = if has_nodes { Some(mpsc::channel(WAITING)).unzip() } else { (None, None) };
        let bus = Self {
            source: rand::random(),
            watched: Mutex::default(),
            counts: Mutex::default(),
            clients,
            nodes,
            dropped,
        };
        (bus, Ends { clients: to_clients, nodes: to_nodes })
    }

    /// What this node's news carry as their source.
    #[must_use]
    pub fn source(&self) -> u32 {
        self.source
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<AccountId, Sender<Event>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account's events from now on. Subscribe before looking, and nothing falls between.
    pub fn watch(&self, account: AccountId) -> Receiver<Event> {
        let mut watched = self.watched();
        // Now and then, so that those nobody watches any more don't pile up.
        if watched.len() == watched.capacity() {
            watched.retain(|_, channel| channel.receiver_count() > 0);
        }
        watched.entry(account).or_insert_with(|| broadcast::channel(BACKLOG).0).subscribe()
    }

    /// Tells what happened to an account.
    pub fn publish(&self, company: CompanyId, account: AccountId, event: Event) {
        self.tell(company, Some(account), event);
    }

    /// Tells what happened in a company, to an account of it or not.
    pub fn tell(&self, company: CompanyId, account: Option<AccountId>, event: Event) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = if event.is_public() {
            let count = counts.entry((company, account)).or_default();
            *count += u64::from(event.is_counted());
            *count
        } else {
            0
        };
        let news = News { company, account, event, seq, source: self.source };
        // Still under the lock, so that news arrive in the order of their numbers.
        if let Some(nodes) = self.nodes.as_ref().filter(|_| news.event.is_for_all())
            && nodes.try_send(news.clone()).is_err()
        {
            self.dropped.inc();
        }
        self.deliver(news);
    }

    /// Forgets how much was told of an account that was removed.
    pub fn forget(&self, company: CompanyId, account: AccountId) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).remove(&(company, Some(account)));
    }

    /// Brings news to who watches or is connected here.
    pub fn deliver(&self, news: News) {
        if let Some(account) = news.account {
            let mut watched = self.watched();
            if watched.get(&account).is_some_and(|channel| channel.send(news.event.clone()).is_err()) {
                watched.remove(&account);
            }
        }
        // Nobody listens only while the server stops.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.clients.try_send(news) {
            self.dropped.inc();
        }
    }
}
