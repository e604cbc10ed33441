//! The way from gateways to the inbox: bounded, for each account and for all, so that a messenger
//! that says much waits, and holds up nobody else's.

use std::sync::Arc;

use entity::ids::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::GatewayEvent;

/// Reports of one account that may wait to be handled.
pub const PLACES: usize = 256;
/// Reports of all accounts that may.
pub const WAITING: usize = 10_000;

/// The way from one gateway to the inbox. It carries the connection's number, so that what an
/// old connection still says is not taken for the new one's word.
#[derive(Clone)]
pub struct Reports {
    /// Whose gateway.
    pub account: AccountId,
    /// Which of its connections.
    pub connection: u64,
    /// The epoch of the account's lane that opened it.
    pub epoch: i64,
    pub(super) places: Arc<Semaphore>,
    pub(super) to: mpsc::Sender<Reported>,
}

/// What was reported, until it is handled.
pub struct Reported {
    /// By whose gateway.
    pub account: AccountId,
    /// By which of its connections.
    pub connection: u64,
    /// The epoch of the lane that opened that.
    pub epoch: i64,
    /// What.
    pub event: GatewayEvent,
    /// To be told when it is durable.
    pub slip: Slip,
}

/// What the reporter waits for. Dropped untold, what was reported may be lost, and is reported
/// again where the messenger keeps it.
pub struct Slip {
    filed: Option<oneshot::Sender<()>>,
    _place: OwnedSemaphorePermit,
}

impl Slip {
    /// What was reported is durable.
    pub fn done(self) {
        if let Some(filed) = self.filed {
            // A gateway that is gone reports it again the next time.
            let _ = filed.send(());
        }
    }
}

impl Reports {
    /// Reports `event`, once there is room for it; after the inbox is closed, to nobody.
    pub async fn send(&self, event: GatewayEvent) {
        self.hand_in(event, None).await;
    }

    /// Reports `event`, and answers once it is handled whether it is durable. One that is not is to
    /// be reported again.
    pub async fn deliver(&self, event: GatewayEvent) -> bool {
        let (filed, done) = oneshot::channel();
        self.hand_in(event, Some(filed)).await;
        done.await.is_ok()
    }

    /// Reports `event` if there is room for it now.
    pub fn try_send(&self, event: GatewayEvent) -> bool {
        let Ok(place) = self.places.clone().try_acquire_owned() else { return false };
        self.to.try_send(self.reported(event, Slip { filed: None, _place: place })).is_ok()
    }

    async fn hand_in(&self, event: GatewayEvent, filed: Option<oneshot::Sender<()>>) {
        let Ok(place) = self.places.clone().acquire_owned().await else { return };
        let _ = self.to.send(self.reported(event, Slip { filed, _place: place })).await;
    }

    fn reported(&self, event: GatewayEvent, slip: Slip) -> Reported {
        Reported { account: self.account, connection: self.connection, epoch: self.epoch, event, slip }
    }
}
