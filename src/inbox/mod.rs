//! What gateways report, turned into rows, sessions and events. One task a node; it takes all
//! that waits at once, so that a thousand accounts reconnecting cost a few transactions. What they
//! say of their connections goes on to the [`Accounts`]; `mail` has the messages.

mod mail;

use std::collections::HashSet;
use std::sync::Arc;

use entity::ids::AccountId;
use entity::media;
use tokio::sync::mpsc::{self, Receiver};
use tokio_util::sync::CancellationToken;

use crate::account::{Accounts, Arrival};
use crate::clock::Clock;
use crate::gateway::GatewayEvent;
use crate::gateway::reports::{Reported, Slip};
use crate::gateway::sessions::{Sessions, Status};
use crate::lane::Lanes;
use crate::realtime::{Bus, Event};
use crate::store::Store;

/// Reports handled together at most.
const BATCH: usize = 1_000;

/// Where the gateways' reports come in.
pub struct Inbox {
    /// The rows.
    pub store: Arc<Store>,
    /// The connections.
    pub sessions: Arc<Sessions>,
    /// What happens to them.
    pub accounts: Arc<Accounts>,
    /// Who has something to look at then.
    pub lanes: Arc<Lanes>,
    /// The events.
    pub bus: Arc<Bus>,
    /// What time it is.
    pub clock: Clock,
    /// Who fetches files as they come, if anybody does.
    pub files: Option<mpsc::Sender<media::Model>>,
}

impl Inbox {
    /// Handles reports until `silence` falls and none is left. What is told to be durable is.
    pub async fn run(&self, mut reports: Receiver<Reported>, silence: &CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let count = tokio::select! {
                biased;
                count = reports.recv_many(&mut batch, BATCH) => count,
                () = silence.cancelled() => 0,
            };
            if count == 0 {
                return;
            }
            let (mut connected, mut receipts, mut messages) = (Vec::new(), Vec::new(), Vec::new());
            // The accounts they are of.
            let mut waiting = HashSet::new();
            for Reported { account, connection, epoch, event, slip } in batch.drain(..) {
                match event {
                    GatewayEvent::Receipts(some) => receipts.push((account, some, slip)),
                    GatewayEvent::Messages(some) => messages.push((account, some, slip)),
                    _ if !self.sessions.is_current(account, connection) => continue,
                    GatewayEvent::Connected(news) => {
                        connected.push((Arrival { account, connection, epoch, news }, slip))
                    }
                    other => {
                        // In the order in which the account's gateway said it.
                        if waiting.contains(&account) {
                            self.connect(std::mem::take(&mut connected)).await;
                            self.file(std::mem::take(&mut messages)).await;
                            self.receive(std::mem::take(&mut receipts)).await;
                            waiting.clear();
                        }
                        self.handle(account, connection, epoch, other).await;
                        slip.done();
                        continue;
                    }
                }
                waiting.insert(account);
            }
            self.connect(connected).await;
            self.file(messages).await;
            self.receive(receipts).await;
        }
    }

    /// Lets the lanes of those who connected go on.
    async fn connect(&self, arrivals: Vec<(Arrival, Slip)>) {
        let (arrivals, slips): (Vec<_>, Vec<_>) = arrivals.into_iter().unzip();
        let accounts: Vec<AccountId> = arrivals.iter().map(|arrival| arrival.account).collect();
        self.accounts.connect(arrivals).await;
        accounts.into_iter().for_each(|account| self.lanes.wake(account));
        slips.into_iter().for_each(Slip::done);
    }

    async fn handle(&self, id: AccountId, connection: u64, epoch: i64, event: GatewayEvent) {
        let Some(account) = self.accounts.insist(|| self.store.account(id)).await else { return };
        if account.epoch != epoch {
            // Another lane has it, here or elsewhere, and the one here is to see so.
            return self.lanes.wake(id);
        }
        // While the row was read or written, another connection may have taken this one's place: then
        // it is not this one's to say anything any more.
        let is_news = match event {
            GatewayEvent::Code(code) => self.accounts.show(&account, connection, Status::QrReady, Some(code)),
            GatewayEvent::Authenticating => self.accounts.show(&account, connection, Status::Authenticating, None),
            GatewayEvent::Dropped { reason } => self.accounts.lose(&account, connection, reason),
            GatewayEvent::LoggedOut { code, reason } => self.accounts.log_out(&account, connection, code, reason).await,
            GatewayEvent::Banned { until, reason } => self.accounts.ban(&account, connection, until, reason).await,
            GatewayEvent::Failed { code, reason } => {
                if self.sessions.is_current(id, connection) {
                    self.accounts.fail(&account, code, reason).await;
                }
                true
            }
            GatewayEvent::Typing { chat, is_typing, participant } => {
                let event = Event::Typing { chat, is_typing, participant, at: self.clock.now() };
                self.bus.publish(account.company_id, id, event);
                false
            }
            GatewayEvent::Names(names) => {
                self.name(&account, names).await;
                false
            }
            GatewayEvent::Connected(_) | GatewayEvent::Receipts(_) | GatewayEvent::Messages(_) => false,
        };
        if is_news {
            self.lanes.wake(id);
        }
    }
}
