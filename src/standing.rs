//! What an account's queue holds, and where a message stands in it. Asked of the queue; while that
//! is lost or away, of the rows, which know the same and take longer. Nobody who only asks changes
//! anything: a queue that is lost is restored by whose it is.

use chrono::{DateTime, Utc};
use entity::message::{Model, Status};
use serde::Serialize;

use crate::app::App;
use crate::gateway::sessions::Status as Connection;
use crate::lane::restore;
use crate::pacing::{Pace, estimate};
use crate::queue::{Entry, Overview, rank};
use crate::store::account::Account;
use crate::store::{StoreError, instant};

/// The account's queue at a glance, and its first `limit` messages in the order in which they go.
pub async fn queue(app: &App, account: &Account, limit: usize) -> Result<(Overview, Vec<Model>), StoreError> {
    if let Some(overview) = known(app, account).await
        && let Ok(ids) = app.queue.list(account.id, limit).await
    {
        return Ok((overview, app.store.find_messages(account.company_id, &ids).await?));
    }
    let (ready, pace) = (app.store.count_queued(account.id).await?, pace(app, account).await?);
    let first = app.store.first_queued(account.id, limit as u64).await?;
    Ok((Overview { ready, delayed: 0, in_flight: None, ranks: 0, pace }, first))
}

/// How many messages are waiting, in flight or scheduled.
pub async fn queue_length(app: &App, account: &Account) -> Result<u64, StoreError> {
    match known(app, account).await {
        Some(overview) => Ok(overview.len()),
        None => app.store.count_queued(account.id).await,
    }
}

/// What the queue says of itself. One that is lost is asked to be restored.
async fn known(app: &App, account: &Account) -> Option<Overview> {
    match app.queue.overview(account.id).await {
        Ok(Some(overview)) => Some(overview),
        Ok(None) => {
            app.lanes.refresh(account.id);
            None
        }
        Err(error) => {
            tracing::debug!(account.id = %account.id, %error, "the rows are asked instead");
            None
        }
    }
}

async fn pace(app: &App, account: &Account) -> Result<Pace, StoreError> {
    restore::pace(app, account, &account.policy(&app.config.presets)).await
}

/// Why nothing leaves an account, whatever its pace: nobody can say when it will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    /// Its queue is paused.
    Paused,
    /// It is not connected, and should not be.
    Disconnected,
    /// It can't connect until a person changes something.
    Failed,
}

impl Hold {
    /// What holds the account now, if anything does.
    #[must_use]
    pub fn of(app: &App, account: &Account) -> Option<Self> {
        if account.is_paused {
            return Some(Self::Paused);
        }
        match app.sessions.status(account.id) {
            Connection::Disconnected => Some(Self::Disconnected),
            Connection::Failed => Some(Self::Failed),
            _ => None,
        }
    }
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

impl Standing {
    /// At a position, or at one that is not known, of an account that has this pace.
    #[must_use]
    pub fn at(app: &App, account: &Account, entry: &Entry, position: Option<u64>, pace: &Pace) -> Self {
        let now = app.clock.now();
        let at = estimate(&account.policy(&app.config.presets), pace, position.unwrap_or(1), now);
        let hold = Hold::of(app, account);
        let at = entry.due_at.map_or(at, |due| at.max(due));
        Self { position, estimated_at: hold.is_none().then_some(at), hold }
    }

    /// As the rows have it.
    pub async fn by_rows(app: &App, account: &Account, entry: &Entry) -> Result<Self, StoreError> {
        let position = match entry.due_at {
            Some(_) => None,
            None => Some(app.store.count_before(account.id, entry, app.clock.now()).await? + 1),
        };
        Ok(Self::at(app, account, entry, position, &pace(app, account).await?))
    }
}

/// Where a message stands, if it is queued.
pub async fn of(app: &App, account: &Account, row: &Model) -> Result<Standing, StoreError> {
    if row.status != Status::Queued {
        return Ok(Standing::default());
    }
    let entry = entry_of(row, app.clock.now());
    if let Some(overview) = known(app, account).await
        && let Ok(position) = app.queue.position(account.id, &entry).await
    {
        return Ok(Standing::at(app, account, &entry, position, &overview.pace));
    }
    Standing::by_rows(app, account, &entry).await
}

/// A row as its queue knows it.
#[must_use]
pub fn entry_of(row: &Model, now: DateTime<Utc>) -> Entry {
    let due_at = row.due_at_ms.map(instant).filter(|due| *due > now);
    Entry { message: row.id, rank: rank(row.priority, row.seq), due_at }
}
