//! What a test can see, and wait for.

use std::pin::pin;

use wacore_binary::Node;

use crate::address::Address;
use crate::{Arrival, BrokenFile, Delivery, FakeWhatsApp, NumberCheck, Receipt, Signal, Undecryptable};

impl FakeWhatsApp {
    /// Every message that phones have received, in order. One that came twice is here twice.
    pub fn inbox(&self) -> Vec<Delivery> {
        self.shared.look().records.deliveries.clone()
    }

    /// What the phone of this number has received from other users, as `inbox` has it.
    pub fn inbox_of(&self, pn: &str) -> Vec<Delivery> {
        let state = self.shared.look();
        let deliveries = state.records.deliveries.iter();
        deliveries.filter(|delivery| delivery.to == pn && delivery.from != pn).cloned().collect()
    }

    /// What phones have received and couldn't decrypt.
    pub fn undecryptable(&self) -> Vec<Undecryptable> {
        self.shared.look().records.undecryptable.clone()
    }

    /// The files that phones were sent and that are not what was said of them.
    pub fn broken_files(&self) -> Vec<BrokenFile> {
        self.shared.look().records.broken_files.clone()
    }

    /// Every message that has come in at the server, in order, whatever became of it.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.look().records.arrivals.clone()
    }

    /// How often a message has come in at the server.
    pub fn times_arrived(&self, id: &str) -> usize {
        self.shared.look().records.arrivals.iter().filter(|arrival| arrival.id == id).count()
    }

    /// How often the phone of this number has received a message.
    pub fn times_delivered(&self, to: &str, id: &str) -> usize {
        let state = self.shared.look();
        state.records.deliveries.iter().filter(|delivery| delivery.to == to && delivery.id == id).count()
    }

    /// Every question which numbers are on WhatsApp.
    pub fn number_checks(&self) -> Vec<NumberCheck> {
        self.shared.look().records.number_checks.clone()
    }

    /// The receipts that companions have sent.
    pub fn receipts(&self) -> Vec<Receipt> {
        self.shared.look().records.receipts.clone()
    }

    /// The signs of life (typing, presence) that companions have sent.
    pub fn signals(&self) -> Vec<Signal> {
        self.shared.look().records.signals.clone()
    }

    /// The devices that are linked to this account, in the order in which they were.
    pub fn devices(&self, pn: &str) -> Vec<u16> {
        let state = self.shared.look();
        state.companions_of(pn).into_iter().map(|companion| companion.device).collect()
    }

    /// How many connections are open on which this account is logged in.
    pub fn connections(&self, pn: &str) -> usize {
        let state = self.shared.look();
        let logins = state.connections.values().filter_map(|connection| connection.login.as_ref());
        logins.filter(|login| login.pn == pn).count()
    }

    /// How many connections are open, with those that aren't logged in.
    pub fn open_connections(&self) -> usize {
        self.shared.look().connections.len()
    }

    /// How many connections there have been, with those that ended before anybody logged in.
    pub fn visits(&self) -> usize {
        self.shared.look().visits
    }

    /// How many clients wait to be linked.
    pub fn pairings(&self) -> usize {
        let state = self.shared.look();
        let open = state.connections.values().filter(|connection| connection.login.is_none());
        open.filter(|connection| connection.outbox.is_some()).count()
    }

    /// How often devices of this account have logged in.
    pub fn logins(&self, pn: &str) -> usize {
        self.shared.look().accounts.get(pn).map_or(0, |account| account.logins)
    }

    /// How many of these logins took the short handshake (IK), the client knowing the server's key.
    pub fn resumptions(&self, pn: &str) -> usize {
        self.shared.look().accounts.get(pn).map_or(0, |account| account.resumptions)
    }

    /// Whether a device is connected and receives what is sent to it.
    pub fn is_active(&self, pn: &str, device: u16) -> bool {
        self.shared.look().companion(&Address::new(pn, device)).is_some_and(|companion| companion.is_active)
    }

    /// The stanzas that a device hasn't acknowledged yet.
    pub fn unacknowledged(&self, pn: &str, device: u16) -> Vec<Node> {
        let state = self.shared.look();
        state.companion(&Address::new(pn, device)).map(|companion| companion.backlog()).unwrap_or_default()
    }

    /// Waits until the condition gives something. Panics with what was waited for when the deadline
    /// has passed.
    pub async fn wait_for<T>(&self, what: &str, mut condition: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = self.shared.look().deadline;
        let waiting = async {
            loop {
                // Ready to be woken before looking, so that no change slips through between the two.
                let mut changed = pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                if let Some(found) = condition(self) {
                    return found;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(deadline, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("waited {deadline:?} in vain: {what}; {}", self.summary()),
        }
    }

    /// Waits for a message at a phone.
    pub async fn wait_for_delivery(&self, what: &str, mut is_it: impl FnMut(&Delivery) -> bool) -> Delivery {
        self.wait_for(what, |fake| fake.shared.look().records.deliveries.iter().find(|it| is_it(it)).cloned()).await
    }

    /// Waits for a message at the server.
    pub async fn wait_for_arrival(&self, what: &str, mut is_it: impl FnMut(&Arrival) -> bool) -> Arrival {
        self.wait_for(what, |fake| fake.shared.look().records.arrivals.iter().find(|it| is_it(it)).cloned()).await
    }

    /// Waits for a receipt of a companion.
    pub async fn wait_for_receipt(&self, what: &str, mut is_it: impl FnMut(&Receipt) -> bool) -> Receipt {
        self.wait_for(what, |fake| fake.shared.look().records.receipts.iter().find(|it| is_it(it)).cloned()).await
    }

    /// Waits for a sign of life of a companion.
    pub async fn wait_for_signal(&self, what: &str, mut is_it: impl FnMut(&Signal) -> bool) -> Signal {
        self.wait_for(what, |fake| fake.shared.look().records.signals.iter().find(|it| is_it(it)).cloned()).await
    }

    /// Waits until a device of this account is connected and receives what is sent to it. Returns the device.
    pub async fn wait_for_active(&self, pn: &str) -> u16 {
        let what = format!("a device of {pn} is active");
        self.wait_for(&what, |fake| fake.devices(pn).into_iter().find(|device| fake.is_active(pn, *device))).await
    }

    /// Waits until this many connections of the account are open.
    pub async fn wait_for_connections(&self, pn: &str, count: usize) {
        let what = format!("{count} connections of {pn}");
        self.wait_for(&what, |fake| (fake.connections(pn) == count).then_some(())).await;
    }

    fn summary(&self) -> String {
        let state = self.shared.look();
        let logins: Vec<String> =
            state.connections.values().filter_map(|open| Some(open.login.as_ref()?.to_string())).collect();
        let records = &state.records;
        format!(
            "{} messages arrived, {} were delivered to phones, {} undecryptable, {} broken files, {} receipts; {} connections, logged in: {logins:?}",
            records.arrivals.len(),
            records.deliveries.len(),
            records.undecryptable.len(),
            records.broken_files.len(),
            records.receipts.len(),
            state.connections.len(),
        )
    }
}
