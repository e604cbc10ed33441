//! Everything the server knows, behind one lock that is never held across an await.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use wacore_binary::{Jid, Node};

use crate::account::{Account, Companion};
use crate::address::Address;
use crate::bundle::Bundle;
use crate::clock::unix_seconds;
use crate::fault::Faults;
use crate::group::Group;
use crate::media::Media;
use crate::outbox::Outbox;
use crate::pairing::Linking;
use crate::record::Records;
use crate::stanza::{SERVER, element, leaf};

pub(crate) struct State {
    pub(crate) accounts: BTreeMap<String, Account>,
    /// The groups by id.
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) linking: Linking,
    pub(crate) media: Media,
    pub(crate) faults: Faults,
    pub(crate) records: Records,
    /// How many codes a client is given that waits to be linked.
    pub(crate) qr_refs: usize,
    /// Whether phones share their app state key with new devices, as real ones do.
    pub(crate) is_sharing_keys: bool,
    /// How long a test waits for something.
    pub(crate) deadline: Duration,
    /// The open connections by number.
    pub(crate) connections: BTreeMap<u64, Connection>,
    /// How many connections there have been.
    pub(crate) visits: usize,
    lids: HashMap<String, String>,
    sequence: u64,
}

/// A WebSocket connection.
#[derive(Default)]
pub(crate) struct Connection {
    /// Who has logged in on it.
    pub(crate) login: Option<Address>,
    /// The other end of it, once the handshake is over.
    pub(crate) outbox: Option<Outbox>,
}

/// What has happened to a device of a user.
#[derive(Clone, Copy)]
pub(crate) enum DeviceChange {
    Added { key_index: u32 },
    Removed,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            accounts: BTreeMap::new(),
            groups: BTreeMap::new(),
            linking: Linking::default(),
            media: Media::new(),
            faults: Faults::default(),
            records: Records::default(),
            qr_refs: 6,
            visits: 0,
            is_sharing_keys: true,
            deadline: Duration::from_secs(30),
            connections: BTreeMap::new(),
            lids: HashMap::new(),
            sequence: 0,
        }
    }

    pub(crate) fn add_account(&mut self, pn: &str, lid: &str, name: &str) {
        self.lids.insert(lid.to_owned(), pn.to_owned());
        self.accounts.insert(pn.to_owned(), Account::new(pn, lid, name));
    }

    /// A number that nothing else has.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// The id of a stanza of the server's.
    pub(crate) fn next_id(&mut self) -> String {
        format!("fake-{}", self.next_number())
    }

    /// The user whom an address names, by phone number or by LID.
    pub(crate) fn account(&self, jid: &Jid) -> Option<&Account> {
        let user = jid.user.as_str();
        if jid.is_lid() {
            return self.accounts.get(self.lids.get(user)?);
        }
        if jid.is_pn() { self.accounts.get(user) } else { None }
    }

    pub(crate) fn pn_of(&self, jid: &Jid) -> Option<String> {
        self.account(jid).map(|account| account.pn.clone())
    }

    /// The phone number of a user, or the address itself if it names none.
    pub(crate) fn name_of(&self, jid: &Jid) -> String {
        self.pn_of(jid).unwrap_or_else(|| jid.to_string())
    }

    pub(crate) fn companion(&self, address: &Address) -> Option<&Companion> {
        self.accounts.get(&address.pn)?.companions.get(&address.device)
    }

    pub(crate) fn companion_mut(&mut self, address: &Address) -> Option<&mut Companion> {
        self.accounts.get_mut(&address.pn)?.companions.get_mut(&address.device)
    }

    pub(crate) fn companions_of(&self, pn: &str) -> Vec<Address> {
        let devices = self.accounts.get(pn).into_iter().flat_map(|account| account.companions.keys());
        devices.map(|device| Address::new(pn, *device)).collect()
    }

    /// Hands a stanza to a device; to one that isn't linked any more, it is lost.
    pub(crate) fn deliver(&mut self, to: &Address, stanza: Node) {
        if let Some(companion) = self.companion_mut(to) {
            companion.deliver(stanza);
        }
    }

    /// The address of a device, as phone number or as LID.
    pub(crate) fn jid(&self, address: &Address, is_lid: bool) -> Jid {
        match self.accounts.get(&address.pn) {
            Some(account) => account.jid(address.device, is_lid),
            None => Jid::pn_device(address.pn.as_str(), address.device),
        }
    }

    /// A device's bundle, with a one-time key that nobody gets again.
    pub(crate) fn take_bundle(&mut self, address: &Address) -> Option<Bundle> {
        if address.is_phone() {
            return Some(self.accounts.get_mut(&address.pn)?.phone.bundle());
        }
        let companion = self.companion_mut(address)?;
        let one_time = companion.one_time.pop_front();
        Some(Bundle { one_time, ..companion.bundle.clone() })
    }

    pub(crate) fn remove_companion(&mut self, address: &Address) -> Option<Companion> {
        let companion = self.accounts.get_mut(&address.pn)?.companions.remove(&address.device)?;
        self.announce(address, DeviceChange::Removed);
        Some(companion)
    }

    /// Tells those who know the devices of a user that there is one more or one less.
    pub(crate) fn announce(&mut self, address: &Address, change: DeviceChange) {
        let id = self.next_id();
        let Some(account) = self.accounts.get(&address.pn) else { return };
        let device = element("device").attr("jid", account.jid(address.device, false));
        let now = unix_seconds();
        let change = match change {
            DeviceChange::Added { key_index } => {
                let list = element("key-index-list").attr("ts", now).bytes(account.key_index_list()).build();
                element("add").children([device.attr("key-index", key_index).build(), list])
            }
            DeviceChange::Removed => {
                element("remove").children([device.build(), element("key-index-list").attr("ts", now).build()])
            }
        };
        let notification = element("notification")
            .attr("from", account.jid(0, false))
            .attr("lid", account.jid(0, true))
            .attr("type", "devices")
            .attr("id", id)
            .attr("t", now)
            .children([change.build()])
            .build();
        let watchers = account.watchers.clone();
        let watchers: Vec<_> = watchers.iter().flat_map(|pn| self.companions_of(pn)).collect();
        for watcher in watchers.into_iter().filter(|watcher| watcher != address) {
            self.deliver(&watcher, notification.clone());
        }
    }

    /// The server's demand for a passkey, as it reaches a client that is being linked.
    pub(crate) fn passkey_demand(&mut self) -> Node {
        let options = br#"{"challenge":"ZmFrZS1jaGFsbGVuZ2U","rpId":"whatsapp.com","timeout":60000}"#;
        element("notification")
            .attr("from", SERVER)
            .attr("type", "passkey_prologue_request")
            .attr("id", self.next_id())
            .attr("t", unix_seconds())
            .children([leaf("passkey_request_options", options.to_vec())])
            .build()
    }
}
