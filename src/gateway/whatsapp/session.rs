//! What a connection says of itself, as reports: the codes to scan, that it is in, how it ended. The
//! crate's words stay here; people read ours.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, oneshot};
use whatsapp_rust::Client;
use whatsapp_rust::bot::BotHandle;
use whatsapp_rust::types::presence::ChatPresence;
use whatsapp_rust::wacore::net::DisconnectReason;
use whatsapp_rust::wacore::types::events::{
    ChatPresenceUpdate, ConnectFailure, ConnectFailureReason, Event, LoggedOut,
};

use super::acks::Acks;
use super::keys::Keys;
use super::people::People;
use super::receipts::Receipts;
use super::words::{banned, banned_somehow, dashed, refused};
use crate::clock::Clock;
use crate::gateway::{Code, GatewayEvent, Pairing, Reports};
use crate::store::account::Connected;

/// What a connection says of itself that may wait to be reported …
pub(super) const EVENTS: usize = 64;
/// … and what of people: a phone tells all its contacts at once.
pub(super) const ASIDES: usize = 20_000;
/// Names that are reported together.
const NAMES: usize = 500;

/// One connection, from its first word to its last.
pub(super) struct Session {
    pub(super) client: Arc<Client>,
    pub(super) clock: Clock,
    pub(super) keys: Arc<Keys>,
    pub(super) acks: Arc<Acks>,
    pub(super) receipts: Arc<Receipts>,
    pub(super) reports: Reports,
    pub(super) pairing: Pairing,
    /// Told that there is something to show, or why there never will be.
    pub(super) opened: Option<oneshot::Sender<Result<(), &'static str>>>,
    /// Until when the code to type works.
    pub(super) code_ends_at: Option<DateTime<Utc>>,
    pub(super) is_in: bool,
    pub(super) is_over: bool,
}

impl Session {
    /// Reports what is heard, until the client has ended.
    pub(super) async fn run(
        mut self,
        mut events: mpsc::Receiver<Arc<Event>>,
        mut asides: mpsc::Receiver<Arc<Event>>,
        mut client: BotHandle,
    ) {
        let (receipts, mut some) = (self.receipts.clone(), Vec::new());
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.hear(&event).await,
                some = receipts.some() => self.reports.send(GatewayEvent::Receipts(some)).await,
                _ = asides.recv_many(&mut some, NAMES) => self.hear_of(some.drain(..)).await,
                () = self.clock.sleep_until_maybe(self.code_ends_at) => self.expire().await,
                () = &mut client => break,
            }
        }
        while let Ok(event) = events.try_recv() {
            self.hear(&event).await;
        }
        let last = receipts.take();
        if !last.is_empty() {
            self.reports.send(GatewayEvent::Receipts(last)).await;
        }
        self.end(GatewayEvent::Dropped { reason: "WhatsApp can't be reached".to_owned() }).await;
    }

    /// There is something to show.
    async fn show(&mut self, event: GatewayEvent) {
        self.reports.send(event).await;
        if let Some(opened) = self.opened.take() {
            // Who opened it may have given up.
            let _ = opened.send(Ok(()));
        }
    }

    /// Nothing follows: says why, once.
    async fn end(&mut self, event: GatewayEvent) {
        self.acks.give_up();
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        match (event, self.opened.take()) {
            // Whoever opens it is told, if they still wait.
            (GatewayEvent::Dropped { .. }, Some(opened)) => {
                let _ = opened.send(Err("WhatsApp can't be reached"));
            }
            (event, opened) => {
                self.reports.send(event).await;
                let _ = opened.map(|opened| opened.send(Ok(())));
            }
        }
    }

    async fn fail(&mut self, code: &'static str, reason: impl Into<String>) {
        self.end(GatewayEvent::Failed { code, reason: reason.into() }).await;
    }

    async fn expire(&mut self) {
        self.code_ends_at = None;
        let reason = "nobody used the code in time".to_owned();
        self.end(GatewayEvent::LoggedOut { code: "pairing_expired", reason }).await;
    }

    async fn hear(&mut self, event: &Event) {
        let now = self.clock.now();
        let ends = |after: std::time::Duration| now + TimeDelta::from_std(after).unwrap_or_default();
        match event {
            Event::PairingQrCode(qr) if self.pairing == Pairing::Qr => {
                self.show(GatewayEvent::Code(Code::new(qr.code.clone(), false, ends(qr.timeout)))).await;
            }
            Event::PairingCode(code) => {
                self.code_ends_at = Some(ends(code.timeout));
                self.show(GatewayEvent::Code(Code::new(dashed(&code.code), true, ends(code.timeout)))).await;
            }
            Event::PairingQrCodesExhausted(_) if self.pairing == Pairing::Qr => self.expire().await,
            Event::PairingCodeRefresh(_) => self.expire().await,
            Event::PairingCodeError(error) => self.fail("code_refused", refused(error)).await,
            Event::QrScannedWithoutMultidevice(_) => {
                self.fail("phone_outdated", "the phone's WhatsApp is too old to link devices: update it").await;
            }
            Event::PairPasskeyRequest(_) | Event::PairPasskeyError(_) => {
                let reason = "WhatsApp asks for the passkey of this number, which can't be given here. On the phone, \
                              open Settings, Account, Passkeys, remove the passkey, and pair again";
                self.fail("passkey_required", reason).await;
            }
            Event::PairSuccess(_) => {
                self.code_ends_at = None;
                self.show(GatewayEvent::Authenticating).await;
            }
            Event::PairError(_) => self.fail("pairing_failed", "WhatsApp did not link the account; pair again").await,
            Event::Connected(_) => self.enter(now).await,
            Event::Disconnected(gone) if self.is_in => {
                let reason = match gone.reason {
                    DisconnectReason::ServerClose { .. } | DisconnectReason::StreamEnded => {
                        "WhatsApp ended the connection"
                    }
                    _ => "the connection to WhatsApp broke",
                };
                self.end(GatewayEvent::Dropped { reason: reason.to_owned() }).await;
            }
            Event::LoggedOut(out) => self.log_out(out).await,
            Event::StreamReplaced(_) => {
                let reason = "another program has connected with this account's keys; stop it, and connect again";
                self.fail("replaced", reason).await;
            }
            Event::TemporaryBan(ban) => self.end(banned(ban, now)).await,
            Event::ClientOutdated(_) => {
                let reason = "WhatsApp no longer takes the version of WhatsApp Web that this server says it is: unset \
                              ANDANTE_WHATSAPP_VERSION, or update Andante";
                self.fail("client_outdated", reason).await;
            }
            Event::ConnectFailure(failure) => self.refuse(failure).await,
            _ => {}
        }
    }

    /// The account can send.
    async fn enter(&mut self, now: DateTime<Utc>) {
        // From here on it is the lane that connects anew.
        self.client.enable_auto_reconnect.store(false, Ordering::Relaxed);
        self.is_in = true;
        self.code_ends_at = None;
        let name = self.client.push_name();
        let lid = self.client.lid().map(|lid| lid.to_non_ad_string());
        let connected = Connected {
            phone_number: self.client.pn().map(|number| number.user_base().to_owned()),
            display_name: (!name.is_empty()).then_some(name),
            // The keys are among the entries; this says that there are some.
            pairing: Some(serde_json::json!({ "lid": lid }).to_string()),
            at: now,
        };
        self.show(GatewayEvent::Connected(connected)).await;
    }

    async fn log_out(&mut self, out: &LoggedOut) {
        if self.is_over {
            return;
        }
        if let Err(error) = self.keys.clear().await {
            tracing::warn!(account.id = %self.keys.account, %error, "keys that are worth nothing are left");
        }
        let (code, reason) = match out.reason {
            ConnectFailureReason::AccountLocked => {
                ("account_locked", "WhatsApp has locked the account: open WhatsApp on the phone to see why")
            }
            _ => ("logged_out", "the device was removed on the phone, under Linked devices; pair again"),
        };
        self.end(GatewayEvent::LoggedOut { code, reason: reason.to_owned() }).await;
    }

    /// What people do, in the order in which they do.
    async fn hear_of(&self, asides: impl Iterator<Item = Arc<Event>>) {
        let mut names = Vec::new();
        for event in asides {
            match &*event {
                Event::ChatPresence(presence) => self.type_in(presence).await,
                Event::ContactUpdate(contact) => {
                    let name = contact.action.full_name.clone().or_else(|| contact.action.first_name.clone());
                    if let Some(name) = name.filter(|name| !name.is_empty()) {
                        names.push((People::name(&self.client, &contact.jid, None).await, name));
                    }
                }
                _ => {}
            }
        }
        if !names.is_empty() {
            self.reports.send(GatewayEvent::Names(names)).await;
        }
    }

    async fn refuse(&mut self, failure: &ConnectFailure) {
        if failure.reason == ConnectFailureReason::TempBanned {
            return self.end(banned_somehow(self.clock.now())).await;
        }
        let number = failure.reason.code();
        if failure.reason.should_reconnect() {
            return self.end(GatewayEvent::Dropped { reason: format!("WhatsApp is not available ({number})") }).await;
        }
        self.fail("refused", format!("WhatsApp does not let the account in ({number}); pair it again")).await;
    }

    async fn type_in(&self, presence: &ChatPresenceUpdate) {
        let source = &presence.source;
        if source.is_from_me {
            return;
        }
        let chat = People::name(&self.client, &source.chat, source.sender_alt.as_ref().filter(|_| !source.is_group));
        let participant = People::name(&self.client, &source.sender, source.sender_alt.as_ref());
        let (chat, participant) = tokio::join!(chat, participant);
        let is_typing = presence.state == ChatPresence::Composing;
        // It is old news soon.
        self.reports.try_send(GatewayEvent::Typing { chat, is_typing, participant });
    }
}
