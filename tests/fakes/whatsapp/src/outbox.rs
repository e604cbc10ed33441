//! The sending side of a connection: stanzas leave in the order in which they were put here.

use tokio::sync::mpsc;
use wacore_binary::Node;

/// What a connection is to do next.
pub(crate) enum Outgoing {
    Stanza(Node),
    /// Close the WebSocket as a server does.
    Close,
    /// Drop the TCP connection without a word.
    Cut,
}

#[derive(Clone)]
pub(crate) struct Outbox(mpsc::UnboundedSender<Outgoing>);

impl Outbox {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// To a connection that is gone, a stanza is lost, as on a wire.
    pub(crate) fn send(&self, stanza: Node) {
        self.put(Outgoing::Stanza(stanza));
    }

    pub(crate) fn close(&self) {
        self.put(Outgoing::Close);
    }

    pub(crate) fn cut(&self) {
        self.put(Outgoing::Cut);
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }

    fn put(&self, outgoing: Outgoing) {
        let _gone = self.0.send(outgoing);
    }
}
