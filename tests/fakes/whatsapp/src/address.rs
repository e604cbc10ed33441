//! The address of one device of a user, as both the server's books and the Signal sessions name it.

use std::fmt;

use wacore_libsignal::protocol::ProtocolAddress;

/// A phone number and a device: 0 is the phone, companions count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    pub(crate) pn: String,
    pub(crate) device: u16,
}

impl Address {
    pub(crate) fn new(pn: &str, device: u16) -> Self {
        Self { pn: pn.to_owned(), device }
    }

    pub(crate) fn is_phone(&self) -> bool {
        self.device == 0
    }

    /// The name under which a phone keeps its session with this device.
    pub(crate) fn signal(&self) -> ProtocolAddress {
        ProtocolAddress::new(&self.to_string(), 0.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pn, self.device)
    }
}
