//! What a test chooses, and what it's told.

use crate::File;

/// What happens to a message for somebody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// The server takes it and it arrives at once. It is read when [`crate::Person::reads`] says so.
    #[default]
    Normal,
    /// The server takes it and never answers.
    NoAnswer,
    /// The server refuses it: its ack is -1.
    Refuse,
    /// The server takes it, and answers at [`crate::FakeWeb::release`].
    LateAck,
    /// The number has no account.
    NotOnWhatsApp,
    /// Whether the number has an account can't be found out.
    LookupFails,
    /// The number has an account and no LID: a page that needs one can't send.
    NoLid,
}

/// What is served under the address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Page {
    /// WhatsApp Web.
    #[default]
    Normal,
    /// A page without anything that wa-js knows.
    Unsupported,
    /// Nothing, for ever.
    Silent,
}

/// What becomes of the contents that pages upload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Uploading {
    /// They are taken.
    #[default]
    Normal,
    /// They are refused.
    Refuse,
    /// The connection ends in the middle.
    Cut,
    /// They are taken at the next change of this.
    Late,
}

/// A message that a page sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its bare id.
    pub key: String,
    /// A number, or a group.
    pub to: String,
    /// What it says; with a file, its caption.
    pub text: String,
    /// What came with it.
    pub file: Option<File>,
    /// How the page names itself in a group.
    pub participant: Option<String>,
    /// How often it came. All but the first were dropped.
    pub attempts: u32,
}

/// A page said that its user writes, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composing {
    /// A number, or a group.
    pub chat: String,
    /// Whether they write.
    pub on: bool,
}
