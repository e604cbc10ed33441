//! What an account's queue holds, and where a message stands in it. Asked of the queue; while that
//! is lost or away, of the rows, which know the same and take longer. Nobody who only asks changes
//! anything: a queue that is lost is restored by whose it is.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::MessageId;
use entity::message::{Model, Status};
use serde::Serialize;

use crate::clock::Clock;
use crate::gateway::sessions::{Sessions, Status as Connection};
use crate::lane::{Lanes, restore};
use crate::pacing::{Pace, Presets, estimate};
use crate::queue::{Entry, Overview, Queue, rank};
use crate::store::account::Account;
use crate::store::{Store, StoreError, instant};

/// Where messages stand.
#[derive(Clone)]
pub struct Standings {
    /// The rows.
    pub store: Arc<Store>,
    /// The queues.
    pub queue: Arc<dyn Queue>,
    /// The connections, without which nothing leaves.
    pub sessions: Arc<Sessions>,
    /// Who restores what is lost.
    pub lanes: Arc<Lanes>,
    /// What time it is.
    pub clock: Clock,
    /// The two presets of limits.
    pub presets: Presets,
}

/// Why nothing leaves an account, whatever its pace: nobody can say when it will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    /// Its queue is paused.
    Paused,
    /// It is not connected, and waits for a person: to connect it, or to scan its code.
    Disconnected,
    /// It can't connect until a person changes something.
    Failed,
}

/// Where a message stands in its queue.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// 1 goes next.
    pub position: Option<u64>,
    /// When it will leave, on average; nobody knows of an account that is held.
    pub estimated_at: Option<DateTime<Utc>>,
    /// What holds the account.
    pub hold: Option<Hold>,
}

impl Standings {
    /// The account's queue at a glance, and its first `limit` messages in the order in which they go.
    pub async fn queue(&self, account: &Account, limit: usize) -> Result<(Overview, Vec<Model>), StoreError> {
        if let Some(overview) = self.known(account).await
            && let Ok(ids) = self.queue.list(account.id, limit).await
        {
            return Ok((overview, self.store.find_messages(account.company_id, &ids).await?));
        }
        let first = self.store.first_queued(account.id, limit as u64).await?;
        Ok((self.overview_by_rows(account).await?, first))
    }

    /// The account's queue at a glance.
    pub async fn overview(&self, account: &Account) -> Result<Overview, StoreError> {
        match self.known(account).await {
            Some(overview) => Ok(overview),
            None => self.overview_by_rows(account).await,
        }
    }

    async fn overview_by_rows(&self, account: &Account) -> Result<Overview, StoreError> {
        let (ready, pace) = (self.store.count_queued(account.id).await?, self.pace(account).await?);
        Ok(Overview { ready, delayed: 0, in_flight: None, ranks: 0, pace })
    }

    /// What the queue says of itself. One that is lost is asked to be restored.
    async fn known(&self, account: &Account) -> Option<Overview> {
        match self.queue.overview(account.id).await {
            Ok(Some(overview)) => Some(overview),
            Ok(None) => {
                self.lanes.refresh(account.id);
                None
            }
            Err(error) => {
                tracing::debug!(account.id = %account.id, %error, "the rows are asked instead");
                None
            }
        }
    }

    async fn pace(&self, account: &Account) -> Result<Pace, StoreError> {
        restore::pace(&self.store, account, &account.policy(&self.presets), self.clock.now()).await
    }

    /// What holds the account now, if anything does.
    #[must_use]
    pub fn hold(&self, account: &Account) -> Option<Hold> {
        if account.is_paused {
            return Some(Hold::Paused);
        }
        match self.sessions.status(account.id) {
            Connection::Disconnected | Connection::QrReady => Some(Hold::Disconnected),
            Connection::Failed => Some(Hold::Failed),
            _ => None,
        }
    }

    /// At a position, or at one that is not known, of an account that has this pace.
    #[must_use]
    pub fn at(&self, account: &Account, entry: &Entry, position: Option<u64>, pace: &Pace) -> Standing {
        let at = estimate(&account.policy(&self.presets), pace, position.unwrap_or(1), self.clock.now());
        let hold = self.hold(account);
        let at = entry.due_at.map_or(at, |due| at.max(due));
        Standing { position, estimated_at: hold.is_none().then_some(at), hold }
    }

    /// Where each of these stands, as the rows have it.
    pub async fn by_rows(&self, account: &Account, entries: &[Entry]) -> Result<Vec<Standing>, StoreError> {
        let pace = self.pace(account).await?;
        let mut standings = Vec::with_capacity(entries.len());
        for entry in entries {
            let position = match entry.due_at {
                Some(_) => None,
                None => Some(self.store.count_before(account.id, entry, self.clock.now()).await? + 1),
            };
            standings.push(self.at(account, entry, position, &pace));
        }
        Ok(standings)
    }

    /// Where a message stands, if it is queued.
    pub async fn of(&self, account: &Account, row: &Model) -> Result<Standing, StoreError> {
        Ok(self.of_all(account, std::slice::from_ref(row)).await?.remove(&row.id).unwrap_or_default())
    }

    /// Where those of an account's messages stand that are queued. The queue is looked at once for all.
    pub async fn of_all(&self, account: &Account, rows: &[Model]) -> Result<HashMap<MessageId, Standing>, StoreError> {
        let now = self.clock.now();
        let queued = rows.iter().filter(|row| row.status == Status::Queued);
        let entries: Vec<Entry> = queued.map(|row| entry_of(row, now)).collect();
        if entries.is_empty() {
            return Ok(HashMap::new());
        }
        let standings = match self.positions(account, &entries).await {
            Some(standings) => standings,
            None => self.by_rows(account, &entries).await?,
        };
        Ok(entries.iter().map(|entry| entry.message).zip(standings).collect())
    }

    /// Where these stand, as the queue has it, if it knows.
    async fn positions(&self, account: &Account, entries: &[Entry]) -> Option<Vec<Standing>> {
        let pace = self.known(account).await?.pace;
        let mut standings = Vec::with_capacity(entries.len());
        for entry in entries {
            let position = self.queue.position(account.id, entry).await.ok()?;
            standings.push(self.at(account, entry, position, &pace));
        }
        Some(standings)
    }
}

/// A row as its queue knows it.
#[must_use]
pub fn entry_of(row: &Model, now: DateTime<Utc>) -> Entry {
    let due_at = row.due_at_ms.map(instant).filter(|due| *due > now);
    Entry { message: row.id, rank: rank(row.priority, row.seq), due_at }
}
