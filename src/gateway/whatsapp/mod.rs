//! WhatsApp, spoken natively: the account is a linked device of a phone, as WhatsApp Web is, and no
//! browser runs. The crate `whatsapp-rust` has the protocol; its keys are in our database (`keys`), its
//! connections go our way (`wire`), and what it hears is reported by `session`.
//!
//! A message counts as sent once the server has taken it, and what comes in is acknowledged once it is a
//! row. The crate connects anew by itself only while it pairs; otherwise the lane does.

mod acks;
mod bot;
mod download;
mod ear;
mod failure;
mod history;
mod keys;
mod mail;
mod parcel;
mod people;
mod reach;
mod receipts;
mod session;
mod subjects;
mod upload;
mod wire;
mod words;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use entity::account::ActiveModel;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use whatsapp_rust::wacore_binary::{Jid, JidExt};
use whatsapp_rust::{Client, SendOptions};

use self::acks::Acks;
use self::ear::Ear;
use self::failure::{NOT_IN, read_error};
use self::keys::Keys;
use self::mail::Mailbox;
use self::people::People;
use self::reach::Reach;
use self::receipts::Receipts;
use self::session::{ASIDES, EVENTS, Session};
use self::wire::Wire;
use super::farewell::say_still_linked;
use super::{Bytestream, ConnectError, FetchError, Gateway, Messengers, Outgoing, Pairing, Reports, SendError, Taken};
use crate::gateway::stanza;
use crate::logs::step;
use crate::phone::Recipient;
use crate::store::account::Account;
use crate::store::chat::Seen;

/// Characters of a text at most, as WhatsApp's own clients have it.
const TEXT: usize = 65_536;
/// Messages that WhatsApp is told at once to be read.
const READ: usize = 256;
/// Parts of histories that may wait to be kept.
const HISTORIES: usize = 16;
/// How long WhatsApp may take to be told that the account is logged out: less than a close may.
const LEAVING: Duration = Duration::from_secs(3);
/// How long a client may take to end that was cut off.
const ENDING: Duration = Duration::from_secs(15);

struct WhatsApp {
    people: Arc<People>,
    acks: Arc<Acks>,
    reach: Arc<Reach>,
    wire: Wire,
    /// How long a send may take that carries no file.
    send_deadline: Duration,
    /// Done when the connection has ended.
    ended: CancellationToken,
    /// Ends the connection if it is not closed.
    _stop: DropGuard,
}

pub(super) async fn connect(
    messengers: &Messengers,
    account: &Account,
    pairing: Pairing,
    reports: Reports,
) -> Result<Arc<dyn Gateway>, ConnectError> {
    let later = ConnectError::Later;
    let wire = Wire::of(messengers, account).await?;
    let keys = Arc::new(Keys {
        store: messengers.store.clone(),
        clock: messengers.clock.clone(),
        account: account.id,
        epoch: account.epoch,
        tokens: Default::default(),
        ended: CancellationToken::new(),
    });
    if account.pairing.is_none() {
        // Whatever an earlier pairing left is worth nothing.
        keys.clear().await.map_err(|error| later(error.into()))?;
    } else {
        // Who has lost the account does not connect with its keys.
        let now = messengers.clock.now().timestamp();
        keys.put("opened", "", [], now).await.map_err(|error| later(error.into()))?;
    }
    let is_paired = keys.is_paired().await.map_err(|error| later(error.into()))?;
    let (acks, receipts) = <(Arc<Acks>, Arc<Receipts>)>::default();
    let (events, heard) = mpsc::channel(EVENTS);
    let (asides, heard_of) = mpsc::channel(ASIDES);
    let (histories, past) = mpsc::channel(HISTORIES);
    let (groups, nameless) = mpsc::channel(subjects::WAITING);
    let ear = Ear { acks: acks.clone(), receipts: receipts.clone(), keys: keys.clone(), events, asides, histories };
    let code = if let Pairing::Code(number) = &pairing
        && !is_paired
    {
        Some(number.clone())
    } else {
        None
    };
    let bot = bot::build(
        keys.clone(),
        wire.clone(),
        Mailbox { reports: reports.clone(), clock: messengers.clock.clone(), groups },
        ear,
        messengers.whatsapp_version,
        code,
    );
    let bot = bot.await.map_err(|error| later(error.into()))?;
    let client = bot.client();
    // The crate connects anew by itself where that belongs to pairing.
    client.enable_auto_reconnect.store(!is_paired, Ordering::Relaxed);
    let (opened, is_open) = oneshot::channel();
    let session = Session {
        client: client.clone(),
        clock: messengers.clock.clone(),
        keys: keys.clone(),
        acks: acks.clone(),
        receipts,
        reports: reports.clone(),
        pairing: if is_paired { Pairing::Qr } else { pairing },
        opened: Some(opened),
        code_ends_at: None,
        is_in: false,
        is_over: false,
    };
    let (stop, ended) = <(CancellationToken, CancellationToken)>::default();
    let running = bot.spawn();
    tokio::spawn(history::run(past, client.clone(), reports.clone(), keys.clone()));
    tokio::spawn(subjects::run(nameless, client.clone(), reports, keys.clone()));
    let over = ended.clone().drop_guard();
    tokio::spawn({
        let (stop, client, clock, keys) = (stop.clone(), client.clone(), messengers.clock.clone(), keys.clone());
        async move {
            let _over = over;
            let is_cut = stop.run_until_cancelled(session.run(heard, heard_of, running)).await.is_none();
            keys.ended.cancel();
            if is_cut {
                // What runs is aborted by that, and the rest of the client has to be told. Another connection
                // may be there already: what this one would still write is refused.
                client.signal_shutdown_sync();
                let _ = clock.timeout(ENDING, client.disconnect()).await;
            }
        }
    });
    let stop = stop.drop_guard();
    match is_open.await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => return Err(later(anyhow!(reason))),
        Err(_) => return Err(later(anyhow!("the connection ended"))),
    }
    let people = Arc::new(People::new(client, keys));
    let reach = Arc::new(Reach::of(&people).await);
    let send_deadline = messengers.send_deadline;
    Ok(Arc::new(WhatsApp { people, acks, reach, wire, send_deadline, ended, _stop: stop }))
}

impl WhatsApp {
    fn client(&self) -> &Client {
        &self.people.client
    }

    /// What a refusal of the server means for the message.
    fn read_refusal(&self, code: &str, to: Jid, chat: String) -> SendError {
        match code {
            reach::LOCK => {
                let after = self.reach.run_into(&self.people, to, chat);
                SendError::Held { after, reason: LOCKED.to_owned() }
            }
            "404" => SendError::refused("WhatsApp does not know the recipient"),
            "403" if to.is_group() => SendError::refused(NOT_IN),
            code => {
                let code: String = code.chars().filter(char::is_ascii_digit).take(4).collect();
                SendError::Later { after: None, cause: anyhow!("WhatsApp did not take the message ({code})") }
            }
        }
    }
}

/// Why a message that would open a new chat waits.
const LOCKED: &str = "WhatsApp lets the account open no new chats for now; answers go on";

#[async_trait]
impl Gateway for WhatsApp {
    async fn send(&self, message: &Outgoing) -> Result<Taken, SendError> {
        if !self.client().is_logged_in() {
            return Err(SendError::Later { after: None, cause: anyhow!("not connected") });
        }
        if message.text.0.chars().count() > TEXT {
            let reason = format!("the text is longer than the {TEXT} characters that WhatsApp takes");
            return Err(SendError::Refused { code: "too_long", reason });
        }
        let to = self.people.find(&message.recipient).await?;
        let chat = People::name(self.client(), &to, None).await;
        if let Some(after) = self.reach.holds(&self.people, &to, &chat).await {
            return Err(SendError::Held { after, reason: LOCKED.to_owned() });
        }
        let content = upload::content(&self.people, &self.wire, message, self.send_deadline).await?;
        let id = stanza::of(self.people.keys.account, message.message);
        let answer = self.acks.expect(&id);
        let options = SendOptions::default().with_message_id(&id);
        self.client().send_message_with_options(to.clone(), content, options).await.map_err(read_error)?;
        match answer.answer().await {
            Some(None) => {
                self.reach.pass(&self.people, to, chat.clone());
                Ok(Taken { provider_message_id: id, chat: Some(chat) })
            }
            Some(Some(code)) => Err(self.read_refusal(&code, to, chat)),
            None => Err(SendError::Uncertain { cause: anyhow!("the connection ended before WhatsApp answered") }),
        }
    }

    async fn show_typing(&self, to: &Recipient, is_typing: bool) -> bool {
        // Whom it can't be shown to, the send says.
        let Ok(to) = self.people.find(to).await else { return false };
        let state = self.people.client.chatstate();
        let shown = if is_typing { state.send_composing(&to).await } else { state.send_paused(&to).await };
        shown.is_ok()
    }

    async fn mark_read(&self, chat: &str, messages: &[Seen]) {
        let Some(chat) = people::jid_of(chat) else { return };
        // In a group, or a status, each author is told of theirs.
        let is_shared = !chat.is_pn() && !chat.is_lid();
        let mut read: HashMap<Option<&str>, Vec<&str>> = HashMap::new();
        for message in messages {
            let author = message.sender.as_deref().filter(|_| is_shared);
            read.entry(author).or_default().push(&message.provider_message_id);
        }
        for (author, messages) in read {
            let author = match author {
                Some(author) => self.people.author(&chat, author).await,
                None => None,
            };
            for some in messages.chunks(READ) {
                if self.client().mark_as_read(&chat, author.as_ref(), some).await.is_err() {
                    tracing::warn!(account.id = %self.people.keys.account, "WhatsApp was not told what was read");
                    return;
                }
            }
        }
    }

    async fn fetch(&self, source: &str) -> Result<Bytestream, FetchError> {
        download::fetch(&self.people, &self.wire, source).await
    }

    async fn is_alive(&self) -> bool {
        self.client().is_connected() && self.client().is_logged_in()
    }

    async fn close(&self, log_out: bool) {
        if log_out {
            // WhatsApp is told if it listens; the keys go in any case.
            let keys = &self.people.keys;
            let listens = self.client().is_logged_in();
            let told = keys.clock.timeout(LEAVING, self.people.client.logout()).await;
            if let Err(error) = keys.clear().await {
                tracing::warn!(account.id = %keys.account, %error, "keys of a pairing that ended are left");
            }
            if told.is_err() || !listens {
                let now = keys.clock.now();
                let say = move |row: &mut ActiveModel| say_still_linked(row, now);
                if keys.store.change_account_of(keys.account, keys.epoch, say).await.is_err() {
                    step!(warn, keys.account, "WhatsApp was not told that the account is logged out");
                }
            }
        } else {
            self.people.client.disconnect().await;
        }
        self.ended.cancelled().await;
    }
}
