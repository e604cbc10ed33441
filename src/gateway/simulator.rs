//! A messenger that exists only inside the server: what a newcomer tries, what tests and load use.
//!
//! It pairs by a QR code that "is scanned" after a few seconds or on command, connects with a
//! number, takes messages with a latency, reports receipts, and fails as it is told: before,
//! during and after a send. A connected account costs no task.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};
use entity::message::Status;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Code, ConnectError, Gateway, GatewayEvent, Outgoing, Pairing, Reports, SendError, Taken};
use crate::app::App;
use crate::clock::Clock;
use crate::store::account::{Account, Connected};
use crate::store::message::Receipt;

/// How one simulated account behaves: the `config` it was created with. Milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Config {
    /// How long until the code is "scanned"; null: only on command.
    scan_after_ms: Option<u64>,
    /// How long a code works before the next one comes.
    code_ms: u64,
    /// Codes before it gives up; WhatsApp shows six.
    codes: u32,
    /// How long a send takes: shortest and longest.
    latency_ms: [u64; 2],
    /// When a message is delivered and when it is read, after it was sent; null: no receipts.
    receipts_ms: Option<[u64; 2]>,
    /// What happens to the next sends, one each.
    faults: VecDeque<Fault>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scan_after_ms: Some(5_000),
            code_ms: 20_000,
            codes: 6,
            latency_ms: [50, 150],
            receipts_ms: Some([1_000, 4_000]),
            faults: VecDeque::new(),
        }
    }
}

/// What can happen to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Nothing does.
    Fine,
    /// It fails before anything left.
    Before,
    /// The messenger asks to wait for a second.
    Wait,
    /// The connection breaks during it: nothing arrived, and nobody can know.
    During,
    /// It arrives, and the answer is lost.
    After,
    /// The messenger refuses the recipient.
    Refuse,
    /// The connection drops before it.
    Drop,
    /// The account is logged out before it.
    LogOut,
    /// It never returns.
    Hang,
    /// The gateway itself breaks.
    Crash,
}

/// A message that arrived at the simulated messenger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// From.
    pub account: AccountId,
    /// Which.
    pub message: MessageId,
    /// When.
    pub at: DateTime<Utc>,
}

/// The messenger behind all simulated accounts of a server.
#[derive(Default)]
pub struct Simulator {
    stages: Mutex<HashMap<AccountId, Arc<Stage>>>,
    arrivals: Mutex<Option<mpsc::UnboundedSender<Arrival>>>,
    arrived: AtomicU64,
}

/// One simulated account, from the messenger's side.
pub struct Stage {
    faults: Mutex<VecDeque<Fault>>,
    number: Mutex<String>,
    scanned: Notify,
    is_up: AtomicBool,
    reports: Mutex<Option<Reports>>,
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

impl Stage {
    /// Scans the code that is shown.
    pub fn scan(&self) {
        self.scanned.notify_one();
    }

    /// Lets the next sends end so, one each.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        locked(&self.faults).extend(faults);
    }

    /// Which number pairs next.
    pub fn pair_as(&self, number: &str) {
        number.clone_into(&mut locked(&self.number));
    }

    /// Cuts the connection.
    pub fn cut(&self) {
        self.is_up.store(false, Ordering::Relaxed);
        self.report(GatewayEvent::Dropped { reason: "the simulated connection was cut".to_owned() });
    }

    /// Stops answering without a word, as a half-open connection does.
    pub fn go_silent(&self) {
        self.is_up.store(false, Ordering::Relaxed);
    }

    /// Whether the connection is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Logs the account out, as a person does on the phone.
    pub fn log_out(&self) {
        self.is_up.store(false, Ordering::Relaxed);
        let reason = "the account was logged out on the phone".to_owned();
        self.report(GatewayEvent::LoggedOut { code: "logged_out", reason });
    }

    fn report(&self, event: GatewayEvent) {
        if let Some(reports) = &*locked(&self.reports) {
            reports.send(event);
        }
    }
}

/// What a simulated account remembers of its pairing.
#[derive(Serialize, Deserialize)]
struct Paired {
    number: String,
}

fn read_config(config: Option<&str>) -> Config {
    config.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

pub(super) fn check_config(config: Option<&serde_json::Value>) -> Result<(), String> {
    let Some(config) = config else { return Ok(()) };
    let read = Config::deserialize(config).map_err(|error| error.to_string())?;
    if read.latency_ms[0] > read.latency_ms[1] || read.code_ms == 0 || read.codes == 0 {
        return Err("latencyMs must be [shortest, longest], codeMs and codes at least 1".to_owned());
    }
    Ok(())
}

pub(super) fn connect(
    app: &App,
    account: &Account,
    pairing: Pairing,
    reports: Reports,
) -> Result<Arc<dyn Gateway>, ConnectError> {
    let config = read_config(account.config.as_deref());
    let stage = locked(&app.simulator.stages)
        .entry(account.id)
        .or_insert_with(|| Arc::new(Stage::new(account.id, config.faults.clone())))
        .clone();
    *locked(&stage.reports) = Some(reports.clone());
    stage.is_up.store(true, Ordering::Relaxed);
    let paired = account.pairing.as_deref().and_then(|json| serde_json::from_str::<Paired>(json).ok());
    let stop = CancellationToken::new();
    if let Some(paired) = paired {
        reports.send(connected(&paired.number, app.clock.now()));
    } else {
        let pair = pair(app.clock.clone(), config.clone(), stage.clone(), pairing, reports.clone());
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(pair).await });
    }
    Ok(Arc::new(Simulated {
        stage,
        latency: config.latency_ms,
        receipts: config.receipts_ms,
        simulator: app.simulator.clone(),
        clock: app.clock.clone(),
        reports,
        _pairing: stop.drop_guard(),
    }))
}

impl Stage {
    fn new(account: AccountId, faults: VecDeque<Fault>) -> Self {
        // A number of its own for each account, in the range that Kyrgyzstan does not assign.
        let digits: String = account.to_string().bytes().rev().take(7).map(|b| char::from(b'0' + b % 10)).collect();
        Self {
            faults: Mutex::new(faults),
            number: Mutex::new(format!("99600{digits}")),
            scanned: Notify::new(),
            is_up: AtomicBool::new(false),
            reports: Mutex::new(None),
        }
    }
}

fn connected(number: &str, at: DateTime<Utc>) -> GatewayEvent {
    GatewayEvent::Connected(Connected {
        phone_number: Some(number.to_owned()),
        display_name: Some(format!("Simulator {}", &number[number.len().saturating_sub(4)..])),
        pairing: serde_json::to_string(&Paired { number: number.to_owned() }).ok(),
        at,
    })
}

/// Shows one code after the other until somebody scans, or gives up.
async fn pair(clock: Clock, config: Config, stage: Arc<Stage>, pairing: Pairing, reports: Reports) {
    let scan = async {
        match config.scan_after_ms {
            Some(after) => clock.timeout(Duration::from_millis(after), stage.scanned.notified()).await.unwrap_or(()),
            None => stage.scanned.notified().await,
        }
    };
    let show = async {
        for _ in 0..config.codes {
            let expires_at = clock.now() + Duration::from_millis(config.code_ms);
            reports.send(GatewayEvent::Code(draw_code(&pairing, expires_at)));
            clock.sleep_until(expires_at).await;
        }
    };
    tokio::select! {
        () = scan => {
            reports.send(GatewayEvent::Authenticating);
            clock.sleep(Duration::from_millis(config.scan_after_ms.unwrap_or(0).min(1_000))).await;
            reports.send(connected(&locked(&stage.number).clone(), clock.now()));
        }
        () = show => reports.send(GatewayEvent::LoggedOut {
            code: "pairing_expired",
            reason: "nobody scanned the code in time".to_owned(),
        }),
    }
}

fn draw_code(pairing: &Pairing, expires_at: DateTime<Utc>) -> Code {
    let mut rng = rand::rng();
    let is_typed = matches!(pairing, Pairing::Code(_));
    let letters = b"ABCDEFGHJKLMNPQRSTVWXYZ123456789";
    let mut draw =
        |n: usize| -> String { (0..n).map(|_| char::from(letters[rng.random_range(0..letters.len())])).collect() };
    let text =
        if is_typed { format!("{}-{}", draw(4), draw(4)) } else { format!("2@{},{},{}", draw(80), draw(43), draw(43)) };
    Code { text, is_typed, expires_at }
}

/// The connection of one simulated account.
struct Simulated {
    stage: Arc<Stage>,
    latency: [u64; 2],
    receipts: Option<[u64; 2]>,
    simulator: Arc<Simulator>,
    clock: Clock,
    reports: Reports,
    /// Ends the pairing along with the connection.
    _pairing: DropGuard,
}

impl Simulated {
    fn arrive(&self, message: MessageId) -> Taken {
        let at = self.clock.now();
        self.simulator.arrived.fetch_add(1, Ordering::Relaxed);
        let arrivals = locked(&self.simulator.arrivals);
        if let Some(watch) = &*arrivals {
            let _ = watch.send(Arrival { account: self.reports.account, message, at });
        }
        if let Some([delivered, read]) = self.receipts {
            let (clock, reports) = (self.clock.clone(), self.reports.clone());
            tokio::spawn(async move {
                for (status, after) in [(Status::Delivered, delivered), (Status::Read, read)] {
                    let due = at + Duration::from_millis(after);
                    clock.sleep_until(due).await;
                    reports.send(GatewayEvent::Receipts(vec![Receipt { message, status, at: due }]));
                }
            });
        }
        Taken { provider_message_id: message.to_string() }
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
                return Err(SendError::Refused { reason: "the recipient is not at this messenger".to_owned() });
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
        let taken = self.arrive(message.message);
        if fault == Fault::After {
            return Err(SendError::Uncertain { cause: anyhow!("the connection broke before the answer") });
        }
        Ok(taken)
    }

    async fn is_alive(&self) -> bool {
        self.stage.is_up.load(Ordering::Relaxed)
    }

    async fn close(&self, _log_out: bool) {
        self.stage.is_up.store(false, Ordering::Relaxed);
    }
}
