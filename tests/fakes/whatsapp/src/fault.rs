//! The faults that a test has asked for: logins that are refused, messages that are refused, lost or
//! left without an answer, connections that break.

use std::collections::{HashMap, HashSet};

use wacore_binary::Node;

use crate::outbox::Outbox;
use crate::stanza::element;

/// Why a login is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 402: the account is banned for a time.
    TemporaryBan {
        /// Why: 101 (sent to too many people), 102 (blocked by users), 103 (created too many groups),
        /// 104 (sent too many of the same message), 106 (broadcast list).
        code: u16,
        /// For how long.
        seconds: u32,
    },
    /// 401: the device isn't linked any more.
    LoggedOut,
    /// 403: the account is locked.
    Locked,
    /// 405: the client is too old.
    ClientOutdated,
    /// 503: the server is unwell, and asks to come again.
    ServiceUnavailable,
}

impl Failure {
    pub(crate) fn node(self) -> Node {
        let failure = element("failure").attr("location", "fake");
        let failure = match self {
            Self::TemporaryBan { code, seconds } => {
                failure.attr("reason", "402").attr("code", code).attr("expire", seconds)
            }
            Self::LoggedOut => failure.attr("reason", "401"),
            Self::Locked => failure.attr("reason", "403"),
            Self::ClientOutdated => failure.attr("reason", "405"),
            Self::ServiceUnavailable => failure.attr("reason", "503"),
        };
        failure.build()
    }
}

/// When a connection is cut, after a message has come in on it. The message gets no ack either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nobody receives the message.
    BeforeRouting,
    /// The recipients receive the message.
    AfterRouting,
}

#[derive(Default)]
pub(crate) struct Faults {
    /// Refused logins, by account.
    pub(crate) failures: HashMap<String, Failure>,
    /// Codes with which messages are refused, by recipient.
    pub(crate) nacks: HashMap<String, u16>,
    /// Accounts that may only answer.
    pub(crate) reachout_locked: HashSet<String>,
    /// Accounts whose connection is cut at the next message.
    pub(crate) cuts: HashMap<String, Cut>,
    pub(crate) is_dropping_messages: bool,
    pub(crate) is_holding_acks: bool,
    /// The acks withheld, each with the connection it belongs to.
    pub(crate) held_acks: Vec<(Outbox, Node)>,
}

impl Faults {
    /// Answers a message, unless answers are withheld.
    pub(crate) fn ack(&mut self, outbox: &Outbox, ack: Node) {
        if self.is_holding_acks {
            self.held_acks.push((outbox.clone(), ack));
        } else {
            outbox.send(ack);
        }
    }
}
