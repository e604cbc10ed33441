//! What a queue is rebuilt from: the messages still to be sent, those an owner left in flight, and
//! what pacing counted.

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{AccountId, MessageId};
use sea_orm::ConnectionTrait;

use super::message::{Begun, Paced};
use super::{Store, StoreError, instant};
use crate::pacing::pace::Sent;
use crate::pacing::{Pace, Policy};
use crate::queue::{Entry, rank};

impl Store {
    /// How many messages of the account are `queued`.
    pub async fn count_queued(&self, account: AccountId) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM message
                   WHERE account_id = $1 AND status = 'queued' AND status IN ('queued', 'sending')";
        let row = self.reader.query_one_raw(self.sql(sql, [account.into()])).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(count.unsigned_abs())
    }

    /// A batch of the account's `queued` messages in queue order, after the rank `after`; with the
    /// rank to go on from.
    pub async fn queued_after(
        &self,
        account: AccountId,
        after: Option<(i16, i64)>,
        limit: u64,
    ) -> Result<(Vec<Entry>, Option<(i16, i64)>), StoreError> {
        let (priority, seq) = after.unwrap_or((-1, -1));
        let sql = "SELECT id, priority, seq, due_at_ms FROM message
                   WHERE account_id = $1 AND status = 'queued' AND status IN ('queued', 'sending')
                     AND (priority, seq) > ($2, $3)
                   ORDER BY priority, seq LIMIT $4";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [account.into(), priority.into(), seq.into(), limit.into()];
        let rows = self.reader.query_all_raw(self.sql(sql, values)).await?;
        let mut entries = Vec::with_capacity(rows.len());
        let mut last = None;
        for row in &rows {
            let (message, priority, seq, due): (MessageId, i16, i64, Option<i64>) = row.try_get_many_by_index()?;
            entries.push(Entry { message, rank: rank(priority, seq), due_at: due.map(instant) });
            last = Some((priority, seq));
        }
        Ok((entries, last))
    }

    /// Whether the message is `queued`.
    pub async fn is_queued(&self, message: MessageId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM message WHERE id = $1 AND status = 'queued'";
        Ok(self.reader.query_one_raw(self.sql(sql, [message.into()])).await?.is_some())
    }

    /// The messages of the account that an attempt was begun for and that have no outcome; with
    /// what was begun.
    pub async fn in_flight(&self, account: AccountId) -> Result<Vec<(MessageId, Begun)>, StoreError> {
        let sql = "SELECT id, recipient, text, attempts, chat_id, user_id FROM message
                   WHERE account_id = $1 AND status = 'sending' AND status IN ('queued', 'sending')";
        let rows = self.reader.query_all_raw(self.sql(sql, [account.into()])).await?;
        rows.iter()
            .map(|row| {
                let (id, recipient, text, attempts, chat, user): (MessageId, String, String, i32, _, _) =
                    row.try_get_many_by_index()?;
                Ok((id, Begun { recipient, text, attempts: attempts.unsigned_abs(), chat, user }))
            })
            .collect()
    }

    /// Says of what an account that is removed had in flight that nobody knows.
    pub async fn lose_in_flight(&self, account: AccountId) -> Result<(), StoreError> {
        let sql = "UPDATE message SET status = 'uncertain', error_code = 'interrupted',
                          error_message = 'the account was removed while the message was being sent'
                   WHERE account_id = $1 AND status = 'sending' AND status IN ('queued', 'sending')";
        Ok(self.writer.execute_raw(self.sql(sql, [account.into()])).await.map(drop)?)
    }

    /// What was counted of the account, from its rows.
    pub async fn pace(&self, account: AccountId, policy: &Policy, now: DateTime<Utc>) -> Result<Pace, StoreError> {
        let sql = "SELECT paced_at_ms, next_at_ms, since_rest, attempted_at_ms FROM message
                   WHERE account_id = $1 AND paced_at_ms IS NOT NULL ORDER BY paced_at_ms DESC LIMIT $2";
        let window = i64::from(policy.per_minute.unwrap_or(0).max(1));
        let rows = self.reader.query_all_raw(self.sql(sql, [account.into(), window.into()])).await?;
        let mut pace = Pace::default();
        for (index, row) in rows.iter().enumerate() {
            let (at, next_at, since_rest, began): (i64, Option<i64>, Option<i32>, Option<i64>) =
                row.try_get_many_by_index()?;
            if index == 0 {
                pace.last_at = Some(instant(at));
                pace.next_at = next_at.map(instant);
                pace.since_rest = since_rest.unwrap_or(0).unsigned_abs();
                pace.took_ms = u32::try_from(at - began.unwrap_or(at)).unwrap_or(0);
            }
            if policy.per_minute.is_some() {
                pace.recent.push_front(Sent(instant(at)));
            }
        }
        if pace.last_at.is_some() {
            let day = policy.day_of(now);
            pace.day = Some(day);
            pace.day_count = self.count_paced(account, policy.start_of(day), policy.end_of(day)).await?;
        }
        Ok(pace)
    }

    /// Sends counted in the 60 s up to `now`.
    pub async fn sent_last_minute(&self, account: AccountId, now: DateTime<Utc>) -> Result<u32, StoreError> {
        self.count_paced(account, now - TimeDelta::seconds(60), now + TimeDelta::milliseconds(1)).await
    }

    async fn count_paced(&self, account: AccountId, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<u32, StoreError> {
        let sql = "SELECT COUNT(*) FROM message WHERE account_id = $1 AND paced_at_ms >= $2 AND paced_at_ms < $3";
        let values = [account.into(), from.timestamp_millis().into(), to.timestamp_millis().into()];
        let row = self.reader.query_one_raw(self.sql(sql, values)).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

impl Paced {
    /// What a row keeps of `pace`, which has just counted it.
    #[must_use]
    pub fn of(pace: &Pace, at: DateTime<Utc>) -> Self {
        Self { at, next_at: pace.next_at.unwrap_or(at), since_rest: pace.since_rest }
    }
}
