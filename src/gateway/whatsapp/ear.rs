//! What hears the client, in the client's own tasks: it never waits. Answers go to who waits for them,
//! receipts are kept, and the rest is put in line for the [`session`](super::session).

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use whatsapp_rust::wacore::types::events::{Event, EventHandler, EventInterest, EventKind};

use super::acks::Acks;
use super::keys::Keys;
use super::receipts::Receipts;

/// The ear.
pub(super) struct Ear {
    pub(super) acks: Arc<Acks>,
    pub(super) receipts: Arc<Receipts>,
    pub(super) keys: Arc<Keys>,
    pub(super) events: mpsc::Sender<Arc<Event>>,
    /// What people do: that they type, what they are called.
    pub(super) asides: mpsc::Sender<Arc<Event>>,
    /// Histories, which take their time.
    pub(super) histories: mpsc::Sender<Arc<Event>>,
}

impl EventHandler for Ear {
    fn handle_event(&self, event: Arc<Event>) {
        match &*event {
            Event::ServerAck(ack) if ack.class.as_deref().is_none_or(|class| class == "message") => {
                self.acks.answer(&ack.id, ack.error.clone());
            }
            Event::ServerAck(_) => {}
            Event::Receipt(receipt) => self.receipts.note(self.keys.account, receipt, self.keys.clock.now()),
            _ => {
                let kind = event.kind();
                let to = match kind {
                    EventKind::HistorySync => &self.histories,
                    // What many say must not keep out what the connection itself says.
                    EventKind::ChatPresence | EventKind::ContactUpdate => &self.asides,
                    _ => &self.events,
                };
                if let Err(TrySendError::Full(_)) = to.try_send(event) {
                    tracing::warn!(account.id = %self.keys.account, ?kind, "WhatsApp says more than is heard");
                }
            }
        }
    }

    fn interest(&self) -> EventInterest {
        use EventKind as Kind;
        EventInterest::of(&[
            Kind::ServerAck,
            Kind::Receipt,
            Kind::PairingQrCode,
            Kind::PairingQrCodesExhausted,
            Kind::PairingCode,
            Kind::PairingCodeRefresh,
            Kind::PairingCodeError,
            Kind::QrScannedWithoutMultidevice,
            Kind::PairPasskeyRequest,
            Kind::PairPasskeyError,
            Kind::PairSuccess,
            Kind::PairError,
            Kind::Connected,
            Kind::Disconnected,
            Kind::LoggedOut,
            Kind::StreamReplaced,
            Kind::TemporaryBan,
            Kind::ClientOutdated,
            Kind::ConnectFailure,
            Kind::ChatPresence,
            Kind::ContactUpdate,
            Kind::HistorySync,
        ])
    }
}
