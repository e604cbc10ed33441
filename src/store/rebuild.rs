//! What a queue is rebuilt from: the messages still to be sent, those an owner left in flight, and
//! what pacing counted.

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{AccountId, MessageId};
use sea_orm::ConnectionTrait;

use super::message::{Attempt, Begun, Paced};
use super::{Store, StoreError, instant};
use crate::pacing::pace::Sent;
use crate::pacing::{Pace, Policy};
use crate::queue::{Entry, Held, RANKS, SEQS, rank};

/// These columns of the account's `queued` messages, whether they are in its lists yet or not. The
/// account is parameter $1.
pub(super) fn queued_rows(columns: &str) -> String {
    let rows = |is_listed: &str| {
        format!("SELECT {columns} FROM message WHERE account_id = $1 AND status = 'queued' AND is_listed = {is_listed}")
    };
    format!("{} UNION ALL {}", rows("TRUE"), rows("FALSE"))
}

impl Store {
    /// How many messages of the account are `queued`.
    pub async fn count_queued(&self, account: AccountId) -> Result<u64, StoreError> {
        Ok(self.queued(account).await?.count)
    }

    /// Which messages of the account are `queued`, as far as numbers tell. Read from an index
    /// alone, a second for some ten million.
    pub async fn queued(&self, account: AccountId) -> Result<Held, StoreError> {
        let sql = format!(
            "SELECT COUNT(*), CAST(COALESCE(SUM((CAST(priority AS BIGINT) * {SEQS} + seq) % {RANKS}), 0) AS BIGINT)
             FROM ({}) AS queued",
            queued_rows("priority, seq")
        );
        let row = self.reader.query_one_raw(self.sql(sql, [account.into()])).await?;
        let (count, ranks): (i64, i64) = row.map_or(Ok((0, 0)), |row| row.try_get_many_by_index())?;
        Ok(Held { count: count.unsigned_abs(), ranks: ranks % RANKS })
    }

    /// Whether any message of the account is `queued`.
    pub async fn has_queued(&self, account: AccountId) -> Result<bool, StoreError> {
        let sql = format!("{} LIMIT 1", queued_rows("1"));
        Ok(self.reader.query_one_raw(self.sql(sql, [account.into()])).await?.is_some())
    }

    /// How many of the account's messages go before this one if their time has come: for a queue
    /// that can't be asked.
    pub async fn count_before(&self, account: AccountId, entry: &Entry, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = format!(
            "SELECT COUNT(*) FROM ({}) AS queued
             WHERE (priority, seq) < ($2, $3) AND (due_at_ms IS NULL OR due_at_ms <= $4)",
            queued_rows("priority, seq, due_at_ms")
        );
        let (priority, seq) = (entry.rank / SEQS, entry.rank % SEQS);
        let values = [account.into(), priority.into(), seq.into(), now.timestamp_millis().into()];
        let row = self.reader.query_one_raw(self.sql(sql, values)).await?;
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
        let sql = format!(
            "SELECT id, priority, seq, due_at_ms FROM ({}) AS queued
             WHERE (priority, seq) > ($2, $3) ORDER BY priority, seq LIMIT $4",
            queued_rows("id, priority, seq, due_at_ms")
        );
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

    /// The attempts of the account that were begun and have no outcome, to be ended by the lane of
    /// `epoch`; with what was begun.
    pub async fn in_flight(&self, account: AccountId, epoch: i64) -> Result<Vec<(Attempt, Begun)>, StoreError> {
        let sql =
            "SELECT id, recipient, text, attempts, chat_id, user_id, COALESCE(attempt, 0), attempted_at_ms FROM message
                   WHERE account_id = $1 AND status = 'sending'";
        let rows = self.reader.query_all_raw(self.sql(sql, [account.into()])).await?;
        rows.iter()
            .map(|row| {
                let (message, recipient, text, attempts, chat, user, token, at): (
                    MessageId,
                    String,
                    String,
                    i32,
                    _,
                    _,
                    i64,
                    i64,
                ) = row.try_get_many_by_index()?;
                let attempt = Attempt { account, message, epoch, token, at: instant(at) };
                // What is in flight is ended, and not sent again from here.
                let media = None;
                Ok((attempt, Begun { recipient, text, attempts: attempts.unsigned_abs(), chat, user, media }))
            })
            .collect()
    }

    /// What was counted of the account, from its rows.
    pub async fn pace(&self, account: AccountId, policy: &Policy, now: DateTime<Utc>) -> Result<Pace, StoreError> {
        let sql = "SELECT at_ms, next_at_ms, since_rest, took_ms FROM paced
                   WHERE account_id = $1 ORDER BY at_ms DESC LIMIT $2";
        let window = i64::from(policy.per_minute.unwrap_or(0).max(1));
        let rows = self.reader.query_all_raw(self.sql(sql, [account.into(), window.into()])).await?;
        let mut pace = Pace::default();
        for (index, row) in rows.iter().enumerate() {
            let (at, next_at, since_rest, took_ms): (i64, i64, i32, i64) = row.try_get_many_by_index()?;
            if index == 0 {
                pace.last_at = Some(instant(at));
                pace.next_at = Some(instant(next_at));
                pace.since_rest = since_rest.unsigned_abs();
                pace.took_ms = u32::try_from(took_ms).unwrap_or(0);
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
        let sql = "SELECT COUNT(*) FROM paced WHERE account_id = $1 AND at_ms >= $2 AND at_ms < $3";
        let values = [account.into(), from.timestamp_millis().into(), to.timestamp_millis().into()];
        let row = self.reader.query_one_raw(self.sql(sql, values)).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

impl Paced {
    /// What is kept of `pace`, which has just counted a send.
    #[must_use]
    pub fn of(pace: &Pace, at: DateTime<Utc>) -> Self {
        let next_at = pace.next_at.unwrap_or(at);
        Self { at, next_at, since_rest: pace.since_rest, took_ms: pace.took_ms, is_first: pace.day_count == 1 }
    }
}
