//! Messages that clients send: what becomes of each, and how it reaches phones and companions. Those
//! to groups go on in `group_message`.

use anyhow::{Context, Result};
use wacore_binary::{Jid, Node};
use waproto::whatsapp as wa;

use crate::address::Address;
use crate::clock::unix_seconds;
use crate::fault::Cut;
use crate::file::File;
use crate::record::{Arrival, BrokenFile, Delivery, Outcome, Undecryptable};
use crate::session::Session;
use crate::stanza::{attr, child, content, element, list, required_attr, required_jid};
use crate::state::State;

/// The recipient doesn't exist.
const NOT_FOUND: u16 = 404;
/// The account isn't in the group.
const FORBIDDEN: u16 = 403;
/// The account may write only to those who have written to it.
const REACHOUT_LOCKED: u16 = 463;

/// A message as a client has sent it.
pub(crate) struct Submission<'a> {
    pub(crate) stanza: &'a Node,
    pub(crate) from: Address,
    pub(crate) to: Jid,
    pub(crate) id: String,
    is_peer: bool,
}

impl Session {
    pub(crate) fn message(&mut self, stanza: &Node) -> Result<()> {
        let submission = Submission {
            stanza,
            from: self.login()?,
            to: required_jid(stanza, "to")?,
            id: required_attr(stanza, "id")?,
            is_peer: attr(stanza, "category").as_deref() == Some("peer"),
        };
        let mut state = self.state();
        let outcome = state.judge(&submission);
        if !submission.is_peer {
            let arrival = submission.arrival(&state, outcome);
            state.records.arrivals.push(arrival);
        }
        let ack = element("ack")
            .attr("class", "message")
            .attr("id", submission.id.as_str())
            .attr("from", &submission.to)
            .attr("t", unix_seconds());
        match outcome {
            Outcome::Routed => {
                state.faults.ack(&self.outbox, ack.build());
                state.route(&submission)?;
            }
            Outcome::Refused(code) => state.faults.ack(&self.outbox, ack.attr("error", code).build()),
            Outcome::Dropped => {}
            Outcome::CutBeforeRouting => self.outbox.cut(),
            Outcome::CutAfterRouting => {
                // Receipts must not come through any more, only stay in the queue.
                if let Some(companion) = state.companion_mut(&submission.from) {
                    companion.disconnect();
                }
                state.route(&submission)?;
                self.outbox.cut();
            }
        }
        Ok(())
    }
}

impl Submission<'_> {
    fn arrival(&self, state: &State, outcome: Outcome) -> Arrival {
        let Self { from, to, id, .. } = self;
        Arrival { from: from.pn.clone(), device: from.device, to: state.name_of(to), id: id.clone(), outcome }
    }
}

impl State {
    fn judge(&mut self, submission: &Submission<'_>) -> Outcome {
        let Submission { from, to, is_peer, .. } = submission;
        if *is_peer {
            return Outcome::Routed;
        }
        if self.faults.is_dropping_messages {
            return Outcome::Dropped;
        }
        if let Some(code) = self.refusal(&from.pn, to) {
            return Outcome::Refused(code);
        }
        match self.faults.cuts.remove(&from.pn) {
            Some(Cut::BeforeRouting) => Outcome::CutBeforeRouting,
            Some(Cut::AfterRouting) => Outcome::CutAfterRouting,
            None => Outcome::Routed,
        }
    }

    fn refusal(&self, from: &str, to: &Jid) -> Option<u16> {
        if let Some(code) = self.faults.nacks.get(&self.name_of(to)) {
            return Some(*code);
        }
        if let Some(group) = self.group(to) {
            return (!group.has(from)).then_some(FORBIDDEN);
        }
        let Some(account) = self.account(to) else { return Some(NOT_FOUND) };
        let sender = self.accounts.get(from)?;
        let is_stranger = account.pn != from && !sender.heard_from.contains(&account.pn);
        (is_stranger && self.faults.reachout_locked.contains(from)).then_some(REACHOUT_LOCKED)
    }

    /// Passes a message on to each device that the sender has encrypted it for.
    fn route(&mut self, submission: &Submission<'_>) -> Result<()> {
        let stanza = submission.stanza;
        if self.group(&submission.to).is_some() {
            return self.route_to_group(submission);
        }
        if stanza.get_optional_child("participants").is_none() {
            return self.route_one(submission, &submission.to, child(stanza, "enc")?);
        }
        for target in list(stanza, "participants", "to") {
            self.route_one(submission, &required_jid(target, "jid")?, child(target, "enc")?)?;
        }
        Ok(())
    }

    fn route_one(&mut self, submission: &Submission<'_>, target: &Jid, encrypted: &Node) -> Result<()> {
        let Some(pn) = self.pn_of(target) else { return Ok(()) };
        let to = Address::new(&pn, target.device);
        if let Some(account) = self.accounts.get_mut(&pn)
            && pn != submission.from.pn
        {
            account.heard_from.insert(submission.from.pn.clone());
        }
        if to.is_phone() {
            return self.deliver_to_phone(submission, target, &pn, encrypted);
        }
        let stanza = self.forwarded(submission, target, &pn, encrypted);
        self.deliver(&to, stanza);
        Ok(())
    }

    fn deliver_to_phone(
        &mut self,
        submission: &Submission<'_>,
        target: &Jid,
        pn: &str,
        encrypted: &Node,
    ) -> Result<()> {
        let Submission { from, id, is_peer, .. } = submission;
        let kind = required_attr(encrypted, "type")?;
        let account = self.accounts.get_mut(pn).context("no such account")?;
        let (to, sender) = (pn.to_owned(), from.pn.clone());
        match account.phone.decrypt(from, &kind, &content(encrypted)) {
            Ok(message) => {
                let file = self.file_for(&to, submission, encrypted, &message);
                self.records.deliveries.push(Delivery {
                    to,
                    from: sender,
                    device: from.device,
                    id: id.clone(),
                    group: None,
                    sender_key: None,
                    is_peer: *is_peer,
                    message,
                    file,
                });
                if pn != from.pn {
                    let receipt = element("receipt").attr("from", target.to_non_ad()).attr("id", id.as_str());
                    self.deliver(from, receipt.attr("t", unix_seconds()).build());
                }
            }
            Err(error) => {
                tracing::warn!("the phone {to} cannot decrypt {id} from {from}: {error:#}");
                let error = format!("{error:#}");
                self.records.undecryptable.push(Undecryptable { to, from: sender, id: id.clone(), error });
            }
        }
        Ok(())
    }

    /// The file that came with a message to a phone. The own phone knows it already.
    pub(crate) fn file_for(
        &mut self,
        to: &str,
        submission: &Submission<'_>,
        encrypted: &Node,
        message: &wa::Message,
    ) -> Option<File> {
        if to == submission.from.pn {
            return None;
        }
        self.media.open(message, submission.stanza, encrypted).unwrap_or_else(|error| {
            let error = format!("{error:#}");
            self.records.broken_files.push(BrokenFile { to: to.to_owned(), id: submission.id.clone(), error });
            None
        })
    }

    /// The message as one companion of the user `pn` receives it.
    fn forwarded(&self, submission: &Submission<'_>, target: &Jid, pn: &str, encrypted: &Node) -> Node {
        let Submission { stanza, from, to, id, .. } = submission;
        let is_lid = target.is_lid();
        let mut message = element("message")
            .attr("from", self.jid(from, is_lid))
            .attr("id", id.as_str())
            .attr("t", unix_seconds())
            .attr("type", attr(stanza, "type").unwrap_or_else(|| "text".to_owned()))
            .attr(if is_lid { "sender_pn" } else { "sender_lid" }, self.jid(from, !is_lid).to_non_ad());
        for key in ["category", "edit"] {
            if let Some(value) = attr(stanza, key) {
                message = message.attr(key, value);
            }
        }
        if pn == from.pn {
            message = message.attr("recipient", to.to_non_ad());
            if let Some(account) = self.account(to).filter(|_| to.is_lid()) {
                message = message.attr("peer_recipient_pn", account.jid(0, false));
            }
        } else if let Some(sender) = self.accounts.get(&from.pn) {
            message = message.attr("notify", sender.name.as_str());
        }
        let identity = stanza.get_optional_child("device-identity").cloned();
        message.children(std::iter::once(encrypted.clone()).chain(identity)).build()
    }
}
