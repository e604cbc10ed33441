//! The counts of a company, from rows that are written together with what they count: cheap
//! however many messages there are.

use entity::account::Provider;
use entity::ids::{AccountId, CompanyId};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::{Store, StoreError};

/// Days of the history that is shown.
pub const HISTORY_DAYS: i32 = 30;

/// Messages of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    /// Days since 1970.
    pub day: i32,
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}

/// What there is of a company.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Messages sent.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// The last [`HISTORY_DAYS`], oldest first; those without messages are left out.
    pub days: Vec<Day>,
    /// Chats with one person.
    pub individual: u64,
    /// Chats with many.
    pub groups: u64,
    /// Chats with something unread.
    pub unread: u64,
    /// Managers.
    pub managers: u64,
    /// Managers with a grant.
    pub with_access: u64,
}

/// An account's columns that are counted.
type Row = (AccountId, Provider, bool, bool, bool, i64);

/// What is counted of an account.
#[derive(Debug, Clone, Copy)]
pub struct Owned {
    /// Its id.
    pub id: AccountId,
    /// Its messenger.
    pub provider: Provider,
    /// Whether it should be connected.
    pub should_connect: bool,
    /// Whether its messenger knows it.
    pub is_known: bool,
    /// How often a lane took it.
    pub epoch: i64,
}

impl Stats {
    /// Messages of one day, in both directions.
    #[must_use]
    pub fn on(&self, day: i32) -> u64 {
        self.days.iter().filter(|other| other.day == day).map(|day| day.sent + day.received).sum()
    }
}

impl Store {
    /// The company's counts as of the day `today`.
    pub async fn stats(&self, company: CompanyId, today: i32) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        let sql = "SELECT CAST(COALESCE(SUM(sent), 0) AS BIGINT), CAST(COALESCE(SUM(received), 0) AS BIGINT)
                   FROM traffic WHERE company_id = $1";
        if let Some(row) = self.reader.query_one_raw(self.sql(sql, [company.into()])).await? {
            let (sent, received): (i64, i64) = row.try_get_many_by_index()?;
            (stats.sent, stats.received) = (sent.unsigned_abs(), received.unsigned_abs());
        }
        let sql = "SELECT day, CAST(SUM(sent) AS BIGINT), CAST(SUM(received) AS BIGINT) FROM traffic
                   WHERE company_id = $1 AND day > $2 AND day <= $3 GROUP BY day ORDER BY day";
        let values = [company.into(), (today - HISTORY_DAYS).into(), today.into()];
        for row in self.reader.query_all_raw(self.sql(sql, values)).await? {
            let (day, sent, received): (i32, i64, i64) = row.try_get_many_by_index()?;
            stats.days.push(Day { day, sent: sent.unsigned_abs(), received: received.unsigned_abs() });
        }
        let sql =
            "SELECT CAST(COALESCE(SUM(individual_chats), 0) AS BIGINT), CAST(COALESCE(SUM(group_chats), 0) AS BIGINT)
                   FROM tally WHERE company_id = $1";
        if let Some(row) = self.reader.query_one_raw(self.sql(sql, [company.into()])).await? {
            let (individual, groups): (i64, i64) = row.try_get_many_by_index()?;
            (stats.individual, stats.groups) = (individual.unsigned_abs(), groups.unsigned_abs());
        }
        stats.unread = self
            .count_of("SELECT COUNT(*) FROM chat WHERE company_id = $1 AND unread_count > 0", company.into())
            .await?;
        let managers = "SELECT COUNT(*) FROM \"user\" WHERE company_id = $1 AND role = 'manager'";
        stats.managers = self.count_of(managers, company.into()).await?;
        let with_access = "SELECT COUNT(DISTINCT user_id) FROM account_grant WHERE company_id = $1";
        stats.with_access = self.count_of(with_access, company.into()).await?;
        Ok(stats)
    }

    /// What `sql` counts of one thing; nothing where it finds no row.
    pub(super) async fn count_of(&self, sql: &str, of: Value) -> Result<u64, StoreError> {
        let row = self.reader.query_one_raw(self.sql(sql, [of])).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(count.unsigned_abs())
    }

    /// The company's accounts, oldest first, as their rows have it.
    pub async fn accounts_of(&self, company: CompanyId) -> Result<Vec<Owned>, StoreError> {
        let sql = "SELECT id, provider, should_connect, pairing IS NOT NULL, first_connected_at_ms IS NOT NULL, epoch
                   FROM account WHERE company_id = $1 ORDER BY id";
        // Of thousands of accounts that takes a moment: few at a time, so that others are answered meanwhile.
        let _turn = self.counting.acquire().await;
        let rows = self.reader.query_all_raw(self.sql(sql, [company.into()])).await?;
        let read = |row: &QueryResult| {
            let (id, provider, should_connect, is_paired, was_let_in, epoch): Row = row.try_get_many_by_index()?;
            Ok(Owned { id, provider, should_connect, is_known: provider.knows(is_paired, was_let_in), epoch })
        };
        rows.iter().map(read).collect()
    }
}
