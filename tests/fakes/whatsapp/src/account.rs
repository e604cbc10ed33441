//! The server's books on one user: the phone, the linked devices, and who has to do with the user.

use std::collections::{BTreeMap, HashSet, VecDeque};

use wacore_binary::{Jid, Node};
use waproto::whatsapp as wa;

use crate::bundle::{Bundle, OneTimeKey};
use crate::outbox::Outbox;
use crate::phone::Phone;
use crate::stanza::attr;

pub(crate) struct Account {
    pub(crate) pn: String,
    pub(crate) lid: String,
    pub(crate) name: String,
    pub(crate) phone: Phone,
    pub(crate) companions: BTreeMap<u16, Companion>,
    pub(crate) next_device: u16,
    /// The chats that the phone sends to the next device it links.
    pub(crate) history: Option<Vec<wa::Conversation>>,
    /// Whether the next link is told that the account uses LIDs.
    pub(crate) is_lid_migrated: bool,
    /// Whether linking takes a passkey.
    pub(crate) wants_passkey: bool,
    /// Who has written to this user.
    pub(crate) heard_from: HashSet<String>,
    /// Who has asked for the devices of this user, and is told when they change.
    pub(crate) watchers: HashSet<String>,
    /// How often a companion of this user has logged in.
    pub(crate) logins: usize,
    /// How many of these logins took the short handshake.
    pub(crate) resumptions: usize,
}

impl Account {
    pub(crate) fn new(pn: &str, lid: &str, name: &str) -> Self {
        Self {
            pn: pn.to_owned(),
            lid: lid.to_owned(),
            name: name.to_owned(),
            phone: Phone::new(),
            companions: BTreeMap::new(),
            next_device: 1,
            history: None,
            is_lid_migrated: false,
            wants_passkey: false,
            heard_from: HashSet::new(),
            watchers: HashSet::new(),
            logins: 0,
            resumptions: 0,
        }
    }

    /// The address of one of the devices, as phone number or as LID.
    pub(crate) fn jid(&self, device: u16, is_lid: bool) -> Jid {
        if is_lid { Jid::lid_device(self.lid.as_str(), device) } else { Jid::pn_device(self.pn.as_str(), device) }
    }

    pub(crate) fn key_index_list(&self) -> Vec<u8> {
        self.phone.key_index_list(self.companions.values().map(|companion| companion.key_index))
    }
}

/// A linked device.
pub(crate) struct Companion {
    pub(crate) noise_key: [u8; 32],
    pub(crate) bundle: Bundle,
    pub(crate) one_time: VecDeque<OneTimeKey>,
    pub(crate) key_index: u32,
    /// Whether this device is addressed, and told of others, by LID.
    pub(crate) is_lid_migrated: bool,
    /// The connection that is logged in, by its number.
    pub(crate) connection: Option<(u64, Outbox)>,
    /// Whether the device has asked for its stanzas; until then they are only queued.
    pub(crate) is_active: bool,
    /// Whether the phone has sent what a new device gets from it.
    pub(crate) is_greeted: bool,
    queue: Vec<Node>,
}

impl Companion {
    pub(crate) fn new(noise_key: [u8; 32], bundle: Bundle, key_index: u32, is_lid_migrated: bool) -> Self {
        Self {
            noise_key,
            bundle,
            one_time: VecDeque::new(),
            key_index,
            is_lid_migrated,
            connection: None,
            is_active: false,
            is_greeted: false,
            queue: Vec::new(),
        }
    }

    /// Sends a stanza now or at the next login, and again until it is acknowledged: at least once.
    pub(crate) fn deliver(&mut self, stanza: Node) {
        self.mention(&stanza);
        self.queue.push(stanza);
    }

    /// Sends a stanza that is worth nothing later: now or never.
    pub(crate) fn mention(&self, stanza: &Node) {
        if let (Some((_, outbox)), true) = (&self.connection, self.is_active) {
            outbox.send(stanza.clone());
        }
    }

    /// What the device hasn't acknowledged.
    pub(crate) fn backlog(&self) -> Vec<Node> {
        self.queue.clone()
    }

    /// Forgets the stanzas that an acknowledgement is about. A message's names no kind; one message
    /// may have several receipts, each of its own kind and from its own sender.
    pub(crate) fn acknowledge(&mut self, ack: &Node) {
        let class = attr(ack, "class").unwrap_or_default();
        self.queue.retain(|stanza| {
            let is_same = |own: &str, echoed: &str| attr(stanza, own) == attr(ack, echoed);
            let is_meant = stanza.tag == class
                && is_same("id", "id")
                && (class != "receipt"
                    || (is_same("type", "type") && is_same("from", "to") && is_same("participant", "participant")));
            !is_meant
        });
    }

    /// Forgets a message that the device has answered with a receipt.
    pub(crate) fn settle(&mut self, id: &str) {
        self.queue.retain(|stanza| stanza.tag != "message" || attr(stanza, "id").as_deref() != Some(id));
    }

    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
        self.is_active = false;
    }
}
