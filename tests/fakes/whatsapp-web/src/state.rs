//! What the server knows: the pages that came, the accounts they are linked to, what waits for them,
//! and what they did.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::file::{Contents, File};
use crate::{Behaviour, Composing, Page, Sent};

/// The LID of a number, with its server. The real ones have nothing to do with the number either.
pub fn lid_of(phone: &str) -> String {
    format!("88{}@lid", phone.chars().rev().collect::<String>())
}

pub(crate) fn number_of(phone: &str) -> String {
    format!("{phone}@c.us")
}

/// The number, or the group, behind a page's address. LIDs are turned back.
pub(crate) fn behind(address: &str) -> String {
    match address.split_once('@') {
        Some((digits, "lid")) => digits.strip_prefix("88").unwrap_or(digits).chars().rev().collect(),
        Some((digits, "c.us")) => digits.to_owned(),
        _ => address.to_owned(),
    }
}

/// A page: one profile of a browser.
#[derive(Default)]
pub(crate) struct Device {
    /// The number of the account it is linked to.
    pub(crate) account: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) code: Option<String>,
    /// What is kept until the page has stored it.
    queue: VecDeque<Value>,
    last: u64,
    line: Option<UnboundedSender<Value>>,
    pub(crate) is_online: bool,
    /// Chats whose presence it asked for.
    pub(crate) subscribed: HashSet<String>,
}

impl Device {
    /// An order that is lost if the page is away. Whether it went out.
    pub(crate) fn order(&self, order: Value) -> bool {
        self.line.as_ref().is_some_and(|line| line.send(order).is_ok())
    }

    /// An order that waits for the page.
    pub(crate) fn keep(&mut self, mut order: Value) {
        self.last += 1;
        order["seq"] = json!(self.last);
        self.queue.push_back(order.clone());
        self.order(order);
    }

    pub(crate) fn got(&mut self, seq: u64) {
        self.queue.retain(|order| order["seq"].as_u64() > Some(seq));
    }

    pub(crate) fn has_all(&self) -> bool {
        self.queue.is_empty()
    }

    /// The page listens anew: first it hears what waited.
    pub(crate) fn connect(&mut self, line: UnboundedSender<Value>) {
        for order in &self.queue {
            if line.send(order.clone()).is_err() {
                return;
            }
        }
        self.line = Some(line);
    }

    pub(crate) fn hang_up(&mut self) {
        self.line = None;
        self.is_online = false;
    }
}

pub(crate) struct Group {
    pub(crate) subject: String,
    /// Numbers.
    pub(crate) members: BTreeSet<String>,
}

/// A message that a recipient has, and not read yet.
pub(crate) struct Unread {
    pub(crate) account: String,
    pub(crate) key: String,
    pub(crate) group: Option<String>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) page: Page,
    pub(crate) is_migrated: bool,
    pub(crate) is_refusing: bool,
    pub(crate) names: HashMap<String, String>,
    pub(crate) devices: HashMap<String, Device>,
    pub(crate) groups: HashMap<String, Group>,
    pub(crate) behaviours: HashMap<String, Behaviour>,
    pub(crate) sent: HashMap<String, Vec<Sent>>,
    /// Numbers whose messages wait in vain, with account and key.
    pub(crate) late: Vec<(String, String, String)>,
    pub(crate) unread: HashMap<String, Vec<Unread>>,
    /// Members who have a group's message, by its key.
    pub(crate) delivered: HashMap<String, BTreeSet<String>>,
    pub(crate) read: HashMap<String, Vec<String>>,
    pub(crate) composing: HashMap<String, Vec<Composing>>,
    pub(crate) contents: Contents,
    pub(crate) violations: Vec<String>,
    pub(crate) strays: Vec<String>,
    pub(crate) count: u64,
}

impl State {
    pub(crate) fn behaviour(&self, phone: &str) -> Behaviour {
        self.behaviours.get(phone).copied().unwrap_or_default()
    }

    /// The page's address of a person.
    pub(crate) fn address(&self, phone: &str) -> String {
        if self.is_migrated { lid_of(phone) } else { number_of(phone) }
    }

    pub(crate) fn device_of(&mut self, account: &str) -> Option<&mut Device> {
        self.devices.values_mut().find(|device| device.account.as_deref() == Some(account))
    }

    pub(crate) fn next_key(&mut self) -> String {
        self.count += 1;
        format!("3EB0FA4E{:014X}", self.count)
    }

    /// The groups of an account, as its page is told of them.
    pub(crate) fn groups_of(&self, account: &str) -> Vec<Value> {
        let mine = self.groups.iter().filter(|(_, group)| group.members.contains(account));
        mine.map(|(id, group)| json!({ "id": id, "subject": group.subject, "isMember": true })).collect()
    }

    /// LIDs with their numbers, as far as a page has heard of them.
    pub(crate) fn known(&self) -> Vec<[String; 2]> {
        self.names.keys().map(|phone| [lid_of(phone), number_of(phone)]).collect()
    }

    /// A phone links the page that `is` tells. Whether there is one, and the phone may.
    pub(crate) fn link(&mut self, phone: &str, name: &str, is: impl Fn(&Device) -> bool) -> bool {
        let found = self.devices.values_mut().find(|device| device.account.is_none() && is(device));
        let Some(device) = found.filter(|_| !self.is_refusing) else { return false };
        device.account = Some(phone.to_owned());
        (device.reference, device.code) = (None, None);
        let me = json!({ "number": number_of(phone), "lid": lid_of(phone), "name": name });
        device.order(json!({ "op": "scan", "me": me }));
        self.names.insert(phone.to_owned(), name.to_owned());
        true
    }

    /// A message for a page comes in.
    pub(crate) fn deliver(
        &mut self,
        account: &str,
        chat: &str,
        author: Option<&str>,
        is_own: bool,
        text: &str,
        file: Option<&File>,
    ) -> String {
        let key = self.next_key();
        let told = file.map(|file| file.told(&self.contents.keep(file.content.clone()), text));
        let writer = if is_own { account } else { author.unwrap_or(chat) };
        let name = self.names.get(writer).cloned();
        let other = if chat.ends_with("@g.us") { writer } else { chat };
        let order = json!({
            "op": "message", "key": key, "fromMe": is_own, "text": text, "t": unix_seconds(), "name": name,
            "type": file.map_or("chat", |file| &file.kind), "file": told,
            "chat": if chat.ends_with("@g.us") { chat.to_owned() } else { self.address(chat) },
            "author": chat.ends_with("@g.us").then(|| lid_of(writer)),
            "lid": lid_of(other), "number": number_of(other),
        });
        if let Some(device) = self.device_of(account) {
            device.keep(order);
        }
        key
    }

    /// A page sends. The answer goes the way that receipts go, before them.
    pub(crate) fn take(&mut self, account: &str, message: Sent) {
        let (key, to) = (message.key.clone(), message.to.clone());
        let sent = self.sent.entry(account.to_owned()).or_default();
        let earlier = sent.iter_mut().find(|one| one.key == key);
        let is_first = earlier.is_none();
        match earlier {
            Some(earlier) => earlier.attempts += 1,
            None => sent.push(message),
        }
        match self.behaviour(&to) {
            Behaviour::NoAnswer => {}
            Behaviour::LateAck => self.late.push((to, account.to_owned(), key)),
            Behaviour::Refuse => self.answer(account, &key, -1),
            _ => {
                self.answer(account, &key, 1);
                if is_first {
                    self.arrive(account, &key, &to);
                }
            }
        }
    }

    pub(crate) fn answer(&mut self, account: &str, key: &str, ack: i64) {
        if let Some(device) = self.device_of(account) {
            device.keep(json!({ "op": "answer", "key": key, "ack": ack }));
        }
    }

    /// A message reaches those it is for. Their receipts come from LIDs.
    pub(crate) fn arrive(&mut self, account: &str, key: &str, to: &str) {
        let people = match self.groups.get(to) {
            Some(group) => group.members.iter().filter(|member| *member != account).cloned().collect(),
            None => vec![to.to_owned()],
        };
        let group = to.ends_with("@g.us").then(|| to.to_owned());
        for phone in people {
            self.receipt(account, key, &phone, group.as_deref(), 2);
            let unread = Unread { account: account.to_owned(), key: key.to_owned(), group: group.clone() };
            self.unread.entry(phone).or_default().push(unread);
        }
    }

    pub(crate) fn receipt(&mut self, account: &str, key: &str, from: &str, group: Option<&str>, ack: i64) {
        let member = group.map(|_| lid_of(from));
        let chat = group.map_or_else(|| lid_of(from), str::to_owned);
        let mut orders = vec![json!({ "op": "receipt", "key": key, "ack": ack, "chat": chat, "member": member })];
        if let Some(members) = group.and_then(|id| self.groups.get(id)).map(|group| group.members.len() - 1) {
            let have = self.delivered.entry(format!("{key} {ack}")).or_default();
            have.insert(from.to_owned());
            if have.len() == members {
                orders.push(json!({ "op": "raise", "key": key, "ack": ack }));
            }
        }
        for order in orders {
            if let Some(device) = self.device_of(account) {
                device.keep(order);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the program's clock may be turned by a test; WhatsApp's isn't")]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
