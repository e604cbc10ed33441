//! What a gateway keeps of its session: the keys of encrypted conversations, who is who. Any number of
//! entries, each of a kind and with a key. Written by the group commit, so on SQLite with
//! `synchronous=FULL`, and only for the lane that has the account: one that lost it changes nothing.

use std::collections::BTreeMap;

use entity::ids::AccountId;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement, Value};

use super::seal::{Place, Seal};
use super::{Store, StoreError, rows};

/// Keys that are asked for at a time.
const KEYS: usize = 500;
/// What is kept of files is of use to the next pairing, too.
const NOT_OF_FILES: &str = "kind <> 'media_source' AND kind <> 'media_upload'";

/// One thing that is kept. Its value may be secret, and is sealed in the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is found by among its kind.
    pub key: String,
    /// What is kept.
    pub value: Vec<u8>,
    /// A time, a version or a flag, as the kind has it.
    pub number: i64,
}

/// Which entries of a kind.
#[derive(Debug, Clone)]
pub enum Which {
    /// Those with one of these keys.
    Keys(Vec<String>),
    /// Those whose keys begin so.
    Starting(String),
    /// Those with a number below this.
    Below(i64),
    /// All.
    All,
}

/// Which end of a kind's entries.
#[derive(Debug, Clone, Copy)]
pub enum Edge {
    /// That with the smallest key.
    First,
    /// That with the greatest.
    Last,
}

/// One thing to be written.
#[derive(Debug, Clone)]
pub enum Keep {
    /// These, in place of those with the same keys.
    Put(Vec<Entry>),
    /// This number for those that are there.
    Number(Which, i64),
    /// Nothing any more.
    Remove(Which),
}

impl Store {
    /// The account's entries of a kind, in the order of their keys.
    pub async fn entries(
        &self,
        account: AccountId,
        kind: &'static str,
        which: Which,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for (sql, values) in conditions(&[account.into(), kind.into()], which) {
            let sql = format!("SELECT key, value, number FROM gateway_state WHERE {sql} ORDER BY key");
            for row in self.reader.query_all_raw(self.sql(sql, values)).await? {
                entries.push(open(&self.seal, account, kind, &row)?);
            }
        }
        Ok(entries)
    }

    /// The account's first entry of a kind in the order of their keys, or the last.
    pub async fn edge_entry(
        &self,
        account: AccountId,
        kind: &'static str,
        edge: Edge,
    ) -> Result<Option<Entry>, StoreError> {
        let order = match edge {
            Edge::First => "ASC",
            Edge::Last => "DESC",
        };
        let sql = format!(
            "SELECT key, value, number FROM gateway_state WHERE account_id = $1 AND kind = $2
             ORDER BY key {order} LIMIT 1"
        );
        let row = self.reader.query_one_raw(self.sql(sql, [account.into(), kind.into()])).await?;
        row.map(|row| open(&self.seal, account, kind, &row)).transpose()
    }

    /// Writes, if the account still has that epoch: answers how many entries that were; none, if another
    /// lane has the account. Durable on return.
    pub async fn keep(
        &self,
        account: AccountId,
        epoch: i64,
        kind: &'static str,
        keep: Keep,
    ) -> Result<Option<u64>, StoreError> {
        let statements = self.statements_of(account, kind, keep);
        self.change(move |tx| {
            let statements = statements.clone();
            Box::pin(async move {
                if !is_owner(tx, account, epoch).await? {
                    return Ok(None);
                }
                let mut written = 0;
                match statements {
                    Statements::Put(rows) => {
                        written += rows.len() as u64;
                        let sql = "INSERT INTO gateway_state (account_id, kind, key, value, number)
                                   SELECT * FROM ({rows}) AS o WHERE column1 IS NOT NULL
                                   ON CONFLICT (account_id, kind, key)
                                   DO UPDATE SET value = excluded.value, number = excluded.number";
                        rows::execute(tx, sql, rows).await?;
                    }
                    Statements::Other(statements) => {
                        for statement in statements {
                            written += tx.execute_raw(statement).await?.rows_affected();
                        }
                    }
                }
                Ok(Some(written))
            })
        })
        .await
    }

    /// Forgets all that the account's gateway keeps of its pairing, if the account still has that epoch;
    /// answers whether it has. Files outlive pairings.
    pub async fn forget_state(&self, account: AccountId, epoch: i64) -> Result<bool, StoreError> {
        let sql = format!("DELETE FROM gateway_state WHERE account_id = $1 AND {NOT_OF_FILES}");
        let sql = self.sql(sql, [account.into()]);
        self.change(move |tx| {
            let sql = sql.clone();
            Box::pin(async move {
                let is_owner = is_owner(tx, account, epoch).await?;
                if is_owner {
                    tx.execute_raw(sql).await?;
                }
                Ok(is_owner)
            })
        })
        .await
    }

    /// Forgets what gateways kept of pairings that are over: a process may have been killed before.
    pub async fn forget_state_of_unpaired(&self) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM gateway_state WHERE {NOT_OF_FILES} AND account_id IN
                 (SELECT id FROM account WHERE pairing IS NULL AND should_connect = FALSE)"
        );
        let sql = self.sql(sql, []);
        self.change(move |tx| {
            let sql = sql.clone();
            Box::pin(async move { tx.execute_raw(sql).await.map(drop) })
        })
        .await
    }

    fn statements_of(&self, account: AccountId, kind: &'static str, keep: Keep) -> Statements {
        let all = |head: &str, first: &[Value], which| {
            let statements = conditions(first, which);
            statements.into_iter().map(|(sql, values)| self.sql(format!("{head} WHERE {sql}"), values)).collect()
        };
        match keep {
            Keep::Put(entries) => Statements::Put(
                // Each once: of two with the same key the later counts.
                entries
                    .into_iter()
                    .map(|entry| (entry.key.clone(), entry))
                    .collect::<BTreeMap<_, _>>()
                    .into_values()
                    .map(|entry| {
                        let id = format!("{account}/{}", entry.key);
                        let value = self.seal.seal_bytes(place(kind, &id), &entry.value);
                        [account.into(), kind.into(), entry.key.into(), value.into(), entry.number.into()]
                    })
                    .collect(),
            ),
            Keep::Number(which, number) => Statements::Other(all(
                &format!("UPDATE gateway_state SET number = {number}"),
                &[account.into(), kind.into()],
                which,
            )),
            Keep::Remove(which) => {
                Statements::Other(all("DELETE FROM gateway_state", &[account.into(), kind.into()], which))
            }
        }
    }
}

#[derive(Clone)]
enum Statements {
    Put(Vec<[Value; 5]>),
    Other(Vec<Statement>),
}

/// Where an entry stands, as what it is sealed to; `id` is the account's and the key.
pub(super) fn place<'a>(kind: &'a str, id: &'a str) -> Place<'a> {
    ["gateway_state", kind, id]
}

fn open(seal: &Seal, account: AccountId, kind: &str, row: &QueryResult) -> Result<Entry, StoreError> {
    let (key, value, number): (String, Vec<u8>, i64) = row.try_get_many_by_index()?;
    let id = format!("{account}/{key}");
    let value = seal.open_bytes(place(kind, &id), &value);
    let value = value.map_err(|_| StoreError::Broken(DbErr::Custom("an entry can't be decrypted".to_owned())))?;
    Ok(Entry { key, value, number })
}

/// The conditions of one statement or more, after those for the account and the kind, which are `first`.
fn conditions(first: &[Value], which: Which) -> Vec<(String, Vec<Value>)> {
    let own = "account_id = $1 AND kind = $2";
    let with = |more: Vec<Value>| first.iter().cloned().chain(more).collect();
    match which {
        Which::Keys(keys) => keys
            .chunks(KEYS)
            .map(|some| {
                let places: Vec<String> = (3..some.len() + 3).map(|n| format!("${n}")).collect();
                let values = with(some.iter().map(|key| key.as_str().into()).collect());
                (format!("{own} AND key IN ({})", places.join(", ")), values)
            })
            .collect(),
        Which::Starting(prefix) => {
            // No text that begins so is behind this one.
            let end = format!("{prefix}{}", char::MAX);
            vec![(format!("{own} AND key >= $3 AND key < $4"), with(vec![prefix.into(), end.into()]))]
        }
        Which::Below(number) => vec![(format!("{own} AND number < $3"), with(vec![number.into()]))],
        Which::All => vec![(own.to_owned(), with(Vec::new()))],
    }
}

/// Whether the account still has that epoch, and will until the transaction ends.
async fn is_owner(tx: &DatabaseTransaction, account: AccountId, epoch: i64) -> Result<bool, DbErr> {
    let backend = tx.get_database_backend();
    // Where others write, too, whoever would raise it waits.
    let hold = if backend == DbBackend::Postgres { " FOR SHARE" } else { "" };
    let sql = format!("SELECT 1 FROM account WHERE id = $1 AND epoch = $2{hold}");
    let sql = Statement::from_sql_and_values(backend, sql, [account.into(), epoch.into()]);
    Ok(tx.query_one_raw(sql).await?.is_some())
}
