//! What the fake has seen, for tests to look at. Nothing is merged or left out: a test that looks for
//! doubles finds them here.

use waproto::whatsapp as wa;

use crate::file::File;

/// A message that a phone has received and decrypted.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The number of the phone.
    pub to: String,
    /// The number of the account whose companion sent it. The own phone gets a copy of what its
    /// companions send; there both numbers are the same.
    pub from: String,
    /// The companion that sent it.
    pub device: u16,
    /// The message's id.
    pub id: String,
    /// The address of the group it was sent to, if it was.
    pub group: Option<String>,
    /// The number of the sender key with which it was encrypted, as most messages to groups are. The
    /// next one has the same number if it was with the same key.
    pub sender_key: Option<u32>,
    /// Whether it is a message between the devices of one account, not one that people see.
    pub is_peer: bool,
    /// What was in it.
    pub message: wa::Message,
    /// The file that came with it, downloaded and decrypted. The copy for the own phone has none.
    pub file: Option<File>,
}

impl Delivery {
    /// The text of the message, if it is one of text; of a copy for the own phone, of what it is a copy of.
    pub fn text(&self) -> Option<&str> {
        let copied = self.message.device_sent_message.as_option().and_then(|sent| sent.message.as_option());
        let message = copied.unwrap_or(&self.message);
        let extended = || message.extended_text_message.as_option().and_then(|extended| extended.text.as_deref());
        message.conversation.as_deref().or_else(extended)
    }
}

/// A message that a phone received and couldn't decrypt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecryptable {
    /// The number of the phone.
    pub to: String,
    /// The number of the account whose companion sent it.
    pub from: String,
    /// The message's id.
    pub id: String,
    /// Why it couldn't.
    pub error: String,
}

/// A file that a phone was sent and that is not what the message says, or is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenFile {
    /// The number of the phone.
    pub to: String,
    /// The message's id.
    pub id: String,
    /// What is wrong with it.
    pub error: String,
}

/// A file that a client has uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it was uploaded as: `image`, `video`, `audio` or `document`.
    pub kind: String,
    /// How many bytes it has, encrypted.
    pub size: usize,
}

/// A message that has come in at the server, whatever became of it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The number of the account that sent it.
    pub from: String,
    /// The companion that sent it.
    pub device: u16,
    /// The number it is for, or the address if it is for a group or nobody.
    pub to: String,
    /// The message's id.
    pub id: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a message at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was passed on.
    Routed,
    /// It was refused with this code.
    Refused(u16),
    /// It was read and thrown away.
    Dropped,
    /// The connection was cut before it was passed on.
    CutBeforeRouting,
    /// The connection was cut after it was passed on.
    CutAfterRouting,
}

/// A question which numbers are on WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberCheck {
    /// The number of the account that asked.
    pub by: String,
    /// The numbers it asked about, digits only.
    pub numbers: Vec<String>,
}

/// A receipt that a companion has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The number of the account that sent it.
    pub from: String,
    /// The companion that sent it.
    pub device: u16,
    /// The number of the user whose message it is about.
    pub to: String,
    /// The address of the group, if the message was sent to one.
    pub group: Option<String>,
    /// `delivered`, or what the client called it: `inactive` (delivered while the app is in the
    /// background), `read`, `read-self`, `played`, `sender`, `retry`, `hist_sync`, `peer_msg`.
    pub kind: String,
    /// The messages it is about.
    pub ids: Vec<String>,
}

/// A passing sign of life that a companion has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The number of the account that sent it.
    pub from: String,
    /// The companion that sent it.
    pub device: u16,
    /// Which sign.
    pub kind: SignalKind,
}

/// Which sign of life. Recipients are phone numbers, or addresses of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalKind {
    /// Writes to this user.
    Typing(String),
    /// Records a voice message for this user.
    Recording(String),
    /// Has stopped writing or recording.
    Paused(String),
    /// Is online.
    Available,
    /// Isn't any more.
    Unavailable,
    /// Wants to know when this user is online.
    Subscribed(String),
}

#[derive(Default)]
pub(crate) struct Records {
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) undecryptable: Vec<Undecryptable>,
    pub(crate) broken_files: Vec<BrokenFile>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) number_checks: Vec<NumberCheck>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) signals: Vec<Signal>,
}
