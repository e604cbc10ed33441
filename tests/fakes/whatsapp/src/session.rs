//! What one connection is about: a client that waits to be linked, or a companion that is logged in.
//! Here is the login; what clients ask and say is in `iq`, `message` and `receipt`.

use std::sync::Arc;

use anyhow::{Context, Result};
use wacore_binary::Node;
use waproto::whatsapp as wa;

use crate::address::Address;
use crate::clock::unix_seconds;
use crate::fault::Failure;
use crate::history;
use crate::outbox::Outbox;
use crate::pairing::Pairing;
use crate::record::{Signal, SignalKind};
use crate::server::{Change, Shared};
use crate::stanza::{attr, element, jid, required_attr};
use crate::state::State;

pub(crate) struct Session {
    pub(crate) outbox: Outbox,
    /// Who is logged in.
    pub(crate) login: Option<Address>,
    /// What a client that isn't linked yet has registered.
    pub(crate) pairing: Option<Arc<Pairing>>,
    /// The number of the connection.
    number: u64,
    shared: Arc<Shared>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, outbox: Outbox, number: u64) -> Self {
        if let Some(connection) = shared.state().connections.get_mut(&number) {
            connection.outbox = Some(outbox.clone());
        }
        Self { outbox, login: None, pairing: None, number, shared }
    }

    pub(crate) fn state(&self) -> Change<'_> {
        self.shared.state()
    }

    pub(crate) fn send(&self, stanza: Node) {
        self.outbox.send(stanza);
    }

    pub(crate) fn login(&self) -> Result<Address> {
        self.login.clone().context("nobody is logged in here")
    }

    /// Begins with what the client said of itself in the handshake.
    pub(crate) fn start(&mut self, client_key: [u8; 32], is_resumed: bool, payload: wa::ClientPayload) {
        if let Some(registration) = payload.device_pairing_data.into_option() {
            self.offer_refs(client_key, registration);
            return;
        }
        let user = payload.username.map(|user| user.to_string()).unwrap_or_default();
        let device = payload.device.and_then(|device| u16::try_from(device).ok()).unwrap_or(0);
        if let Err(failure) = self.log_in(&Address::new(&user, device), &client_key, is_resumed) {
            self.send(failure.node());
            self.outbox.close();
        }
    }

    fn log_in(&mut self, address: &Address, client_key: &[u8; 32], is_resumed: bool) -> Result<(), Failure> {
        let mut state = self.shared.state();
        if let Some(failure) = state.faults.failures.get(&address.pn) {
            return Err(*failure);
        }
        let account = state.accounts.get_mut(&address.pn).ok_or(Failure::LoggedOut)?;
        let companion = account.companions.get_mut(&address.device).ok_or(Failure::LoggedOut)?;
        if companion.noise_key != *client_key {
            return Err(Failure::LoggedOut);
        }
        account.logins += 1;
        account.resumptions += usize::from(is_resumed);
        companion.is_active = false;
        if let Some((_, former)) = companion.connection.replace((self.number, self.outbox.clone())) {
            former.send(replaced());
            former.close();
        }
        let success = element("success")
            .attr("t", unix_seconds())
            .attr("lid", account.jid(address.device, true))
            .attr("display_name", account.name.as_str())
            .attr("location", "fake")
            .attr("abprops", "1");
        if let Some(connection) = state.connections.get_mut(&self.number) {
            connection.login = Some(address.clone());
        }
        self.outbox.send(success.build());
        self.login = Some(address.clone());
        tracing::debug!("{address} has logged in");
        Ok(())
    }

    pub(crate) fn handle(&mut self, stanza: &Node) -> Result<()> {
        match stanza.tag.as_ref() {
            "iq" => self.iq(stanza),
            "message" => self.message(stanza),
            "receipt" => self.receipt(stanza),
            "ack" => self.acknowledged(stanza),
            // A client that is being linked may say already that it is there.
            "presence" | "chatstate" if self.login.is_none() => Ok(()),
            "presence" | "chatstate" => self.signal(stanza),
            other => {
                tracing::trace!("<{other}> needs no answer");
                Ok(())
            }
        }
    }

    fn acknowledged(&self, ack: &Node) -> Result<()> {
        let Some(login) = &self.login else { return Ok(()) };
        required_attr(ack, "class").and(required_attr(ack, "id"))?;
        let mut state = self.state();
        if let Some(companion) = state.companion_mut(login) {
            companion.acknowledge(ack);
        }
        Ok(())
    }

    fn signal(&self, stanza: &Node) -> Result<()> {
        let login = self.login()?;
        let mut state = self.state();
        let to = jid(stanza, "to");
        let name = to.as_ref().map(|to| state.name_of(to)).unwrap_or_default();
        let content = stanza.children().and_then(|children| children.first());
        let kind = match (stanza.tag.as_ref(), attr(stanza, "type").as_deref(), content) {
            ("presence", Some("subscribe"), _) => SignalKind::Subscribed(name),
            ("presence", Some("unavailable"), _) => SignalKind::Unavailable,
            ("presence", ..) => SignalKind::Available,
            (_, _, Some(content)) if content.tag == "composing" && attr(content, "media").is_some() => {
                SignalKind::Recording(name)
            }
            (_, _, Some(content)) if content.tag == "composing" => SignalKind::Typing(name),
            _ => SignalKind::Paused(name),
        };
        state.records.signals.push(Signal { from: login.pn.clone(), device: login.device, kind });
        if let ("chatstate", Some(to)) = (stanza.tag.as_ref(), &to) {
            let from = state.jid(&Address::new(&login.pn, 0), to.is_lid());
            let relayed = element("chatstate").attr("from", from).apply_content(stanza.content.clone()).build();
            for companion in state.pn_of(to).map(|pn| state.companions_of(&pn)).unwrap_or_default() {
                if let Some(companion) = state.companion(&companion) {
                    companion.mention(&relayed);
                }
            }
        }
        Ok(())
    }

    /// Sends a device its backlog, and everything as it comes from then on. A new device hears from
    /// its phone first.
    pub(crate) fn go_active(&self, state: &mut State, me: &Address) -> Result<()> {
        let is_sharing_keys = state.is_sharing_keys;
        let companion = state.companion_mut(me).context("the device isn't linked")?;
        if !std::mem::replace(&mut companion.is_greeted, true) && is_sharing_keys {
            greet(state, me)?;
        }
        let companion = state.companion_mut(me).context("the device isn't linked")?;
        companion.is_active = true;
        let backlog = companion.backlog();
        let count = backlog.len();
        let preview = element("offline_preview")
            .attr("count", count)
            .attr("message", count)
            .attr("receipt", 0)
            .attr("notification", 0)
            .attr("appdata", 0);
        self.send(element("ib").children([preview.build()]).build());
        for mut stanza in backlog {
            stanza.attrs.insert("offline", "0");
            self.send(stanza);
        }
        self.send(element("ib").children([element("offline").attr("count", count).build()]).build());
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.linking.forget(&self.outbox);
        if let Some(companion) = self.login.as_ref().and_then(|login| state.companion_mut(login))
            && companion.connection.as_ref().is_some_and(|(number, _)| *number == self.number)
        {
            companion.disconnect();
        }
    }
}

/// What a connection is told when its device logs in on another one.
pub(crate) fn replaced() -> Node {
    element("stream:error").children([element("conflict").attr("type", "replaced").build()]).build()
}

/// The phone sends a new device the app state key, and its chats.
fn greet(state: &mut State, device: &Address) -> Result<()> {
    let account = state.accounts.get_mut(&device.pn).context("no such account")?;
    let mut messages = vec![account.phone.key_share()];
    messages.extend(account.history.take().map(history::bootstrap));
    for message in messages {
        let envelope = state.encrypt_from_phone(&device.pn, device, &message)?;
        let id = format!("PEER{}", state.next_number());
        let stanza = element("message")
            .attr("from", state.jid(&Address::new(&device.pn, 0), false))
            .attr("id", id)
            .attr("t", unix_seconds())
            .attr("type", "text")
            .attr("category", "peer")
            .attr("push_priority", "high")
            .children([envelope.node()]);
        state.deliver(device, stanza.build());
    }
    Ok(())
}
