//! A simulated account from the messenger's side: what tests, and faults, make happen there.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use entity::ids::AccountId;
use tokio::sync::Notify;

use super::config::Fault;
use super::locked;
use crate::gateway::{Attachment, GatewayEvent, Letter, Mail, Reports};
use crate::store::message::Receipt;

/// Files that the people of an account have at most.
const FILES: usize = 100;

/// One simulated account, from the messenger's side.
pub struct Stage {
    pub(super) faults: Mutex<VecDeque<Fault>>,
    pub(super) number: Mutex<String>,
    pub(super) scanned: Notify,
    pub(super) is_up: AtomicBool,
    /// The next connection says nothing.
    pub(super) is_mute: AtomicBool,
    /// The next connection to be closed never is.
    pub(super) is_stuck: AtomicBool,
    pub(super) reports: Mutex<Option<Reports>>,
    pub(super) read: Mutex<Vec<String>>,
    /// The files that people have, the last of them last.
    files: Mutex<VecDeque<Attachment>>,
}

impl Stage {
    pub(super) fn new(account: AccountId, faults: VecDeque<Fault>) -> Self {
        // A number of its own for each account, in the range that Kyrgyzstan does not assign.
        let digits: String = account.to_string().bytes().rev().take(7).map(|b| char::from(b'0' + b % 10)).collect();
        Self {
            faults: Mutex::new(faults),
            number: Mutex::new(format!("99600{digits}")),
            scanned: Notify::new(),
            is_up: AtomicBool::new(false),
            is_mute: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            reports: Mutex::new(None),
            read: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// Scans the code that is shown.
    pub fn scan(&self) {
        self.scanned.notify_one();
    }

    /// Lets the next sends end so, one each.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        locked(&self.faults).extend(faults);
    }

    /// Which number pairs next.
    pub fn pair_as(&self, number: &str) {
        number.clone_into(&mut locked(&self.number));
    }

    /// Cuts the connection.
    pub fn cut(&self) {
        self.is_up.store(false, Ordering::Relaxed);
        self.report(GatewayEvent::Dropped { reason: "the simulated connection was cut".to_owned() });
    }

    /// Stops answering without a word, as a half-open connection does.
    pub fn go_silent(&self) {
        self.is_up.store(false, Ordering::Relaxed);
    }

    /// Lets the next connection be opened and say nothing of how it gets on.
    pub fn mute_next(&self) {
        self.is_mute.store(true, Ordering::Relaxed);
    }

    /// Lets the closing of the connection never come to an end.
    pub fn stick(&self) {
        self.is_stuck.store(true, Ordering::Relaxed);
    }

    /// Whether the connection is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Logs the account out, as a person does on the phone.
    pub fn log_out(&self) {
        self.is_up.store(false, Ordering::Relaxed);
        let reason = "the account was logged out on the phone".to_owned();
        self.report(GatewayEvent::LoggedOut { code: "logged_out", reason });
    }

    /// Somebody writes to the account, or its owner does on the phone.
    pub fn write(&self, letter: Letter) {
        self.report(GatewayEvent::Messages(Mail { messages: vec![letter], position: None }));
    }

    /// Somebody has a file, which can be fetched by its id; the oldest of too many is forgotten.
    pub fn keep(&self, file: Attachment) {
        let mut files = locked(&self.files);
        files.retain(|other| other.id != file.id);
        if files.len() >= FILES {
            files.pop_front();
        }
        files.push_back(file);
    }

    /// Nobody has any file any more.
    pub fn lose_files(&self) {
        locked(&self.files).clear();
    }

    pub(super) fn file(&self, id: &str) -> Option<Attachment> {
        locked(&self.files).iter().find(|file| file.id.to_string() == id).cloned()
    }

    /// The messenger says how far messages got.
    pub fn receipts(&self, receipts: Vec<Receipt>) {
        self.report(GatewayEvent::Receipts(receipts));
    }

    /// The messenger says what it calls its chats: id and name.
    pub fn names(&self, names: &[(&str, &str)]) {
        let names = names.iter().map(|(chat, name)| ((*chat).to_owned(), (*name).to_owned()));
        self.report(GatewayEvent::Names(names.collect()));
    }

    /// Somebody types in a chat, or has stopped.
    pub fn types(&self, chat: &str, is_typing: bool) {
        let (chat, participant) = (chat.to_owned(), chat.to_owned());
        self.report(GatewayEvent::Typing { chat, is_typing, participant });
    }

    /// The messages, by the messenger's ids, that the other side has seen to be read.
    #[must_use]
    pub fn seen_as_read(&self) -> Vec<String> {
        locked(&self.read).clone()
    }

    fn report(&self, event: GatewayEvent) {
        let reports = locked(&self.reports).clone();
        if reports.is_some_and(|reports| !reports.try_send(event)) {
            tracing::warn!("a simulated account says more than anybody can write down");
        }
    }
}
