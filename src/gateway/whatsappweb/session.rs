//! One account's browser, from its start to its end: looks at the page several times a second, hands
//! over what happened there, and reports where the account stands. Nothing is lost by a page that is
//! loaded anew or a report that fails: what is not handed over is told again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::account::ActiveModel;
use entity::ids::AccountId;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::asks::{Asked, Asks, read_refusal};
use super::browser::Browser;
use super::caught::CatchingUp;
use super::line::Command;
use super::mail::Numbers;
use super::page::{Happened, Page, Refusal, Reply};
use super::standing::Standing;
use crate::clock::Clock;
use crate::gateway::browsers::Browsers;
use crate::gateway::farewell::say_still_linked;
use crate::gateway::{GatewayEvent, Pairing, Reports};
use crate::store::Store;

/// The pause between two looks at the page: while it is asked something, while something happens there …
const PAUSES: [Duration; 3] = [Duration::from_millis(40), Duration::from_millis(250), Duration::from_secs(1)];
/// … and for how long after something happened.
const LIVELY: TimeDelta = TimeDelta::seconds(30);
/// The pause between two looks at how much memory the browser takes.
const WEIGHED: TimeDelta = TimeDelta::seconds(15);
/// How long WhatsApp may take to hear that the account is logged out.
const LEAVES: TimeDelta = TimeDelta::seconds(3);

/// How a session ends.
pub(super) enum End {
    /// It can be opened again.
    Dropped(String),
    /// The pairing is gone.
    LoggedOut(&'static str, &'static str),
    /// A person has to change something.
    Failed(&'static str, String),
    /// We close it.
    Closed,
}

/// What others see of a session.
#[derive(Default)]
pub(super) struct Outside {
    pub(super) is_in: AtomicBool,
    /// When the page last answered, in milliseconds.
    pub(super) answered_at: AtomicI64,
    /// Whether what happened in the page is being handed over, which waits for the database.
    pub(super) hands_over: AtomicBool,
    /// Whether the pairing goes with the connection.
    pub(super) forgets: AtomicBool,
}

pub(super) struct Session {
    pub(super) account: AccountId,
    pub(super) store: Arc<Store>,
    pub(super) browser: Browser,
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
    pub(super) catching_up: CatchingUp,
    /// Since when the account is in; what was written before is history.
    pub(super) in_since: Option<DateTime<Utc>>,
    pub(super) standing: Standing,
    pub(super) since: DateTime<Utc>,
    /// When all of the present page had come …
    pub(super) loaded_at: Option<DateTime<Utc>>,
    /// … and when it last stood somewhere.
    pub(super) stood_at: DateTime<Utc>,
    pub(super) browsers: Arc<Browsers>,
    pub(super) stirred_at: DateTime<Utc>,
    pub(super) weighed_at: DateTime<Utc>,
    /// Until when it is waited for WhatsApp to hear that the account is logged out …
    pub(super) leaving: Option<DateTime<Utc>>,
    /// … and whether it has.
    pub(super) has_left: bool,
}

impl Session {
    /// Runs until it ends or is told to stop, ends the browser, and says why. Its end is not cut off.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let end = stop.run_until_cancelled(self.work()).await.unwrap_or(End::Closed);
        self.outside.is_in.store(false, Ordering::Release);
        self.asks.end();
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Send(send) = command {
                send.settle(Err(read_refusal(&Refusal::not_ready())));
            }
        }
        let is_logged_out = self.outside.forgets.load(Ordering::Acquire);
        let forgets = is_logged_out || matches!(end, End::LoggedOut(..));
        if is_logged_out && self.is_paired && !self.has_left {
            self.say_still_linked().await;
        }
        let (reports, opened) = (self.reports, self.opened);
        let report = async {
            let event = match end {
                End::Dropped(reason) if opened.is_none() => GatewayEvent::Dropped { reason },
                // Whoever opens it is told once the browser has ended.
                End::Dropped(reason) => return Err(reason),
                End::LoggedOut(code, reason) => GatewayEvent::LoggedOut { code, reason: reason.to_owned() },
                End::Failed(code, reason) => GatewayEvent::Failed { code, reason },
                End::Closed => return Ok(()),
            };
            reports.send(event).await;
            Ok(())
        };
        let (told, ()) = tokio::join!(report, self.browser.end(forgets));
        self.browsers.weighs(self.account, None);
        // Who opened it may have given up.
        drop(opened.map(|opened| opened.send(told)));
    }

    /// The account is logged out here, and WhatsApp did not hear of it.
    async fn say_still_linked(&self) {
        let now = self.clock.now();
        let say = move |row: &mut ActiveModel| say_still_linked(row, now);
        if self.store.change_account_of(self.account, self.reports.epoch, say).await.is_err() {
            tracing::warn!(account.id = %self.account, "WhatsApp was not told that the account is logged out");
        }
    }

    /// Works until it ends.
    async fn work(&mut self) -> End {
        match self.go_on().await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn go_on(&mut self) -> Result<End, End> {
        loop {
            let pause = self.pause(self.clock.now());
            tokio::select! {
                biased;
                command = self.commands.recv() => self.heed(command).await?,
                () = self.clock.sleep(pause) => {}
            }
            let seen = match self.page.poll(&self.browser).await {
                Ok(seen) => seen,
                Err(error) => return Err(self.lost(&error)),
            };
            let now = self.clock.now();
            self.outside.answered_at.store(now.timestamp_millis(), Ordering::Release);
            self.follow(seen, now).await?;
            if now - self.weighed_at >= WEIGHED {
                self.weighed_at = now;
                self.weigh().await?;
            }
            if self.leaving.is_some_and(|until| until <= now) {
                return Ok(End::Closed);
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
            None => Err(End::Closed),
            Some(Command::Send(send)) => {
                let parameters = send.parameters();
                self.ask("send", parameters, Asked::Send(send)).await
            }
            Some(Command::Ask(method, parameters, answer)) => self.ask(method, parameters, Asked::Aside(answer)).await,
            Some(Command::Close) if self.standing == Standing::In && self.outside.forgets.load(Ordering::Acquire) => {
                self.leaving = Some(self.clock.now() + LEAVES);
                self.ask("logout", Value::Null, Asked::Nothing).await
            }
            Some(Command::Close) => Err(End::Closed),
        }
    }

    /// WhatsApp heard that the account is logged out.
    pub(super) fn left(&mut self) -> End {
        self.has_left = true;
        End::Closed
    }

    /// Asks something of the page.
    pub(super) async fn ask(&mut self, method: &str, parameters: Value, asked: Asked) -> Result<(), End> {
        match self.page.call(&self.browser, method, parameters).await {
            Ok(Some(number)) => self.asks.put(number, asked),
            Ok(None) => match asked {
                // It was not asked at all.
                Asked::Send(send) => send.settle(Err(read_refusal(&Refusal::not_ready()))),
                Asked::Find(send) => self.asks.unsure.push(send),
                _ => {}
            },
            Err(error) => {
                if let Asked::Send(send) | Asked::Find(send) = asked {
                    self.asks.unsure.push(send);
                }
                return Err(self.lost(&error));
            }
        }
        Ok(())
    }

    /// The browser does not do what it is told.
    fn lost(&self, error: &anyhow::Error) -> End {
        tracing::warn!(account.id = %self.account, %error, "a browser is lost");
        End::Dropped("the browser was lost".to_owned())
    }

    /// There is something to show.
    pub(super) async fn show(&mut self, event: GatewayEvent) {
        self.reports.send(event).await;
        if let Some(opened) = self.opened.take() {
            // Who opened it may have given up.
            let _ = opened.send(Ok(()));
        }
    }

    /// Ends a browser that has grown too large, or that nobody watches over; its account stays paired.
    async fn weigh(&mut self) -> Result<(), End> {
        if !self.browser.is_watched() {
            return Err(End::Dropped("what watches over the browser has ended".to_owned()));
        }
        let bytes = self.browser.group.memory().await;
        self.browsers.weighs(self.account, Some(bytes));
        if bytes <= self.browsers.memory {
            return Ok(());
        }
        tracing::warn!(account.id = %self.account, megabytes = bytes >> 20, "a browser takes too much memory and is started anew");
        Err(End::Dropped("the browser took too much memory".to_owned()))
    }

    /// One thing after the other; what could not be handed over is told again.
    pub(super) async fn take_over(&mut self, events: Vec<Happened>, now: DateTime<Utc>) -> Result<(), End> {
        if !events.is_empty() {
            self.stirred_at = now;
        }
        let Some(last) = events.last().map(|event| event.seq) else { return Ok(()) };
        self.outside.hands_over.store(true, Ordering::Release);
        let heard = self.hear(events, now).await;
        self.outside.hands_over.store(false, Ordering::Release);
        if heard? {
            self.page.has(last);
        }
        Ok(())
    }

    /// The page's answer.
    pub(super) fn answer(reply: Value) -> Option<(u64, Result<Value, Refusal>)> {
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
