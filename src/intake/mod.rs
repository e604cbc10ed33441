//! Accept: rows in a group commit, then the queue, then the lane is woken. On return from the
//! commit a message is durable and will be sent, whatever happens to Redis or to this process;
//! only the database being down refuses one.

mod draft;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ChatId, MessageId};
use entity::message::{Model, Status};
use prometheus::IntCounter;

pub use self::draft::{Accepted, Draft, NotAccepted};
use crate::clock::Clock;
use crate::lane::Lanes;
use crate::queue::{Entry, Placed, Queue, rank};
use crate::realtime::{Bus, Event};
use crate::standing::{Standing, Standings, entry_of};
use crate::store::account::Account;
use crate::store::message::{Kept, NewMessage};
use crate::store::{Store, StoreError};
use crate::view::ChatView;

/// Messages written together at most.
const CHUNK: usize = 1_000;
/// Messages whose places are asked of the rows, while their queue is lost.
const FEW: usize = 50;

/// Where messages come in.
pub struct Intake {
    /// The rows.
    pub store: Arc<Store>,
    /// The queues.
    pub queue: Arc<dyn Queue>,
    /// Who sends them.
    pub lanes: Arc<Lanes>,
    /// Where they stand then.
    pub standings: Standings,
    /// The events.
    pub bus: Arc<Bus>,
    /// What time it is.
    pub clock: Clock,
    /// Counts them.
    pub accepted: IntCounter,
}

impl Intake {
    /// Accepts messages for one account, in order.
    pub async fn accept(&self, account: &Account, drafts: Vec<Draft>) -> Result<Vec<Accepted>, NotAccepted> {
        let mut accepted = Vec::with_capacity(drafts.len());
        let mut drafts = drafts.into_iter().peekable();
        while drafts.peek().is_some() {
            let chunk: Vec<Draft> = drafts.by_ref().take(CHUNK).collect();
            let count = chunk.len();
            match self.accept_chunk(account, chunk).await {
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

    async fn accept_chunk(&self, account: &Account, drafts: Vec<Draft>) -> Result<Vec<Accepted>, NotAccepted> {
        let now = self.clock.now();
        let rows: Vec<NewMessage> = drafts.into_iter().map(|draft| self.row(account, draft, now)).collect();
        let asked: Vec<Entry> = rows
            .iter()
            .map(|m| Entry {
                message: m.id,
                rank: rank(m.priority, m.id.seq()),
                due_at: m.due_at.filter(|at| *at > now),
            })
            .collect();
        let written: Vec<(MessageId, ChatId)> = rows.iter().filter_map(|m| Some((m.id, m.chat?))).collect();
        let kept = self.store.accept(rows).await.inspect_err(|_| {
            // They may have been written all the same.
            self.lanes.refresh(account.id);
        })?;
        let is_new = |id| asked.iter().zip(&kept).any(|(entry, kept)| entry.message == id && *kept == Kept::New);
        for (message, chat) in written.into_iter().filter(|(message, _)| is_new(*message)) {
            if let Err(error) = self.tell_filed(account, message, chat).await {
                tracing::warn!(account.id = %account.id, %error, "accepted; nobody could be told yet");
            }
        }
        if self.store.account(account.id).await?.is_none() {
            // Deleted in between: its messages were taken back before or are now.
            self.store.clear_up(account.id).await?;
            return Err(NotAccepted::Gone);
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
        self.accepted.inc_by(entries.len() as u64);
        entries.extend(self.repeated(account, &kept, now).await?);
        let places = self.place(account, &entries).await;
        self.lanes.wake(account.id);
        self.bus.publish(account.company_id, account.id, Event::QueueChanged);
        for answer in &mut answers {
            if let Accepted::Message { id, standing, .. } = answer {
                *standing = places.get(id).copied().unwrap_or_default();
            }
        }
        Ok(answers)
    }

    /// Those accepted before under the same key that still wait: whoever accepted them may not have come
    /// to put them in line.
    async fn repeated(&self, account: &Account, kept: &[Kept], now: DateTime<Utc>) -> Result<Vec<Entry>, StoreError> {
        let ids: Vec<MessageId> =
            kept.iter().filter_map(|kept| if let Kept::Repeat(id) = kept { Some(*id) } else { None }).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.store.find_messages(account.company_id, &ids).await?;
        let is_waiting = |row: &&Model| row.status == Status::Queued && row.account_id == account.id;
        Ok(rows.iter().filter(is_waiting).map(|row| entry_of(row, now)).collect())
    }

    /// Tells that a message a person wrote is in its chat.
    async fn tell_filed(&self, account: &Account, message: MessageId, chat: ChatId) -> Result<(), StoreError> {
        let message = self.store.find_message(account.company_id, message).await?;
        let chat = self.store.find_chat(account.id, chat).await?;
        if let (Some(message), Some(chat)) = (message, chat) {
            let message = message.into();
            let event = Event::MessageFiled { chat: ChatView::entered_by(chat, &message), message };
            self.bus.publish(account.company_id, account.id, event);
        }
        Ok(())
    }

    fn row(&self, account: &Account, draft: Draft, now: DateTime<Utc>) -> NewMessage {
        NewMessage {
            id: MessageId::new(self.clock.next_seq(), self.store.node()),
            company: account.company_id,
            account: account.id,
            recipient: draft.to.as_str().to_owned(),
            text: draft.text,
            priority: i16::from(draft.priority),
            due_at: draft.send_at,
            expires_at: draft.expires_at,
            reference: draft.reference,
            key: draft.key,
            created_at: now,
            chat: draft.chat,
            user: draft.user,
            media: draft.media,
        }
    }

    /// Puts durable messages in line; answers where each stands, as far as that is known. A queue that
    /// is lost or does not answer is made up for by a restore.
    async fn place(&self, account: &Account, entries: &[Entry]) -> HashMap<MessageId, Standing> {
        if entries.is_empty() {
            return HashMap::new();
        }
        match self.queue.enqueue(account.id, entries).await {
            Ok(Placed::At { positions, pace }) => {
                let place = |(entry, position): (&Entry, _)| {
                    (entry.message, self.standings.at(account, entry, position, &pace))
                };
                return entries.iter().zip(positions).map(place).collect();
            }
            Ok(Placed::Forgotten) => {
                self.lanes.refresh(account.id);
                let few = &entries[..entries.len().min(FEW)];
                if let Ok(standings) = self.standings.by_rows(account, few).await {
                    return few.iter().map(|entry| entry.message).zip(standings).collect();
                }
            }
            Err(error) => {
                tracing::warn!(account.id = %account.id, %error, "accepted; the queue is restored later");
                self.lanes.refresh(account.id);
            }
        }
        HashMap::new()
    }

    /// Queues a failed or uncertain message again: the row, if it was one.
    pub async fn retry(&self, account: &Account, id: MessageId) -> Result<Option<Model>, StoreError> {
        let moved =
            self.store.requeue(id, self.clock.next_seq()).await.inspect_err(|_| self.lanes.refresh(account.id))?;
        if let Some(row) = &moved {
            let now = self.clock.now();
            self.place(account, &[entry_of(row, now)]).await;
            self.lanes.wake(account.id);
            self.tell_moved(row, Status::Queued);
        }
        Ok(moved)
    }

    fn tell_moved(&self, row: &Model, status: Status) {
        let event = Event::moved(row.id, row.chat_id.map(|chat| chat.to_string()), status, self.clock.now());
        self.bus.publish(row.company_id, row.account_id, event);
    }

    /// Takes back a message that has not started; answers whether it had not.
    pub async fn cancel(&self, row: &Model) -> Result<bool, StoreError> {
        let is_taken = self.store.cancel(row.id).await.inspect_err(|_| self.lanes.refresh(row.account_id))?;
        if is_taken {
            self.take_out(row.account_id, &[entry_of(row, self.clock.now())]).await;
            self.tell_moved(row, Status::Cancelled);
        }
        Ok(is_taken)
    }

    /// Takes back everything the account has accepted by now and not started, in slices that hold up
    /// nobody else's; answers how many.
    pub async fn cancel_all(&self, account: &Account) -> Result<u64, StoreError> {
        let (upto, mut count) = (self.clock.next_seq(), 0);
        loop {
            let some = self.store.cancel_some(account.id, upto, CHUNK as i64);
            let some = some.await.inspect_err(|_| self.lanes.refresh(account.id))?;
            if some.is_empty() {
                return Ok(count);
            }
            count += some.len() as u64;
            self.take_out(account.id, &some).await;
            // Also for who waits for one of them.
            self.bus.publish(account.company_id, account.id, Event::AccountChanged);
        }
    }

    /// Takes messages out of line whose rows were taken back.
    async fn take_out(&self, account: AccountId, entries: &[Entry]) {
        if let Err(error) = self.queue.remove(account, entries).await {
            tracing::warn!(account.id = %account, %error, "taken back; the queue is restored later");
            self.lanes.refresh(account);
        }
    }
}
