//! A messenger that exists only inside the server: what a newcomer tries, what tests and load use.
//!
//! It pairs by a QR code that "is scanned" after a few seconds or on command, connects with a
//! number, takes messages with a latency, lets a person read and answer them, and fails as it is
//! told: before, during and after a send. A connected account costs no task.

pub mod config;
mod pairing;
mod person;
mod stage;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};
use entity::message::Kind;
use futures_util::TryStreamExt;
use rand::RngExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::config::Fault;
use self::pairing::{Paired, connected, pair};
use self::person::Person;
pub use self::stage::Stage;
use super::{
    Attachment, Bytestream, ConnectError, FetchError, Gateway, Messengers, Outgoing, Pairing, Reports, SendError, Taken,
};
use crate::clock::Clock;
use crate::phone::Recipient;
use crate::store::account::Account;
use crate::store::chat::Seen;

/// A message that arrived at the simulated messenger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// From.
    pub account: AccountId,
    /// Which.
    pub message: MessageId,
    /// When.
    pub at: DateTime<Utc>,
    /// The file that came with it: as what, and how many bytes of it came.
    pub file: Option<(Kind, u64)>,
}

/// The messenger behind all simulated accounts of a server.
#[derive(Default)]
pub struct Simulator {
    stages: Mutex<HashMap<AccountId, Arc<Stage>>>,
    arrivals: Mutex<Option<mpsc::UnboundedSender<Arrival>>>,
    arrived: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Simulator {
    /// The messenger's side of an account that has been connected once.
    #[must_use]
    pub fn stage(&self, account: AccountId) -> Option<Arc<Stage>> {
        locked(&self.stages).get(&account).cloned()
    }

    /// Forgets an account that was removed.
    pub fn forget(&self, account: AccountId) {
        locked(&self.stages).remove(&account);
    }

    /// Every message that arrives from now on.
    pub fn watch(&self) -> mpsc::UnboundedReceiver<Arrival> {
        let (arrivals, watch) = mpsc::unbounded_channel();
        *locked(&self.arrivals) = Some(arrivals);
        watch
    }

    /// How many messages arrived.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }
}

pub(super) async fn connect(
    messengers: &Messengers,
    account: &Account,
    pairing: Pairing,
    reports: Reports,
) -> Result<Arc<dyn Gateway>, ConnectError> {
    let config = config::read(account.config.as_deref());
    let stage = locked(&messengers.simulator.stages)
        .entry(account.id)
        .or_insert_with(|| Arc::new(Stage::new(account.id, config.faults.clone())))
        .clone();
    *locked(&stage.reports) = Some(reports.clone());
    stage.is_up.store(true, Ordering::Relaxed);
    let paired = account.pairing.as_deref().and_then(|json| serde_json::from_str::<Paired>(json).ok());
    let stop = CancellationToken::new();
    if stage.is_mute.swap(false, Ordering::Relaxed) {
        tracing::debug!("a simulated connection says nothing");
    } else if let Some(paired) = paired {
        reports.send(connected(&paired.number, messengers.clock.now())).await;
    } else {
        let pair = pair(messengers.clock.clone(), config.clone(), stage.clone(), pairing, reports.clone());
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(pair).await });
    }
    Ok(Arc::new(Simulated {
        stage,
        latency: config.latency_ms,
        person: Person { receipts: config.receipts_ms, answer: config.answer_ms },
        simulator: messengers.simulator.clone(),
        clock: messengers.clock.clone(),
        reports,
        _pairing: stop.drop_guard(),
    }))
}

/// The connection of one simulated account.
struct Simulated {
    stage: Arc<Stage>,
    latency: [u64; 2],
    person: Person,
    simulator: Arc<Simulator>,
    clock: Clock,
    reports: Reports,
    /// Ends the pairing along with the connection.
    _pairing: DropGuard,
}

impl Simulated {
    fn arrive(&self, message: &Outgoing) -> Taken {
        let (at, id) = (self.clock.now(), message.message);
        self.simulator.arrived.fetch_add(1, Ordering::Relaxed);
        let arrivals = locked(&self.simulator.arrivals);
        if let Some(watch) = &*arrivals {
            // A test that no longer watches has seen enough.
            let file = message.media.as_ref().map(|media| (media.kind, media.size));
            let _ = watch.send(Arrival { account: self.reports.account, message: id, at, file });
        }
        if self.person.does_anything() {
            let (person, clock, stage) = (self.person, self.clock.clone(), self.stage.clone());
            let (reports, message) = (self.reports.clone(), message.clone());
            tokio::spawn(async move { person.receive(&clock, &stage, &reports, message, at).await });
        }
        Taken { provider_message_id: id.to_string(), chat: None }
    }
}

impl Simulated {
    /// Takes a file as a messenger would: all of it, and only as it was announced.
    async fn take_in(&self, media: &Attachment) -> Result<(), SendError> {
        let broken = |_| SendError::Later { after: None, cause: anyhow!("the file could not be read to its end") };
        let (mut content, mut size, mut digest) = (media.open().await?, 0, Sha256::new());
        while let Some(chunk) = content.try_next().await.map_err(broken)? {
            size += chunk.len() as u64;
            digest.update(&chunk);
        }
        let sha256 = format!("{:x}", digest.finalize());
        if (size, &sha256) != (media.size, &media.sha256) {
            return Err(SendError::refused("the file is not what was announced"));
        }
        self.stage.keep(media.clone());
        Ok(())
    }
}

#[async_trait]
impl Gateway for Simulated {
    async fn send(&self, message: &Outgoing) -> Result<Taken, SendError> {
        let later = |after, cause| SendError::Later { after, cause };
        if !self.stage.is_up.load(Ordering::Relaxed) {
            return Err(later(None, anyhow!("not connected")));
        }
        let fault = locked(&self.stage.faults).pop_front().unwrap_or(Fault::Fine);
        match fault {
            Fault::Before => return Err(later(None, anyhow!("the simulated messenger was not reached"))),
            Fault::Wait => return Err(later(Some(Duration::from_secs(1)), anyhow!("the messenger asked to wait"))),
            Fault::Refuse => {
                return Err(SendError::refused("the recipient is not at this messenger"));
            }
            Fault::Drop => {
                self.stage.cut();
                return Err(later(None, anyhow!("the simulated connection was cut")));
            }
            Fault::LogOut => {
                self.stage.log_out();
                return Err(SendError::AccountDown { reason: "logged out".to_owned() });
            }
            Fault::Hang => std::future::pending().await,
            #[expect(clippy::panic, reason = "this fault is a gateway that panics")]
            Fault::Crash => panic!("the simulated gateway was told to break"),
            Fault::Fine | Fault::During | Fault::After => {}
        }
        let [shortest, longest] = self.latency;
        if longest > 0 {
            let latency = Duration::from_millis(rand::rng().random_range(shortest..=longest));
            self.clock.sleep(latency).await;
        }
        if fault == Fault::During {
            return Err(SendError::Uncertain { cause: anyhow!("the connection broke while sending") });
        }
        if let Some(media) = &message.media {
            self.take_in(media).await?;
        }
        let taken = self.arrive(message);
        if fault == Fault::After {
            return Err(SendError::Uncertain { cause: anyhow!("the connection broke before the answer") });
        }
        Ok(taken)
    }

    /// Nobody would see it.
    async fn show_typing(&self, _to: &Recipient, _is_typing: bool) -> bool {
        false
    }

    async fn mark_read(&self, _chat: &str, messages: &[Seen]) {
        let ids = messages.iter().map(|message| message.provider_message_id.clone());
        locked(&self.stage.read).extend(ids);
    }

    async fn fetch(&self, source: &str) -> Result<Bytestream, FetchError> {
        if !self.stage.is_up() {
            return Err(FetchError::Later(anyhow!("not connected")));
        }
        let file = self.stage.file(source).ok_or(FetchError::Gone)?;
        file.open().await.map_err(|_| FetchError::Gone)
    }

    async fn is_alive(&self) -> bool {
        self.stage.is_up.load(Ordering::Relaxed)
    }

    async fn close(&self, _log_out: bool) {
        if self.stage.is_stuck.swap(false, Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.stage.is_up.store(false, Ordering::Relaxed);
    }
}
