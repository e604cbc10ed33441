//! Ports of accounts' own: a listener for each, opened and closed with its account. Who comes in by one
//! is handed over with the account it leads to.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entity::ids::AccountId;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::logs::step;

/// Connections that may wait to be taken over, before more are closed.
const WAITING: usize = 1_024;
/// The pause before a port that somebody else has is tried again …
const AGAIN: Duration = Duration::from_secs(30);
/// … and before a connection is accepted again after that failed, as where no file may be opened.
const BREATH: Duration = Duration::from_millis(100);

/// Whether a port can't be had because somebody else has it, or may alone have it.
fn is_others(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// The ports of this server's accounts.
pub struct Ports {
    ip: IpAddr,
    /// Those that there are; none: no account has one.
    range: Option<RangeInclusive<u16>>,
    /// How many may be open: each is a file.
    most: usize,
    open: Mutex<Open>,
    comers: mpsc::Sender<Comer>,
    clock: Clock,
    tasks: TaskTracker,
    quiet: CancellationToken,
}

#[derive(Default)]
struct Open {
    /// Those that are not free.
    taken: HashSet<u16>,
    ports: HashMap<AccountId, (u16, CancellationToken)>,
    /// The port that was given last.
    last: Option<u16>,
}

/// Somebody who came in by an account's port.
pub struct Comer {
    /// The connection.
    pub stream: TcpStream,
    /// The account to which the port leads.
    pub account: AccountId,
}

/// A port that was free, and is kept from others until it is given to an account.
pub struct Taken {
    ports: Arc<Ports>,
    listener: Option<TcpListener>,
    /// Its number.
    pub number: u16,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.listener.is_some() {
            self.ports.open().taken.remove(&self.number);
        }
    }
}

impl Ports {
    /// Ports of `range` at `ip`, all closed, of which `most` may be open; and whoever will come in by them.
    #[must_use]
    pub fn new(
        ip: IpAddr,
        range: Option<RangeInclusive<u16>>,
        most: usize,
        clock: Clock,
        tasks: TaskTracker,
        quiet: CancellationToken,
    ) -> (Self, mpsc::Receiver<Comer>) {
        let (comers, coming) = mpsc::channel(WAITING);
        (Self { ip, range, most, open: Mutex::default(), comers, clock, tasks, quiet }, coming)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on after the port that was given last, before this server started.
    pub fn go_on_after(&self, last: u16) {
        self.open().last = Some(last);
    }

    /// The ports that there are, if accounts have any.
    #[must_use]
    pub fn range(&self) -> Option<&RangeInclusive<u16>> {
        self.range.as_ref()
    }

    /// How many of them are some account's.
    #[must_use]
    pub fn used(&self) -> usize {
        self.open().taken.len()
    }

    /// The account's port.
    #[must_use]
    pub fn of(&self, account: AccountId) -> Option<u16> {
        self.open().ports.get(&account).map(|(port, _)| *port)
    }

    /// Takes a free port. None that was given lately, as long as there are others: who still calls by an old
    /// address must not reach another account. Fails where no socket can be opened at all.
    pub fn take(self: &Arc<Self>) -> io::Result<Option<Taken>> {
        let Some(range) = self.range.clone() else { return Ok(None) };
        let mut open = self.open();
        if open.taken.len() >= self.most {
            return Ok(None);
        }
        let next = open.last.and_then(|last| last.checked_add(1)).filter(|next| range.contains(next));
        let next = next.unwrap_or(*range.start());
        for number in (next..=*range.end()).chain(*range.start()..next) {
            if open.taken.contains(&number) {
                continue;
            }
            let listener = match TcpListener::bind((self.ip, number)) {
                Ok(listener) => Some(listener),
                // One that another program has is left to it.
                Err(error) if is_others(&error) => continue,
                Err(error) => return Err(error),
            };
            open.taken.insert(number);
            open.last = Some(number);
            return Ok(Some(Taken { ports: self.clone(), listener, number }));
        }
        Ok(None)
    }

    /// Opens the port that an account has had, as soon as nobody else has it. Answers whether it may have
    /// that one.
    pub fn open_again(self: &Arc<Self>, account: AccountId, port: u16) -> bool {
        if !self.range.as_ref().is_some_and(|range| range.contains(&port)) {
            return false;
        }
        let mut open = self.open();
        if open.taken.len() >= self.most || !open.taken.insert(port) {
            return false;
        }
        self.listen(&mut open, account, port, None);
        true
    }

    fn listen(self: &Arc<Self>, open: &mut Open, account: AccountId, port: u16, listener: Option<TcpListener>) {
        let closed = CancellationToken::new();
        open.ports.insert(account, (port, closed.clone()));
        let (ports, quiet) = (self.clone(), self.quiet.clone());
        let work = async move {
            let listen = ports.let_in(account, port, listener);
            tokio::select! {
                () = listen => {}
                () = closed.cancelled() => {}
                () = quiet.cancelled() => {}
            }
            // Free only once it is closed.
            if closed.is_cancelled() {
                ports.open().taken.remove(&port);
            }
        };
        self.tasks.spawn(work);
    }

    async fn let_in(&self, account: AccountId, port: u16, listener: Option<TcpListener>) {
        let listener = match listener {
            Some(listener) => listener,
            None => self.bind(account, port).await,
        };
        let listener = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(account.id = %account, %error, port, "a port can't be listened at"),
        };
        loop {
            match listener.accept().await {
                // Where too many wait, it is closed.
                Ok((stream, _)) => drop(self.comers.try_send(Comer { stream, account })),
                Err(_) => self.clock.sleep(BREATH).await,
            }
        }
    }

    async fn bind(&self, account: AccountId, port: u16) -> TcpListener {
        let mut is_late = false;
        loop {
            match TcpListener::bind((self.ip, port)) {
                Ok(listener) => {
                    if is_late {
                        step!(info, account, "its port is its own again", port);
                    }
                    return listener;
                }
                Err(error) => {
                    if !is_others(&error) {
                        tracing::error!(account.id = %account, %error, port, "an account's port can't be opened");
                    } else if !is_late {
                        step!(warn, account, "another program has its port", port);
                    }
                    is_late = true;
                    self.clock.sleep(AGAIN).await;
                }
            }
        }
    }

    /// Closes the port of an account that is gone.
    pub fn close(&self, account: AccountId) {
        if let Some((_, closed)) = self.open().ports.remove(&account) {
            closed.cancel();
        }
    }
}

impl Taken {
    /// Gives it to the account.
    pub fn give(mut self, account: AccountId) {
        let Some(listener) = self.listener.take() else { return };
        let mut open = self.ports.open();
        self.ports.listen(&mut open, account, self.number, Some(listener));
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    /// Ports that nobody has now, one after the other, from `from` on: below those that the system gives to
    /// who asks for any.
    fn free(from: u16, count: u16) -> RangeInclusive<u16> {
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        let mut firsts = (from..from + 900).step_by(count.into());
        let first = firsts.find(|first| (*first..first + count).all(is_free)).unwrap();
        first..=first + count - 1
    }

    fn account() -> AccountId {
        AccountId::new(DateTime::UNIX_EPOCH, &mut rand::rng())
    }

    fn ports(range: &RangeInclusive<u16>) -> (Arc<Ports>, mpsc::Receiver<Comer>) {
        let (ports, coming) = Ports::new(
            [127, 0, 0, 1].into(),
            Some(range.clone()),
            100,
            Clock::system(),
            TaskTracker::new(),
            CancellationToken::new(),
        );
        (Arc::new(ports), coming)
    }

    #[tokio::test]
    async fn each_account_has_a_port_that_leads_to_it_until_it_is_closed() {
        let range = free(7_000, 3);
        let (ports, mut coming) = ports(&range);
        let taken = ports.take().unwrap().unwrap();
        assert_eq!((taken.number, ports.used(), ports.of(account())), (*range.start(), 1, None));
        drop(taken);
        assert_eq!(ports.used(), 0, "one that was not given is free");
        let (one, port) = (account(), ports.take().unwrap().unwrap());
        let number = port.number;
        assert_eq!(number, range.start() + 1, "not the one that was just taken");
        port.give(one);
        assert_eq!(ports.of(one), Some(number));
        let _client = TcpStream::connect(("127.0.0.1", number)).await.unwrap();
        let comer = coming.recv().await.unwrap();
        assert_eq!((comer.account, comer.stream.local_addr().unwrap().port()), (one, number));
        let others: Vec<_> = std::iter::from_fn(|| ports.take().unwrap()).collect();
        assert_eq!((others.len(), ports.used()), (2, 3), "then there are no more");
        drop(others);
        ports.close(one);
        assert!(ports.of(one).is_none());
        ports.tasks.close();
        ports.tasks.wait().await;
        assert_eq!(ports.used(), 0);
        TcpListener::bind(("127.0.0.1", number)).expect("nobody listens there any more");
    }

    #[tokio::test]
    async fn a_port_is_opened_again_if_it_is_one_of_ours_and_nobody_elses() {
        let range = free(8_000, 2);
        let (ports, _coming) = ports(&range);
        let (one, other) = (account(), account());
        assert!(!ports.open_again(one, range.end() + 1));
        assert!(ports.open_again(one, *range.start()));
        assert!(!ports.open_again(other, *range.start()), "it is another account's");
        assert_eq!(ports.take().unwrap().unwrap().number, *range.end());
        ports.quiet.cancel();
    }
}
