//! What a test makes go wrong.

use std::time::Duration;

use wacore_binary::Node;

use crate::account::Account;
use crate::address::Address;
use crate::outbox::Outbox;
use crate::session::replaced;
use crate::{Cut, Failure, FakeWhatsApp};

impl FakeWhatsApp {
    /// How many codes a client gets that waits to be linked, from its next connection on: 6 at first,
    /// of which it shows the first for 60 s and each other for 20 s. With 0 they are exhausted at once.
    pub fn set_qr_refs(&self, count: usize) {
        self.shared.state().qr_refs = count;
    }

    /// Closes the connections of clients that wait to be linked; their codes are void.
    pub fn close_pairings(&self) {
        let state = self.shared.state();
        let open = state.connections.values().filter(|connection| connection.login.is_none());
        open.filter_map(|connection| connection.outbox.as_ref()).for_each(Outbox::close);
    }

    /// Whether phones share their app state key with new devices, as they do at first. Without it a
    /// client waits for a while (10 s) before it is connected.
    pub fn set_key_share(&self, on: bool) {
        self.shared.state().is_sharing_keys = on;
    }

    /// Refuses the logins of this account, until `readmit`. A connection that is open stays so.
    pub fn refuse(&self, pn: &str, failure: Failure) {
        self.shared.state().faults.failures.insert(pn.to_owned(), failure);
    }

    /// Lets this account log in again.
    pub fn readmit(&self, pn: &str) {
        self.shared.state().faults.failures.remove(pn);
    }

    /// Refuses messages to this recipient, a number or the address of a group, with a code; `None` ends it.
    pub fn nack_messages_to(&self, to: &str, code: Option<u16>) {
        let mut state = self.shared.state();
        match code {
            Some(code) => state.faults.nacks.insert(to.to_owned(), code),
            None => state.faults.nacks.remove(to),
        };
    }

    /// The reach-out time-lock: refuses messages of this account with 463, except to users who have
    /// written to it.
    pub fn set_reachout_lock(&self, pn: &str, on: bool) {
        let mut state = self.shared.state();
        if on {
            state.faults.reachout_locked.insert(pn.to_owned());
        } else {
            state.faults.reachout_locked.remove(pn);
        }
    }

    /// Whether messages are passed on without an ack.
    pub fn hold_acks(&self, on: bool) {
        self.shared.state().faults.is_holding_acks = on;
    }

    /// Sends the acks withheld so far. Those whose connection is gone are lost with it.
    pub fn release_acks(&self) {
        for (outbox, ack) in self.shared.state().faults.held_acks.drain(..) {
            outbox.send(ack);
        }
    }

    /// Whether messages are read and thrown away: no ack, no delivery.
    pub fn drop_messages(&self, on: bool) {
        self.shared.state().faults.is_dropping_messages = on;
    }

    /// Cuts the connection on which the next message of this account comes in, once.
    pub fn drop_after_message(&self, pn: &str, cut: Cut) {
        self.shared.state().faults.cuts.insert(pn.to_owned(), cut);
    }

    /// Cuts the connections of an account without a word. Returns how many there were.
    pub fn drop_connection(&self, pn: &str) -> usize {
        let outboxes = self.outboxes(pn);
        outboxes.iter().for_each(Outbox::cut);
        outboxes.len()
    }

    /// Ends the connections of an account as if its devices had logged in elsewhere.
    pub fn replace(&self, pn: &str) -> usize {
        let outboxes = self.outboxes(pn);
        for outbox in &outboxes {
            outbox.send(replaced());
            outbox.close();
        }
        outboxes.len()
    }

    /// Sends a stanza to a device as it is, now or never. Returns whether the device is connected.
    pub fn push(&self, pn: &str, device: u16, stanza: Node) -> bool {
        let state = self.shared.state();
        let companion = state.companion(&Address::new(pn, device));
        let connection = companion.and_then(|companion| companion.connection.as_ref());
        connection.inspect(|(_, outbox)| outbox.send(stanza)).is_some()
    }

    /// How long `wait_for` and the like wait: 30 s at first.
    pub fn set_deadline(&self, deadline: Duration) {
        self.shared.state().deadline = deadline;
    }

    fn outboxes(&self, pn: &str) -> Vec<Outbox> {
        let state = self.shared.state();
        let companions = state.accounts.get(pn).into_iter().flat_map(|account| account.companions.values());
        companions.filter_map(|companion| companion.connection.as_ref()).map(|(_, outbox)| outbox.clone()).collect()
    }

    pub(crate) fn account_mut(&self, pn: &str, change: impl FnOnce(&mut Account)) {
        change(self.shared.state().accounts.get_mut(pn).expect("the phone has been added"));
    }
}
