//! Lists of chats as people ask for them: of one account, or of a whole company.

use std::collections::BTreeSet;

use entity::chat::{Column, Entity, Kind, Model};
use entity::ids::{AccountId, ChatId, CompanyId};
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func, Order, Query, SelectStatement, SimpleExpr, UnionType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryTrait,
};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::list::Page;
use super::{Store, StoreError, tally};

/// What a list of chats is narrowed to.
#[derive(Debug, Clone)]
pub struct ChatFilter {
    /// Whose.
    pub company: CompanyId,
    /// Of these accounts; none: of all.
    pub accounts: Option<Vec<AccountId>>,
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// With this in their name, number, or a message.
    pub search: Option<String>,
    /// Only those with something unread.
    pub is_unread: bool,
    /// Only those put away, or only the others.
    pub is_archived: Option<bool>,
}

/// Who searches, and who waits to.
pub(super) struct Searching {
    places: Semaphore,
    turns: Semaphore,
}

type SearchTurn<'a> = (SemaphorePermit<'a>, SemaphorePermit<'a>);

impl Default for Searching {
    fn default() -> Self {
        Self { places: Semaphore::new(WAITING), turns: Semaphore::new(AT_ONCE) }
    }
}

/// Searches that run at once, of the few that may read at once …
const AT_ONCE: usize = 2;
/// … and that may wait for their turn, those included; more are asked to come again.
const WAITING: usize = 16;

/// Goes on after the chat that was active then and has this id.
pub type ChatCursor = (i64, ChatId);

/// The messages, newest first, whose chats a search for words finds; and the chats that are found by name
/// or number and then looked up one by one. If there are more, all are gone through.
const FOUND: u64 = 1_000;
/// Accounts whose chats are each cut before they are put together; of more, the company's are gone through.
const FEW: usize = 32;
/// Words of a search that are looked for in messages: of more, the first.
const WORDS: usize = 8;
/// Accounts in whose messages words are looked for at once.
const SOME: usize = 200;

impl ChatFilter {
    fn of_kind(&self) -> Condition {
        Condition::all().add(Column::Kind.is_in(self.kinds.iter().map(|kind| kind.as_str())))
    }

    fn of_state(&self) -> Condition {
        let mut state = Condition::all();
        if self.is_unread {
            // As the index has it.
            state = state.add(Expr::cust("unread_count > 0"));
        }
        state.add_option(self.is_archived.map(|is_archived| {
            if is_archived { Expr::cust("is_archived = TRUE") } else { Expr::cust("is_archived = FALSE") }
        }))
    }

    /// Those that are whose they are to be, as an index on the company leads to them.
    fn of_company(&self) -> Condition {
        let accounts = self.accounts.iter().map(|some| Column::AccountId.is_in(some.iter().copied()));
        accounts.fold(Condition::all().add(Column::CompanyId.eq(self.company)), Condition::add)
    }

    /// The same, as an index on the account does.
    fn of_accounts(&self) -> SimpleExpr {
        match &self.accounts {
            Some(accounts) => Column::AccountId.is_in(accounts.iter().copied()),
            None => {
                let mut all = Query::select();
                all.expr(Expr::col(("account", "id"))).from("account");
                all.and_where(Expr::col(("account", "company_id")).eq(self.company));
                Expr::col(Column::AccountId).in_subquery(all)
            }
        }
    }
}

impl Store {
    /// A page of chats, the latest first, and how many there are.
    pub async fn list_chats(
        &self,
        filter: &ChatFilter,
        page: Page<ChatCursor>,
        limit: u64,
    ) -> Result<(Vec<Model>, u64), StoreError> {
        let wanted = filter.of_kind().add(filter.of_state());
        let (_turn, found) = match &filter.search {
            Some(search) => (Some(self.turn_to_search().await?), Some(self.matching(filter, search).await?)),
            None => (None, None),
        };
        let total = self.count_listed(filter, &wanted, found.as_ref()).await?;
        let (after, most) = match page {
            Page::Offset(offset) => (None, offset.saturating_add(limit)),
            // Compared as pairs, so that the index leads there.
            Page::After((at, id)) => {
                let place = Expr::tuple([Expr::col(Column::ActiveAtMs), Expr::col(Column::Id)]);
                (Some(place.lt(Expr::tuple([Expr::value(at), Expr::value(id)]))), limit)
            }
        };
        let wanted = wanted.add_option(after);
        let some = |whose: Condition| in_order(Entity::find().filter(wanted.clone()).filter(whose).into_query(), most);
        let mut rows = match (found, &filter.accounts) {
            (Some(found), _) => some(found),
            (None, Some(accounts)) if accounts.len() <= FEW => {
                let parts: Vec<_> =
                    accounts.iter().map(|account| some(Condition::all().add(Column::AccountId.eq(*account)))).collect();
                match together(parts) {
                    Some(all) => in_order(all, most),
                    None => return Ok((Vec::new(), 0)),
                }
            }
            (None, _) => some(filter.of_company()),
        };
        if let Page::Offset(offset) = page {
            rows.reset_limit().limit(limit).offset(offset);
        }
        let rows = self.reader.query_all(&rows).await?;
        let rows = rows.iter().map(|row| Model::from_query_result(row, "")).collect::<Result<_, _>>()?;
        Ok((rows, total))
    }

    /// A turn to search: searches read much, and leave the others room.
    async fn turn_to_search(&self) -> Result<SearchTurn<'_>, StoreError> {
        let busy = |_| StoreError::Down(DbErr::Custom("many search at once".to_owned()));
        let place = self.searching.places.try_acquire().map_err(busy)?;
        let turn = self.searching.turns.acquire().await;
        turn.map(|turn| (place, turn)).map_err(|_| StoreError::Down(DbErr::Custom("the store is closed".to_owned())))
    }

    /// How many chats a list has. Those of a kind are counted as they come; what is unread or put away
    /// is a part that an index has.
    async fn count_listed(
        &self,
        filter: &ChatFilter,
        wanted: &Condition,
        found: Option<&Condition>,
    ) -> Result<u64, StoreError> {
        let count = async |wanted: Condition| {
            let rows = Entity::find().filter(wanted).into_query();
            let count = Query::select().expr(Expr::cust("COUNT(*)")).from_subquery(rows, "chat").to_owned();
            self.counted(&count).await
        };
        let whose = || Condition::all().add(found.cloned().unwrap_or_else(|| filter.of_company()));
        if found.is_some() || filter.is_unread || filter.is_archived == Some(true) {
            return count(whose().add(wanted.clone())).await;
        }
        let columns: Vec<_> = filter.kinds.iter().map(|kind| tally::column(*kind)).collect();
        let sum = format!("CAST(COALESCE(SUM({}), 0) AS BIGINT)", columns.join(" + "));
        let mut all = Query::select();
        all.expr(Expr::cust(sum)).from("tally").and_where(Expr::col("company_id").eq(filter.company));
        if let Some(accounts) = &filter.accounts {
            all.and_where(Expr::col("account_id").is_in(accounts.iter().copied()));
        }
        let all = self.counted(&all).await?;
        if filter.is_archived.is_none() {
            return Ok(all);
        }
        let archived = whose().add(filter.of_kind()).add(Expr::cust("is_archived = TRUE"));
        Ok(all.saturating_sub(count(archived).await?))
    }

    async fn counted(&self, count: &SelectStatement) -> Result<u64, StoreError> {
        let row = self.reader.query_one(count).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(count.unsigned_abs())
    }

    /// Which of the chats `search` finds: the name or the address has it in it, or the messages have words
    /// that begin so.
    async fn matching(&self, filter: &ChatFilter, search: &str) -> Result<Condition, StoreError> {
        let search = search.trim().to_lowercase();
        let digits: String = search.chars().filter(char::is_ascii_digit).collect();
        let is_number = digits.len() >= 3 && search.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
        // Read from an index alone: a search looks at all the chats of an account.
        let position = if self.backend == DbBackend::Postgres { "strpos" } else { "instr" };
        let has = |text: &str| {
            let column = SimpleExpr::from(Expr::col(Column::SearchText));
            SimpleExpr::from(Func::cust(position).args([column, Expr::value(text)])).gt(0)
        };
        let mut called = Condition::any().add(has(&search));
        if is_number {
            called = called.add(has(&digits));
        }
        let mut chats = Query::select();
        chats.column(Column::Id).from(Entity).and_where(filter.of_accounts()).cond_where(called.clone());
        let rows = self.reader.query_all(chats.limit(FOUND)).await?;
        let mut found: Vec<ChatId> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
        let is_broad = found.len() as u64 == FOUND;
        let accounts = match &filter.accounts {
            Some(accounts) => accounts.clone(),
            None => self.accounts_of(filter.company).await?.into_iter().map(|account| account.id).collect(),
        };
        for some in accounts.chunks(SOME) {
            found.extend(self.chats_saying(some, &search).await?);
        }
        if is_broad {
            // So many that a page of them is soon full.
            return Ok(Condition::all().add(filter.of_accounts()).add(called.add(Column::Id.is_in(found))));
        }
        Ok(Condition::all().add(filter.of_accounts()).add(Column::Id.is_in(found)))
    }

    /// The chats with messages that have all the words of `search`, or words that begin with them.
    async fn chats_saying(&self, accounts: &[AccountId], search: &str) -> Result<Vec<ChatId>, StoreError> {
        let words: BTreeSet<&str> =
            search.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(WORDS).collect();
        if words.is_empty() || accounts.is_empty() {
            return Ok(Vec::new());
        }
        let (sql, wanted) = match self.backend {
            DbBackend::Postgres => {
                let words: Vec<String> = words.iter().map(|word| format!("'{word}':*")).collect();
                let sql = "SELECT DISTINCT chat FROM (SELECT chat FROM message_text
                           WHERE words @@ CAST($1 AS tsquery) ORDER BY id DESC LIMIT $2) AS found";
                let accounts: Vec<String> = accounts.iter().map(|account| format!("'~{account}'")).collect();
                (sql, format!("({}) & {}", accounts.join(" | "), words.join(" & ")))
            }
            _ => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"*")).collect();
                let sql = "SELECT DISTINCT chat FROM (SELECT chat FROM message_text
                           WHERE message_text MATCH $1 ORDER BY rowid DESC LIMIT $2) AS found";
                // Of an id what follows its prefix: the prefix is a word of its own there, and in every row.
                let of_id = |account: &AccountId| account.to_string().split('_').next_back().map(str::to_owned);
                let accounts: Vec<_> = accounts.iter().filter_map(of_id).map(|id| format!("\"{id}\"")).collect();
                (sql, format!("account : ({}) AND text : ({})", accounts.join(" OR "), words.join(" AND ")))
            }
        };
        let most = i64::try_from(FOUND).unwrap_or(i64::MAX);
        let rows = self.reader.query_all_raw(self.sql(sql, [wanted.into(), most.into()])).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }
}

/// The latest of the rows.
fn in_order(mut rows: SelectStatement, most: u64) -> SelectStatement {
    rows.order_by("active_at_ms", Order::Desc).order_by("id", Order::Desc).limit(most).to_owned()
}

/// The rows of each; none, if there are no parts.
fn together(parts: Vec<SelectStatement>) -> Option<SelectStatement> {
    let whole = |part| Query::select().column(Asterisk).from_subquery(part, "part").to_owned();
    let all = parts.into_iter().map(whole).reduce(|mut all, part| all.union(UnionType::All, part).to_owned())?;
    Some(Query::select().column(Asterisk).from_subquery(all, "chat").to_owned())
}
