//! One account's browser, from its start to its end: looks at the page several times a second, hands
//! over what happened there, and reports where the account stands. Nothing is lost by a page that is
//! loaded anew or a report that fails: what is not handed over is told again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::AccountId;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::asks::{Asked, Asks, Send, read_refusal};
use super::browser::Browser;
use super::mail::Numbers;
use super::page::{Happened, Page, Reply, Seen, State};
use super::standing::Standing;
use crate::clock::Clock;
use crate::gateway::{Code, GatewayEvent, Pairing, Reports};
use crate::store::Store;
use crate::store::account::Connected;

/// The pause between two looks at the page: while it is asked something, while something happens there …
const PAUSES: [Duration; 3] = [Duration::from_millis(40), Duration::from_millis(250), Duration::from_secs(1)];
/// … and for how long after something happened.
const LIVELY: TimeDelta = TimeDelta::seconds(30);
/// The pause between two looks at how much memory the browser takes.
const WEIGHED: TimeDelta = TimeDelta::seconds(15);
/// How long an account may take to come in, whose messages WhatsApp may have to send first.
const ENTERS: TimeDelta = TimeDelta::minutes(10);
/// How long a code counts as shown: the page draws another one sooner.
const CODE: TimeDelta = TimeDelta::seconds(60);
/// How long WhatsApp may take to hear that the account is logged out.
const LEAVES: TimeDelta = TimeDelta::seconds(3);

/// What a session is told to do.
pub(super) enum Command {
    Send(Send),
    /// A method of the page, and whoever wants to know whether it was done.
    Ask(&'static str, Value, Option<oneshot::Sender<bool>>),
    /// To end the browser, and with true the pairing; told whether WhatsApp heard of that.
    Close(bool, oneshot::Sender<bool>),
}

/// How a session ends.
pub(super) enum End {
    /// It can be opened again.
    Dropped(String),
    /// The pairing is gone.
    LoggedOut(&'static str, &'static str),
    /// A person has to change something.
    Failed(&'static str, String),
    /// We close it; with true the pairing is gone.
    Closed(bool),
}

/// What others see of a session.
#[derive(Default)]
pub(super) struct Outside {
    pub(super) is_in: AtomicBool,
    /// When the page last answered, in milliseconds.
    pub(super) answered_at: AtomicI64,
}

pub(super) struct Session {
    pub(super) account: AccountId,
    pub(super) store: Arc<Store>,
    pub(super) browser: Browser,
    /// Bytes that it may take.
    pub(super) memory: u64,
    /// How long a page that is loaded may take to be one that we know, and an account to find WhatsApp again.
    pub(super) patience: TimeDelta,
    pub(super) page: Page,
    pub(super) clock: Clock,
    pub(super) reports: Reports,
    pub(super) pairing: Pairing,
    /// Whether the account is paired as far as we know.
    pub(super) is_paired: bool,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) outside: Arc<Outside>,
    /// Told that there is something to show, or why there is nothing.
    pub(super) opened: Option<oneshot::Sender<Result<(), String>>>,
    pub(super) asks: Asks,
    pub(super) numbers: Numbers,
    /// Seconds since 1970 of the last message that is a row.
    pub(super) position: Option<i64>,
    /// Since when the account is in; what was written before is history.
    pub(super) in_since: Option<DateTime<Utc>>,
    pub(super) standing: Standing,
    pub(super) since: DateTime<Utc>,
    pub(super) stirred_at: DateTime<Utc>,
    pub(super) weighed_at: DateTime<Utc>,
    /// Until when it is waited for WhatsApp to hear that the account is logged out.
    pub(super) leaving: Option<(DateTime<Utc>, oneshot::Sender<bool>)>,
}

impl Session {
    /// Runs until it ends, ends the browser, and says why.
    pub(super) async fn run(mut self) {
        let end = match self.work().await {
            Ok(end) | Err(end) => end,
        };
        self.outside.is_in.store(false, Ordering::Release);
        self.asks.end();
        let opened = self.opened.take();
        let forgets = matches!(end, End::LoggedOut(..) | End::Closed(true));
        match (end, opened) {
            (End::Dropped(reason), Some(opened)) => drop(opened.send(Err(reason))),
            (End::Dropped(reason), None) => self.reports.send(GatewayEvent::Dropped { reason }).await,
            (End::LoggedOut(code, reason), opened) => {
                self.reports.send(GatewayEvent::LoggedOut { code, reason: reason.to_owned() }).await;
                drop(opened.map(|opened| opened.send(Ok(()))));
            }
            (End::Failed(code, reason), opened) => {
                self.reports.send(GatewayEvent::Failed { code, reason }).await;
                drop(opened.map(|opened| opened.send(Ok(()))));
            }
            (End::Closed(_), _) => {}
        }
        self.browser.end(forgets).await;
    }

    async fn work(&mut self) -> Result<End, End> {
        loop {
            let pause = self.pause(self.clock.now());
            tokio::select! {
                biased;
                command = self.commands.recv() => self.heed(command).await?,
                () = self.clock.sleep(pause) => {}
            }
            let seen = self.page.poll(&self.browser).await.map_err(lost)?;
            let now = self.clock.now();
            self.outside.answered_at.store(now.timestamp_millis(), Ordering::Release);
            self.follow(seen, now).await?;
            if now - self.weighed_at >= WEIGHED {
                self.weighed_at = now;
                self.weigh().await?;
            }
            if self.leaving.as_ref().is_some_and(|(until, _)| *until <= now) {
                return Ok(self.left(false));
            }
        }
    }

    fn pause(&self, now: DateTime<Utc>) -> Duration {
        if !self.asks.is_empty() || self.leaving.is_some() || self.opened.is_some() {
            PAUSES[0]
        } else {
            PAUSES[if now - self.stirred_at < LIVELY { 1 } else { 2 }]
        }
    }

    async fn heed(&mut self, command: Option<Command>) -> Result<(), End> {
        self.stirred_at = self.clock.now();
        match command {
            None => Err(End::Closed(false)),
            Some(Command::Send(send)) => {
                let parameters = send.parameters();
                self.ask("send", parameters, Asked::Send(send)).await
            }
            Some(Command::Ask(method, parameters, answer)) => {
                let asked = answer.map_or(Asked::Nothing, Asked::Aside);
                self.ask(method, parameters, asked).await
            }
            Some(Command::Close(false, told)) => {
                let _ = told.send(true);
                Err(End::Closed(false))
            }
            Some(Command::Close(true, told)) if self.standing != Standing::In => {
                let _ = told.send(!self.is_paired);
                Err(End::Closed(true))
            }
            Some(Command::Close(true, told)) => {
                self.leaving = Some((self.clock.now() + LEAVES, told));
                self.ask("logout", Value::Null, Asked::Nothing).await
            }
        }
    }

    /// WhatsApp heard that the account is logged out, or did not.
    pub(super) fn left(&mut self, heard: bool) -> End {
        if let Some((_, told)) = self.leaving.take() {
            let _ = told.send(heard);
        }
        End::Closed(true)
    }

    /// Asks something of the page.
    pub(super) async fn ask(&mut self, method: &str, parameters: Value, asked: Asked) -> Result<(), End> {
        match self.page.call(&self.browser, method, &parameters).await {
            Ok(Some(number)) => self.asks.put(number, asked),
            Ok(None) => match asked {
                // It was not asked at all.
                Asked::Send(send) => send.settle(Err(read_refusal(&not_ready()))),
                Asked::Find(send) => self.asks.unsure.push(send),
                _ => {}
            },
            Err(error) => {
                if let Asked::Send(send) | Asked::Find(send) = asked {
                    self.asks.unsure.push(send);
                }
                return Err(lost(error));
            }
        }
        Ok(())
    }

    /// Takes over what was seen.
    async fn follow(&mut self, seen: Seen, now: DateTime<Utc>) -> Result<(), End> {
        let Seen { state, events, is_other } = seen;
        if is_other {
            self.asks.lose();
            self.outside.is_in.store(false, Ordering::Release);
            self.stand(Standing::Loading, now);
        }
        self.take_over(events, now).await?;
        let standing = Standing::of(&state);
        let is_new = standing != self.standing;
        if is_new {
            self.stand(standing, now);
        }
        self.react(&state, is_new, now).await
    }

    fn stand(&mut self, standing: Standing, now: DateTime<Utc>) {
        // One code after the other is one wait.
        if !matches!((&self.standing, &standing), (Standing::Code(_), Standing::Code(_))) {
            self.since = now;
        }
        self.standing = standing;
    }

    /// What follows from where the account stands.
    async fn react(&mut self, state: &State, is_new: bool, now: DateTime<Utc>) -> Result<(), End> {
        let lasts = now - self.since;
        match self.standing.clone() {
            Standing::Unreachable => return Err(End::Dropped("WhatsApp Web can't be reached".to_owned())),
            Standing::TooOld => return Err(self.not_understood("the library in ANDANTE_WAJS_PATH is too old").await),
            Standing::Blocked(code, reason) => return Err(End::Failed(code, reason.to_owned())),
            Standing::Loading if lasts > self.patience && state.is_loaded => {
                return Err(self.not_understood("WhatsApp Web has a page that is not understood").await);
            }
            Standing::Entering if lasts > self.patience && state.mode.as_deref() == Some("MAIN") => {
                return Err(self.not_understood("WhatsApp Web is open and can't be worked").await);
            }
            Standing::Entering if lasts > ENTERS => {
                return Err(End::Dropped("WhatsApp Web does not finish to load the account".to_owned()));
            }
            Standing::Offline if lasts > self.patience => {
                return Err(End::Dropped("WhatsApp Web has lost its connection".to_owned()));
            }
            Standing::Outdated if lasts > self.patience => {
                return Err(End::Dropped("WhatsApp Web wants to be loaded anew".to_owned()));
            }
            // Of an account that is logged out, the page shows a code.
            Standing::Code(_) | Standing::Idle if self.leaving.is_some() => return Err(self.left(true)),
            Standing::Code(_) | Standing::Idle if self.is_paired => {
                let reason = "the browser is not linked any more; pair again";
                return Err(End::LoggedOut("logged_out", reason));
            }
            Standing::Idle => {
                return Err(End::LoggedOut("pairing_expired", "nobody used the code in time"));
            }
            Standing::Code(code) if is_new => match self.pairing.clone() {
                Pairing::Qr => self.show(GatewayEvent::Code(Code::new(code, false, now + CODE))).await,
                Pairing::Code(number) if lasts == TimeDelta::zero() => {
                    self.ask("linkCode", json!({"phone": number}), Asked::LinkCode).await?;
                }
                Pairing::Code(_) => {}
            },
            Standing::Entering if is_new && !self.is_paired => self.show(GatewayEvent::Authenticating).await,
            Standing::In if !self.outside.is_in.load(Ordering::Acquire) => self.enter(state, now).await?,
            _ => {}
        }
        self.outside.is_in.store(self.standing == Standing::In, Ordering::Release);
        Ok(())
    }

    /// The account can send: says so, and looks at what happened meanwhile.
    async fn enter(&mut self, state: &State, now: DateTime<Utc>) -> Result<(), End> {
        let is_first = self.in_since.is_none();
        let was_paired = std::mem::replace(&mut self.is_paired, true);
        // Of an account that was paired before, nothing is history.
        self.in_since.get_or_insert(if was_paired { DateTime::UNIX_EPOCH } else { now });
        if is_first {
            tracing::info!(account.id = %self.account, wa_js = state.wa_js, page = state.page, "WhatsApp Web is open");
            let number = state.me.as_deref().and_then(|me| me.split(['@', ':']).next());
            let connected = Connected {
                phone_number: number.map(str::to_owned),
                display_name: state.name.clone().filter(|name| !name.is_empty()),
                pairing: Some(json!({"lid": state.lid}).to_string()),
                at: now,
            };
            self.show(GatewayEvent::Connected(connected)).await;
        }
        self.outside.is_in.store(true, Ordering::Release);
        self.catch_up(now).await
    }

    /// There is something to show.
    pub(super) async fn show(&mut self, event: GatewayEvent) {
        self.reports.send(event).await;
        if let Some(opened) = self.opened.take() {
            // Who opened it may have given up.
            let _ = opened.send(Ok(()));
        }
    }

    /// An alarm: keeps a picture for the operator, and waits for a person.
    async fn not_understood(&self, what: &str) -> End {
        let kept = self.browser.picture().await.is_ok();
        tracing::error!(account.id = %self.account, what, kept, "WhatsApp Web can't be worked; its picture is in the account's folder");
        let reason = format!("{what}: a newer library may know it (ANDANTE_WAJS_PATH)");
        End::Failed("unsupported_page", reason)
    }

    /// Ends a browser that has grown too large; its account stays paired.
    async fn weigh(&self) -> Result<(), End> {
        let bytes = self.browser.group.memory().await;
        if bytes <= self.memory {
            return Ok(());
        }
        tracing::warn!(account.id = %self.account, megabytes = bytes >> 20, "a browser takes too much memory and is started anew");
        Err(End::Dropped("the browser took too much memory".to_owned()))
    }

    /// One thing after the other; what could not be handed over is told again.
    async fn take_over(&mut self, events: Vec<Happened>, now: DateTime<Utc>) -> Result<(), End> {
        if !events.is_empty() {
            self.stirred_at = now;
        }
        let Some(last) = events.last().map(|event| event.seq) else { return Ok(()) };
        if self.hear(events, now).await? {
            self.page.has(last);
        }
        Ok(())
    }

    /// The page's answer.
    pub(super) fn answer(reply: Value) -> Option<(u64, Result<Value, super::page::Refusal>)> {
        read::<Reply>(reply)?.read()
    }
}

/// What the page says, if it has the shape that it should.
pub(super) fn read<T: DeserializeOwned>(data: Value) -> Option<T> {
    let read = serde_json::from_value(data);
    if read.is_err() {
        // The error has people's words in it.
        tracing::warn!("the page says something of a shape that is not known");
    }
    read.ok()
}

fn not_ready() -> super::page::Refusal {
    super::page::Refusal { code: "not_ready".to_owned(), may_be_sent: false }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what a failed answer is mapped by")]
fn lost(error: anyhow::Error) -> End {
    End::Dropped(format!("the browser is lost: {error}"))
}
