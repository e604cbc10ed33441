//! Accept: rows in a group commit, then the queue, then the lane is woken. On return from the
//! commit a message is durable and will be sent, whatever happens to Redis or to this process;
//! only the database being down refuses one.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ChatId, MessageId, UserId};
use entity::message::{Model, Status};

use crate::app::App;
use crate::error::ApiError;
use crate::phone::Recipient;
use crate::queue::{Entry, Placed, rank};
use crate::realtime::Event;
use crate::standing::{Standing, entry_of};
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
        /// Where it stands in line.
        standing: Standing,
        /// Whether it was accepted before under the same key.
        is_repeat: bool,
    },
    /// Its key was used for another request.
    KeyTaken,
    /// Those before it were accepted; then the database could not be written any more.
    NotNow,
}

impl Accepted {
    fn of(id: MessageId, is_repeat: bool) -> Self {
        Self::Message { id, standing: Standing::default(), is_repeat }
    }
}

/// Accepts messages for one account, in order.
pub async fn accept(app: &App, account: &Arc<Account>, drafts: Vec<Draft>) -> Result<Vec<Accepted>, ApiError> {
    let mut accepted = Vec::with_capacity(drafts.len());
    let mut drafts = drafts.into_iter().peekable();
    while drafts.peek().is_some() {
        let chunk: Vec<Draft> = drafts.by_ref().take(CHUNK).collect();
        let count = chunk.len();
        match accept_chunk(app, account, chunk).await {
            Ok(some) => accepted.extend(some),
            // What was accepted is, whatever becomes of the rest.
            Err(error) if !accepted.is_empty() => {
                tracing::warn!(account.id = %account.id, %error, "a part of many was not accepted");
                accepted.extend(std::iter::repeat_n(Accepted::NotNow, count + drafts.len()));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(accepted)
}

async fn accept_chunk(app: &App, account: &Arc<Account>, drafts: Vec<Draft>) -> Result<Vec<Accepted>, ApiError> {
    let now = app.clock.now();
    let rows: Vec<NewMessage> = drafts.into_iter().map(|draft| row(app, account, draft, now)).collect();
    let asked: Vec<Entry> = rows
        .iter()
        .map(|m| Entry { message: m.id, rank: rank(m.priority, m.seq), due_at: m.due_at.filter(|at| *at > now) })
        .collect();
    let written: Vec<(MessageId, ChatId)> = rows.iter().filter_map(|m| Some((m.id, m.chat?))).collect();
    let kept = app.store.accept(rows).await.inspect_err(|_| {
        // They may have been written all the same.
        app.lanes.refresh(account.id);
    })?;
    let is_new = |id| asked.iter().zip(&kept).any(|(entry, kept)| entry.message == id && *kept == Kept::New);
    for (message, chat) in written.into_iter().filter(|(message, _)| is_new(*message)) {
        if let Err(error) = tell_filed(app, account, message, chat).await {
            tracing::warn!(account.id = %account.id, %error, "accepted; nobody could be told yet");
        }
    }
    if app.store.account(account.id).await?.is_none() {
        // Deleted in between: its messages were taken back before or are now.
        app.store.clear_up(account.id).await?;
        return Err(ApiError::NotFound("account"));
    }
    let (mut entries, mut answers) = (Vec::with_capacity(asked.len()), Vec::with_capacity(asked.len()));
    for (entry, kept) in asked.into_iter().zip(&kept) {
        answers.push(match kept {
            Kept::New => {
                entries.push(entry);
                Accepted::of(entry.message, false)
            }
            Kept::Repeat(id) => Accepted::of(*id, true),
            Kept::Conflict => Accepted::KeyTaken,
        });
    }
    app.telemetry.accepted.inc_by(entries.len() as u64);
    entries.extend(repeated(app, account, &kept, now).await?);
    let places = place(app, account, &entries).await;
    app.lanes.wake(account.id);
    for answer in &mut answers {
        if let Accepted::Message { id, standing, .. } = answer {
            *standing = places.get(id).copied().unwrap_or_default();
        }
    }
    Ok(answers)
}

/// Those accepted before under the same key that still wait: whoever accepted them may not have come
/// to put them in line.
async fn repeated(app: &App, account: &Account, kept: &[Kept], now: DateTime<Utc>) -> Result<Vec<Entry>, StoreError> {
    let ids: Vec<MessageId> =
        kept.iter().filter_map(|kept| if let Kept::Repeat(id) = kept { Some(*id) } else { None }).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = app.store.find_messages(account.company_id, &ids).await?;
    let is_waiting = |row: &&Model| row.status == Status::Queued && row.account_id == account.id;
    Ok(rows.iter().filter(is_waiting).map(|row| entry_of(row, now)).collect())
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

/// Puts durable messages in line; answers where each stands, as far as that is known. A queue that
/// is lost or does not answer is made up for by a restore.
async fn place(app: &App, account: &Account, entries: &[Entry]) -> HashMap<MessageId, Standing> {
    if entries.is_empty() {
        return HashMap::new();
    }
    match app.queue.enqueue(account.id, entries).await {
        Ok(Placed::At { positions, pace }) => {
            let place =
                |(entry, position): (&Entry, _)| (entry.message, Standing::at(app, account, entry, position, &pace));
            return entries.iter().zip(positions).map(place).collect();
        }
        Ok(Placed::Forgotten) => {
            app.lanes.refresh(account.id);
            if let [entry] = entries
                && let Ok(standing) = Standing::by_rows(app, account, entry).await
            {
                return HashMap::from([(entry.message, standing)]);
            }
        }
        Err(error) => {
            tracing::warn!(account.id = %account.id, %error, "accepted; the queue is restored later");
            app.lanes.refresh(account.id);
        }
    }
    HashMap::new()
}

/// Queues a failed or uncertain message again: the row, if it was one.
pub async fn retry(app: &App, account: &Account, id: MessageId) -> Result<Option<Model>, StoreError> {
    let moved = app.store.requeue(id, app.next_seq()).await.inspect_err(|_| app.lanes.refresh(account.id))?;
    if let Some(row) = &moved {
        place(app, account, &[entry_of(row, app.clock.now())]).await;
        app.lanes.wake(account.id);
    }
    Ok(moved)
}

/// Takes back a message that has not started; answers whether it had not.
pub async fn cancel(app: &App, row: &Model) -> Result<bool, StoreError> {
    let is_taken = app.store.cancel(row.id).await.inspect_err(|_| app.lanes.refresh(row.account_id))?;
    if is_taken {
        take_out(app, row.account_id, &[entry_of(row, app.clock.now())]).await;
        let at = app.clock.now();
        let event = Event::MessageChanged { message: row.id, status: Status::Cancelled, provider_message_id: None, at };
        app.bus.publish(row.company_id, row.account_id, event);
    }
    Ok(is_taken)
}

/// Takes back everything the account has accepted by now and not started, in slices that hold up
/// nobody else's; answers how many.
pub async fn cancel_all(app: &App, account: &Account) -> Result<u64, StoreError> {
    let (upto, mut count) = (app.next_seq(), 0);
    loop {
        let some = app.store.cancel_some(account.id, upto, CHUNK as i64);
        let some = some.await.inspect_err(|_| app.lanes.refresh(account.id))?;
        if some.is_empty() {
            return Ok(count);
        }
        count += some.len() as u64;
        take_out(app, account.id, &some).await;
    }
}

/// Takes messages out of line whose rows were taken back.
async fn take_out(app: &App, account: AccountId, entries: &[Entry]) {
    if let Err(error) = app.queue.remove(account, entries).await {
        tracing::warn!(account.id = %account, %error, "taken back; the queue is restored later");
        app.lanes.refresh(account);
    }
}
