//! WhatsApp by its own page, WhatsApp Web, in a headless Chromium: WhatsApp's client does the talking,
//! and follows its protocol by itself. The library wa-js finds its way around the page; our side of it
//! (`bridge.js`) takes what is asked and keeps what happens, and a [`session`] looks there several times
//! a second. Each account has a browser of its own, which has to have memory.
//!
//! A message's id is fixed before it is sent, as with the native gateway, so that what became of it can
//! be looked up after the page was loaded anew, and the same message is never sent twice.

mod asks;
mod browser;
mod caught;
mod course;
mod file;
mod group;
mod heard;
mod line;
mod mail;
mod page;
mod profile;
mod scripts;
mod session;
mod standing;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use chrono::TimeDelta;
use entity::ids::AccountId;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::asks::{Asks, Send, uncertain};
use self::browser::Browser;
use self::caught::CatchingUp;
use self::line::{Command, Line};
use self::profile::Profile;
use self::session::{Outside, Session};
use self::standing::Standing;
use super::browsers::FULL;
use super::{
    Bytestream, ConnectError, FetchError, Gateway, Messengers, Outgoing, Pairing, Reports, SendError, Taken, proxy,
    stanza,
};
use crate::clock::Clock;
use crate::phone::Recipient;
use crate::store::account::Account;
use crate::store::chat::Seen;

/// Characters of a text at most, as WhatsApp's own clients have it.
const TEXT: usize = 65_536;
/// How long a page that lost WhatsApp is waited for before a message is tried again.
const AWAY: Duration = Duration::from_secs(5);
/// What a session may be told to do before it has done it.
const COMMANDS: usize = 16;
/// How long ago a page that is alive has answered at most.
const ALIVE: TimeDelta = TimeDelta::seconds(15);

struct WhatsAppWeb {
    account: AccountId,
    clock: Clock,
    line: Line,
    outside: Arc<Outside>,
    /// Done when the browser has ended.
    ended: CancellationToken,
    /// Ends it at once if it is not closed.
    _stop: DropGuard,
}

pub(super) async fn connect(
    messengers: &Messengers,
    account: &Account,
    pairing: Pairing,
    reports: Reports,
) -> Result<Arc<dyn Gateway>, ConnectError> {
    let (browsers, clock) = (&messengers.browsers, &messengers.clock);
    let failed = |code, reason: &str| ConnectError::Failed { code, reason: reason.to_owned() };
    let later = ConnectError::Later;
    if let Some(reason) = browsers.refuses_root() {
        return Err(failed("browser_sandbox", reason));
    }
    if let Some(missing) = browsers.missing() {
        return Err(failed("not_installed", &missing));
    }
    let proxy = proxy::for_browser(account.proxy.as_deref(), messengers.egress).await?;
    let Some(place) = browsers.place() else {
        let reason = format!("all {} browsers that may run are in use (ANDANTE_BROWSER_MAX)", browsers.most);
        return Err(ConnectError::Waits { code: FULL, reason });
    };
    let profile = Profile::take(browsers.folder(account.id), account.id, clock).await.map_err(later)?;
    if account.pairing.is_none() && !profile.is_linked() {
        // Whatever an earlier pairing left is worth nothing.
        profile.clear().await.map_err(later)?;
    }
    let position = messengers.store.inbox_position(account.id).await.map_err(|error| later(error.into()))?;
    let script = scripts::preload(browsers.library.as_deref()).await;
    let script = script.map_err(|_| failed("no_library", "the file that ANDANTE_WAJS_PATH names can't be read"))?;
    let browser = Browser::start(browsers, account.id, place, profile, proxy, clock).await.map_err(later)?;
    let opens = async {
        browser.preload(&script).await?;
        browser.open(&browsers.page).await
    };
    if let Err(error) = opens.await {
        browser.end(false).await;
        return Err(later(error));
    }
    let (commands, heard) = mpsc::channel(COMMANDS);
    let (opened, is_open) = oneshot::channel();
    let (outside, now) = (Arc::<Outside>::default(), clock.now());
    outside.answered_at.store(now.timestamp_millis(), Ordering::Release);
    let session = Session {
        account: account.id,
        store: messengers.store.clone(),
        browser,
        browsers: browsers.clone(),
        // Sooner than whoever opens it gives up, and tries again.
        patience: TimeDelta::from_std(messengers.connect_deadline).unwrap_or_default() / 2,
        page: Default::default(),
        clock: clock.clone(),
        reports,
        pairing,
        is_paired: account.pairing.is_some(),
        commands: heard,
        outside: outside.clone(),
        opened: Some(opened),
        asks: Asks::default(),
        numbers: Default::default(),
        catching_up: CatchingUp::from(account.pairing.as_ref().and(position)),
        in_since: None,
        standing: Standing::Loading,
        since: now,
        loaded_at: None,
        stood_at: now,
        stirred_at: now,
        weighed_at: now,
        leaving: None,
        has_left: false,
    };
    let (stop, ended) = <(CancellationToken, CancellationToken)>::default();
    let over = ended.clone().drop_guard();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            let _over = over;
            session.run(stop).await;
        }
    });
    let stop = stop.drop_guard();
    match is_open.await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => return Err(later(anyhow!(reason))),
        Err(_) => return Err(later(anyhow!("the browser ended"))),
    }
    let (account, clock) = (account.id, clock.clone());
    Ok(Arc::new(WhatsAppWeb { account, clock, line: Line(commands), outside, ended, _stop: stop }))
}

impl WhatsAppWeb {
    /// What the page calls a recipient, or a chat.
    fn wid(address: &str) -> String {
        if address.contains('@') { address.to_owned() } else { format!("{address}@c.us") }
    }
}

#[async_trait]
impl Gateway for WhatsAppWeb {
    async fn send(&self, message: &Outgoing) -> Result<Taken, SendError> {
        if !self.outside.is_in.load(Ordering::Acquire) {
            return Err(SendError::Later { after: Some(AWAY), cause: anyhow!("the page is not connected") });
        }
        if message.text.0.chars().count() > TEXT {
            let reason = format!("the text is longer than the {TEXT} characters that WhatsApp takes");
            return Err(SendError::Refused { code: "too_long", reason });
        }
        let (key, to) = (stanza::of(self.account, message.message), Self::wid(message.recipient.as_str()));
        let (answer, outcome) = oneshot::channel();
        if let Some(file) = &message.media {
            file::hand_over(&self.line, file).await?;
        }
        let file = message.media.as_ref().map(file::told);
        let send = Send { to, key: key.clone(), text: message.text.0.clone(), file, answer };
        if self.line.0.send(Command::Send(send)).await.is_err() {
            return Err(SendError::Later { after: None, cause: anyhow!("the browser has ended") });
        }
        match outcome.await {
            Ok(outcome) => outcome.map(|chat| Taken { provider_message_id: key, chat }),
            Err(_) => Err(uncertain("the browser ended before WhatsApp answered")),
        }
    }

    async fn show_typing(&self, to: &Recipient, is_typing: bool) -> bool {
        self.line.ask("typing", json!({"to": Self::wid(to.as_str()), "on": is_typing})).await.is_ok()
    }

    async fn mark_read(&self, chat: &str, _messages: &[Seen]) {
        if self.line.ask("markRead", json!({"chat": chat})).await.is_err() {
            tracing::warn!(account.id = %self.account, "WhatsApp was not told what was read");
        }
    }

    async fn fetch(&self, source: &str) -> Result<Bytestream, FetchError> {
        if !self.outside.is_in.load(Ordering::Acquire) {
            return Err(FetchError::Later(anyhow!("the page is not connected")));
        }
        file::fetch(&self.line, source).await
    }

    async fn is_alive(&self) -> bool {
        let answered = crate::store::instant(self.outside.answered_at.load(Ordering::Acquire));
        let hands_over = self.outside.hands_over.load(Ordering::Acquire);
        !self.ended.is_cancelled() && (hands_over || self.clock.now() - answered < ALIVE)
    }

    async fn close(&self, log_out: bool) {
        // Whatever else becomes of it, the pairing goes.
        self.outside.forgets.store(log_out, Ordering::Release);
        // A session that is over has no ears.
        let _ = self.line.0.send(Command::Close).await;
        self.ended.cancelled().await;
    }
}
