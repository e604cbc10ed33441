//! Accept: rows in a group commit, then the queue, then the lane is woken. On return from the
//! commit a message is durable and will be sent, whatever happens to Redis or to this process;
//! only the database being down refuses one.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::{ChatId, MessageId, UserId};

use crate::app::App;
use crate::error::ApiError;
use crate::lane::restore;
use crate::pacing::{Pace, estimate};
use crate::phone::Recipient;
use crate::queue::{Entry, Placed, rank};
use crate::realtime::Event;
use crate::store::StoreError;
use crate::store::account::Account;
use crate::store::message::{Kept, NewMessage};

/// Messages written together at most.
const CHUNK: usize = 1_000;

/// A message as it was asked for, checked.
#[derive(Debug, Clone)]
pub struct Draft {
    /// To whom.
    pub to: Recipient,
    /// The text.
    pub text: String,
    /// 0 to 9.
    pub priority: u8,
    /// Not before.
    pub send_at: Option<DateTime<Utc>>,
    /// Not after.
    pub expires_at: Option<DateTime<Utc>>,
    /// The caller's own id.
    pub reference: Option<String>,
    /// The idempotency key, and the hash of what was asked for under it.
    pub key: Option<(String, i64)>,
    /// The chat it was written in; none: it enters its chat when it leaves.
    pub chat: Option<ChatId>,
    /// The person who wrote it.
    pub user: Option<UserId>,
}

/// What became of a draft.
#[derive(Debug, Clone, Copy)]
pub enum Accepted {
    /// It is a message.
    Message {
        /// Its id.
        id: MessageId,
        /// Where it stands in line, if its turn could be now; 1 goes next.
        position: Option<u64>,
        /// When it will leave, on average.
        estimated_at: Option<DateTime<Utc>>,
        /// Whether it was accepted before under the same key.
        is_repeat: bool,
    },
    /// Its key was used for another request.
    KeyTaken,
}

/// Accepts messages for one account, in order.
pub async fn accept(app: &App, account: &Arc<Account>, drafts: Vec<Draft>) -> Result<Vec<Accepted>, ApiError> {
    let mut accepted = Vec::with_capacity(drafts.len());
    let mut drafts = drafts.into_iter().peekable();
    while drafts.peek().is_some() {
        let chunk: Vec<Draft> = drafts.by_ref().take(CHUNK).collect();
        accepted.extend(accept_chunk(app, account, chunk).await?);
    }
    Ok(accepted)
}

async fn accept_chunk(app: &App, account: &Arc<Account>, drafts: Vec<Draft>) -> Result<Vec<Accepted>, ApiError> {
    let now = app.clock.now();
    let rows: Vec<NewMessage> = drafts.into_iter().map(|draft| row(app, account, draft, now)).collect();
    let entries: Vec<Entry> = rows
        .iter()
        .map(|m| Entry { message: m.id, rank: rank(m.priority, m.seq), due_at: m.due_at.filter(|at| *at > now) })
        .collect();
    let written: Vec<(MessageId, ChatId)> = rows.iter().filter_map(|m| Some((m.id, m.chat?))).collect();
    let kept = app.store.accept(rows).await?;
    let is_new = |id| entries.iter().zip(&kept).any(|(entry, kept)| entry.message == id && *kept == Kept::New);
    for (message, chat) in written.into_iter().filter(|(message, _)| is_new(*message)) {
        if let Err(error) = tell_filed(app, account, message, chat).await {
            tracing::warn!(account.id = %account.id, %error, "accepted; nobody could be told yet");
        }
    }
    let new: Vec<Entry> = entries.iter().zip(&kept).filter(|(_, kept)| **kept == Kept::New).map(|(e, _)| *e).collect();
    if app.store.account(account.id).await?.is_none() {
        // Deleted in between: its messages were taken back before or are now.
        app.store.cancel_all(account.id).await?;
        return Err(ApiError::NotFound("account"));
    }
    app.telemetry.accepted.inc_by(new.len() as u64);
    let (positions, pace) = place(app, account, &new).await;
    app.lanes.wake(account.id);
    let policy = account.policy(&app.config.presets);
    let mut positions = positions.into_iter();
    let mut answers = Vec::with_capacity(kept.len());
    for (entry, kept) in entries.iter().zip(kept) {
        answers.push(match kept {
            Kept::New => {
                let position = positions.next().flatten();
                let line = pace.as_ref().map(|pace| estimate(&policy, pace, position.unwrap_or(1), now));
                let estimated_at = line.map(|at| entry.due_at.map_or(at, |due| at.max(due)));
                Accepted::Message { id: entry.message, position, estimated_at, is_repeat: false }
            }
            Kept::Repeat(id) => repeat(app, account, id, now).await?,
            Kept::Conflict => Accepted::KeyTaken,
        });
    }
    Ok(answers)
}

/// Tells that a message a person wrote is in its chat.
async fn tell_filed(app: &App, account: &Account, message: MessageId, chat: ChatId) -> Result<(), StoreError> {
    let message = app.store.find_message(account.company_id, message).await?;
    let chat = app.store.find_chat(account.id, chat).await?;
    if let (Some(message), Some(chat)) = (message, chat) {
        let event = Event::MessageFiled { chat: chat.into(), message: message.into() };
        app.bus.publish(account.company_id, account.id, event);
    }
    Ok(())
}

fn row(app: &App, account: &Account, draft: Draft, now: DateTime<Utc>) -> NewMessage {
    NewMessage {
        id: MessageId::new(now, &mut rand::rng()),
        company: account.company_id,
        account: account.id,
        recipient: draft.to.as_str().to_owned(),
        text: draft.text,
        priority: i16::from(draft.priority),
        seq: app.next_seq(),
        due_at: draft.send_at,
        expires_at: draft.expires_at,
        reference: draft.reference,
        key: draft.key,
        created_at: now,
        chat: draft.chat,
        user: draft.user,
    }
}

/// Puts durable messages in line. A queue that does not answer is made up for by the lane's restore.
async fn place(app: &App, account: &Account, entries: &[Entry]) -> (Vec<Option<u64>>, Option<Pace>) {
    let unplaced = || (vec![None; entries.len()], None);
    if entries.is_empty() {
        return unplaced();
    }
    match app.queue.enqueue(account.id, entries).await {
        Ok(Placed::At { positions, pace }) => (positions, Some(pace)),
        Ok(Placed::Forgotten) => match find_places(app, account, entries).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(account.id = %account.id, %error, "accepted; the queue is restored later");
                app.lanes.refresh(account.id);
                unplaced()
            }
        },
        Err(error) => {
            tracing::warn!(account.id = %account.id, %error, "accepted; the queue is restored later");
            app.lanes.refresh(account.id);
            unplaced()
        }
    }
}

async fn find_places(
    app: &App,
    account: &Account,
    entries: &[Entry],
) -> Result<(Vec<Option<u64>>, Option<Pace>), restore::RestoreError> {
    let overview = restore::overview(app, account).await?;
    let mut positions = Vec::with_capacity(entries.len());
    for entry in entries {
        positions.push(app.queue.position(account.id, entry).await?);
    }
    Ok((positions, Some(overview.pace)))
}

/// The answer to a request that was accepted before: the same message, as it stands now.
async fn repeat(app: &App, account: &Account, id: MessageId, now: DateTime<Utc>) -> Result<Accepted, ApiError> {
    let standing = match app.store.find_message(account.company_id, id).await? {
        Some(row) => standing(app, account, &row, now).await,
        None => Standing::default(),
    };
    Ok(Accepted::Message { id, position: standing.position, estimated_at: standing.estimated_at, is_repeat: true })
}

/// Where a message stands in its queue.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// 1 goes next.
    pub position: Option<u64>,
    /// When it will leave, on average.
    pub estimated_at: Option<DateTime<Utc>>,
}

/// Where a message stands. A queue that does not answer has nothing to say.
pub async fn standing(app: &App, account: &Account, row: &entity::message::Model, now: DateTime<Utc>) -> Standing {
    if row.status != entity::message::Status::Queued {
        return Standing::default();
    }
    let entry = entry_of(row);
    let (Ok(overview), Ok(position)) =
        (restore::overview(app, account).await, app.queue.position(account.id, &entry).await)
    else {
        return Standing::default();
    };
    let at = estimate(&account.policy(&app.config.presets), &overview.pace, position.unwrap_or(1), now);
    Standing { position, estimated_at: Some(entry.due_at.map_or(at, |due| at.max(due))) }
}

/// A row as its queue knows it.
#[must_use]
pub fn entry_of(row: &entity::message::Model) -> Entry {
    Entry { message: row.id, rank: rank(row.priority, row.seq), due_at: row.due_at_ms.map(crate::store::instant) }
}

/// Puts a message back in line whose row has just become `queued` again.
pub async fn place_again(app: &App, row: &entity::message::Model) -> Result<(), ApiError> {
    if let Some(account) = app.store.account(row.account_id).await? {
        place(app, &account, &[entry_of(row)]).await;
        app.lanes.wake(account.id);
    }
    Ok(())
}
