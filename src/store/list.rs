//! Messages as people ask for them: one, or a filtered page; and what people do to them.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, CompanyId, MessageId};
use entity::message::{Column, Entity, Model, Status};
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr, UnionType};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryTrait};

use super::accept::find_keys;
use super::rebuild::queued_rows;
use super::tally;
use super::{Store, StoreError, instant};
use crate::clock::seq_of;
use crate::queue::{Entry, rank};

/// What a list of messages is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these accounts.
    pub accounts: Option<Vec<AccountId>>,
    /// In one status, as the API shows it: with `scheduled`.
    pub status: Option<Shown>,
    /// With the caller's own id.
    pub reference: Option<String>,
    /// Accepted at or after.
    pub from: Option<DateTime<Utc>>,
    /// Accepted before.
    pub to: Option<DateTime<Utc>>,
}

impl Filter {
    /// How many messages it leaves of the company's: as they were counted, and the few that were not yet.
    /// Only what is narrowed by more than accounts and a status most are in is counted row by row.
    fn count(&self, company: CompanyId, wanted: &Condition) -> SelectStatement {
        let count = |rows| Query::select().expr(Expr::cust("COUNT(*)")).from_subquery(rows, "message").to_owned();
        let column = match self {
            Self { status: None, reference: None, from: None, to: None, .. } => Some(("listed_messages", UNLISTED)),
            Self { status: Some(Shown::Row(status)), reference: None, from: None, to: None, .. } => {
                tally::status_column(*status).map(|column| (column, UNFILED))
            }
            _ => None,
        };
        let Some((column, uncounted)) = column else { return count(both(wanted)) };
        let mut counted = Query::select();
        counted.expr(Expr::cust(format!("CAST(COALESCE(SUM({column}), 0) AS BIGINT)"))).from("tally");
        counted.and_where(Expr::col("company_id").eq(company));
        if let Some(accounts) = &self.accounts {
            counted.and_where(Expr::col("account_id").is_in(accounts.iter().copied()));
        }
        let sum = SimpleExpr::from(counted).add(SimpleExpr::from(count(part(wanted, uncounted))));
        Query::select().expr(sum).to_owned()
    }
}

const LISTED: &str = "is_listed = TRUE";
const UNLISTED: &str = "is_listed = FALSE";
const UNFILED: &str = "is_filed = FALSE";

/// Those of the wanted messages.
fn part(wanted: &Condition, which: &'static str) -> SelectStatement {
    Entity::find().filter(wanted.clone()).filter(Expr::cust(which)).into_query()
}

/// Those in the lists, and those that are in none yet.
fn both(wanted: &Condition) -> SelectStatement {
    part(wanted, LISTED).union(UnionType::All, part(wanted, UNLISTED)).to_owned()
}

/// The latest of the wanted messages, so many of each part: a database that was to put the whole parts
/// together first would read them all.
fn latest(wanted: &Condition, most: u64) -> SelectStatement {
    let of = |which| {
        let latest = part(wanted, which).order_by("id", Order::Desc).limit(most).to_owned();
        Query::select().column(Asterisk).from_subquery(latest, "latest").to_owned()
    };
    of(LISTED).union(UnionType::All, of(UNLISTED)).to_owned()
}

/// A message's status as people see it: time tells two more apart than the row does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// What the row says.
    Row(Status),
    /// Queued, and the time the caller asked for has not come. One that waits to be tried again
    /// has an error to show and is queued.
    Scheduled,
}

impl Shown {
    /// How a row looks at `now`. A queued message whose time ran out is expired, even if no lane
    /// has come across it yet.
    #[must_use]
    pub fn of(row: &Model, now: DateTime<Utc>) -> Self {
        let now = now.timestamp_millis();
        match row.status {
            Status::Queued if row.expires_at_ms.is_some_and(|at| at <= now) => Self::Row(Status::Expired),
            Status::Queued if row.error_code.is_none() && row.due_at_ms.is_some_and(|at| at > now) => Self::Scheduled,
            status => Self::Row(status),
        }
    }

    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Row(status) => status.as_str(),
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        if word == "scheduled" { Some(Self::Scheduled) } else { word.parse().ok().map(Self::Row) }
    }

    fn condition(self, now: DateTime<Utc>) -> Condition {
        let now = now.timestamp_millis();
        // Written out, so that a database sees which partial index has them.
        let is = |status: Status| Expr::cust(format!("status = '{status}'"));
        let is_over = || Condition::all().add(is(Status::Queued)).add(Column::ExpiresAtMs.lte(now));
        let is_scheduled = || Condition::all().add(Column::DueAtMs.gt(now)).add(Column::ErrorCode.is_null());
        let lasts = || Condition::any().add(Column::ExpiresAtMs.is_null()).add(Column::ExpiresAtMs.gt(now));
        let has_come = || {
            Condition::any()
                .add(Column::DueAtMs.is_null())
                .add(Column::DueAtMs.lte(now))
                .add(Column::ErrorCode.is_not_null())
        };
        match self {
            Self::Row(Status::Expired) => Condition::any().add(is(Status::Expired)).add(is_over()),
            Self::Row(Status::Queued) => Condition::all().add(is(Status::Queued)).add(lasts()).add(has_come()),
            Self::Scheduled => Condition::all().add(is(Status::Queued)).add(lasts()).add(is_scheduled()),
            Self::Row(status) => Condition::all().add(is(status)),
        }
    }
}

/// That a message was accepted here. Written as the indexes have it, or SQLite would not use them.
fn is_accepted() -> SimpleExpr {
    Expr::cust("origin = 'accepted'")
}

/// Which part of a list.
#[derive(Debug, Clone, Copy)]
pub enum Page<T> {
    /// Skip so many.
    Offset(u64),
    /// Go on after this one.
    After(T),
}

impl Store {
    /// The message, if the company had it accepted.
    pub async fn find_message(&self, company: CompanyId, id: MessageId) -> Result<Option<Model>, StoreError> {
        let found = Entity::find_by_id(id).filter(Column::CompanyId.eq(company)).filter(is_accepted());
        Ok(found.one(&self.reader).await?)
    }

    /// Messages by id, in the order asked for.
    pub async fn find_messages(&self, company: CompanyId, ids: &[MessageId]) -> Result<Vec<Model>, StoreError> {
        let found = Entity::find().filter(Column::Id.is_in(ids.iter().copied())).filter(Column::CompanyId.eq(company));
        let mut rows = found.all(&self.reader).await?;
        rows.sort_by_key(|row| ids.iter().position(|id| *id == row.id));
        Ok(rows)
    }

    /// A page of the company's messages, newest first, and how many there are.
    pub async fn list_messages(
        &self,
        company: CompanyId,
        filter: &Filter,
        page: Page<MessageId>,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<(Vec<Model>, u64), StoreError> {
        let mut wanted = Condition::all().add(Column::CompanyId.eq(company)).add(is_accepted());
        if let Some(accounts) = &filter.accounts {
            wanted = wanted.add(Column::AccountId.is_in(accounts.iter().copied()));
        }
        if let Some(status) = filter.status {
            wanted = wanted.add(status.condition(now));
        }
        if let Some(reference) = &filter.reference {
            wanted = wanted.add(Column::Reference.eq(reference.as_str()));
        }
        if let Some(from) = filter.from {
            wanted = wanted.add(Column::CreatedAtMs.gte(from.timestamp_millis()));
            // What was accepted later has a higher id, however far ids are ahead of the clock.
            wanted = wanted.add(Column::Id.gte(MessageId::new(seq_of(instant(from.timestamp_millis())), 0)));
        }
        if let Some(to) = filter.to {
            wanted = wanted.add(Column::CreatedAtMs.lt(to.timestamp_millis()));
        }
        let counted = self.reader.query_one(&filter.count(company, &wanted)).await?;
        let total: i64 = counted.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        let (wanted, skipped) = match page {
            Page::Offset(offset) => (wanted, offset),
            Page::After(id) => (wanted.add(Column::Id.lt(id)), 0),
        };
        let mut rows = latest(&wanted, skipped + limit);
        let rows = rows.order_by("id", Order::Desc).offset(skipped).limit(limit);
        let rows = self.reader.query_all(rows).await?;
        let rows: Result<_, DbErr> = rows.iter().map(|row| Model::from_query_result(row, "")).collect();
        Ok((rows?, total.unsigned_abs()))
    }

    /// The messages accepted before under `keys`, each with its place among them and its hash.
    pub async fn find_by_keys(
        &self,
        company: CompanyId,
        keys: &[String],
    ) -> Result<Vec<(usize, MessageId, i64)>, StoreError> {
        let asked: Vec<_> = keys.iter().enumerate().map(|(i, key)| (i, company, key.as_str())).collect();
        let found = find_keys(&self.reader, &asked).await?;
        Ok(found.into_iter().map(|found| (found.index, found.message, found.hash)).collect())
    }

    /// The account's first messages in the order in which they go: for a queue that can't be asked.
    pub async fn first_queued(&self, account: AccountId, limit: u64) -> Result<Vec<Model>, StoreError> {
        let sql = format!("SELECT * FROM ({}) AS queued ORDER BY priority, seq LIMIT $2", queued_rows("*"));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.reader.query_all_raw(self.sql(sql, [account.into(), limit.into()])).await?;
        rows.iter().map(|row| Ok(Model::from_query_result(row, "")?)).collect()
    }

    /// Takes a message back that has not started; answers whether it had not.
    pub async fn cancel(&self, id: MessageId) -> Result<bool, StoreError> {
        let sql = "UPDATE message SET status = 'cancelled' WHERE id = $1 AND status = 'queued' RETURNING id";
        Ok(!self.write(self.sql(sql, [id.into()])).await?.is_empty())
    }

    /// Takes back up to `limit` messages that an account had accepted before `seq` and has not
    /// started; answers them.
    pub async fn cancel_some(&self, account: AccountId, seq: i64, limit: i64) -> Result<Vec<Entry>, StoreError> {
        let sql = format!(
            "UPDATE message SET status = 'cancelled' WHERE status = 'queued' AND id IN
                 (SELECT id FROM ({}) AS queued WHERE seq < $2 LIMIT $3)
             RETURNING id, priority, seq",
            queued_rows("id, seq")
        );
        let rows = self.write(self.sql(sql, [account.into(), seq.into(), limit.into()])).await?;
        rows.iter()
            .map(|row| {
                let (message, priority, seq): (MessageId, i16, i64) = row.try_get_many_by_index()?;
                Ok(Entry { message, rank: rank(priority, seq), due_at: None })
            })
            .collect()
    }

    /// Puts a failed or uncertain message back, at the end of its priority: the row, if it moved.
    pub async fn requeue(&self, id: MessageId, seq: i64) -> Result<Option<Model>, StoreError> {
        let sql = "UPDATE message SET status = 'queued', seq = $2, due_at_ms = NULL, attempts = 0,
                          error_code = NULL, error_message = NULL
                   WHERE id = $1 AND status IN ('failed', 'uncertain') RETURNING *";
        let moved = self.write(self.sql(sql, [id.into(), seq.into()])).await?;
        moved.first().map(|row| Ok(Model::from_query_result(row, "")?)).transpose()
    }
}
