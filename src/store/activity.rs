//! What an account did, minute by minute.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::MessageId;
use sea_orm::ConnectionTrait;

use super::account::Account;
use super::{Store, StoreError};
use crate::clock::seq_of;

/// One minute of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// Messages that left.
    pub sent: u32,
    /// Messages that came in.
    pub received: u32,
    /// Messages that will not arrive.
    pub failed: u32,
}

/// Failed messages are looked for among those accepted so long before at most.
const ACCEPTED: TimeDelta = TimeDelta::days(7);

impl Store {
    /// What the account did since `from`, by minutes since 1970; those in which it did nothing are not there.
    pub async fn activity(&self, account: &Account, from: DateTime<Utc>) -> Result<BTreeMap<i64, Minute>, StoreError> {
        let (id, since) = (account.id, from.timestamp_millis());
        let mut minutes: BTreeMap<i64, Minute> = BTreeMap::new();
        // What has just left is counted once it is in its chat.
        let filed = |column: &str, origin: &str| {
            format!(
                "SELECT message.{column} / 60000, COUNT(*) FROM chat JOIN message ON message.chat_id = chat.id
                 WHERE chat.account_id = $1 AND chat.active_at_ms >= $2 AND message.filed_seq >= $3
                     AND message.origin = '{origin}' AND message.{column} >= $2 GROUP BY 1"
            )
        };
        let values = || vec![id.into(), since.into(), seq_of(from).into()];
        for (minute, count) in self.by_minute(&filed("sent_at_ms", "accepted"), values()).await? {
            minutes.entry(minute).or_default().sent = count;
        }
        for (minute, count) in self.by_minute(&filed("delivered_at_ms", "received"), values()).await? {
            minutes.entry(minute).or_default().received = count;
        }
        let failed = "SELECT attempted_at_ms / 60000, COUNT(*) FROM message
             WHERE company_id = $3 AND status = 'failed' AND id >= $4 AND account_id = $1 AND attempted_at_ms >= $2
             GROUP BY 1";
        let oldest = MessageId::new(seq_of(from - ACCEPTED), 0);
        let values = vec![id.into(), since.into(), account.company_id.into(), oldest.into()];
        for (minute, count) in self.by_minute(failed, values).await? {
            minutes.entry(minute).or_default().failed = count;
        }
        Ok(minutes)
    }

    async fn by_minute(&self, sql: &str, values: Vec<sea_orm::Value>) -> Result<Vec<(i64, u32)>, StoreError> {
        let rows = self.reader.query_all_raw(self.sql(sql, values)).await?;
        let read = |row: &sea_orm::QueryResult| {
            let (minute, count): (i64, i64) = row.try_get_many_by_index()?;
            Ok((minute, u32::try_from(count).unwrap_or(u32::MAX)))
        };
        rows.iter().map(read).collect()
    }
}
