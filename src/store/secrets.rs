//! Which columns are secret, and how all of them are sealed at once: at the first start with a key,
//! or with another key. One row of the table `seal` tells whether they are, and proves the key.

use anyhow::{Context, ensure};
use entity::account::{ActiveModel, Model};
use entity::ids::AccountId;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement, TransactionTrait, Value,
};

use super::connect::SERVERS;
use super::seal::{Place, Seal, Unreadable};
use super::state;

/// What is secret: tables, the types of their ids, columns.
const SECRETS: &[(&str, &str, &[&str])] =
    &[("account", "VARCHAR(30)", &["config", "pairing", "proxy"]), ("signing_key", "BIGINT", &["secret"])];
/// Rows that are sealed at a time when all are.
const SLICE: usize = 1_000;
/// Before every id of these tables, as a text and as a number.
const BEFORE_ALL: &str = "0";
/// A text that everybody knows, sealed.
const PROOF: (Place<'_>, &str) = (["seal", "proof", "1"], "andante");

/// Seals what is secret in an account's row that is about to be written.
pub(super) fn seal_account(seal: &Seal, id: AccountId, row: &mut ActiveModel) {
    let id = id.to_string();
    for (column, value) in [("config", &mut row.config), ("pairing", &mut row.pairing), ("proxy", &mut row.proxy)] {
        if let Set(Some(text)) = value {
            *text = seal.seal(["account", column, &id], text);
        }
    }
}

/// The same for the pairing alone.
pub(super) fn seal_pairing(seal: &Seal, id: AccountId, text: &str) -> String {
    seal.seal(["account", "pairing", &id.to_string()], text)
}

/// Opens what is secret in an account's row that was read; answers whether all of it opened. What
/// did not is gone from the row in memory.
pub(super) fn open_account(seal: &Seal, row: &mut Model) -> bool {
    let id = row.id.to_string();
    let mut is_readable = true;
    for (column, value) in [("config", &mut row.config), ("pairing", &mut row.pairing), ("proxy", &mut row.proxy)] {
        let opened = value.take().map(|text| seal.open(["account", column, &id], &text)).transpose();
        is_readable &= opened.is_ok();
        *value = opened.unwrap_or_default();
    }
    is_readable
}

/// Seals a signing key's secret.
pub(super) fn seal_signing_key(seal: &Seal, id: i64, secret: &str) -> String {
    seal.seal(["signing_key", "secret", &id.to_string()], secret)
}

/// Opens a signing key's secret.
pub(super) fn open_signing_key(seal: &Seal, id: i64, text: &str) -> Result<String, Unreadable> {
    seal.open(["signing_key", "secret", &id.to_string()], text)
}

/// Refuses a seal that is not the database's; seals everything if nothing is sealed yet.
pub(super) async fn unlock(db: &DatabaseConnection, seal: &Seal) -> anyhow::Result<()> {
    if is_sealed(db, seal).await? {
        return clear(db).await;
    }
    if !seal.has_key() {
        return Ok(());
    }
    let left = seal_all(db, &Seal::default(), seal).await?;
    tracing::info!("the secrets in the database are encrypted from now on");
    if left > 0 {
        tracing::error!(left, "secrets that were encrypted with an unknown key before were left as they are");
    }
    Ok(())
}

/// Seals everything with `to` that was sealed with `from`, if anything was; answers how many
/// secrets could not be opened, and are as they were.
pub(super) async fn rekey(db: &DatabaseConnection, from: &Seal, to: &Seal) -> anyhow::Result<u64> {
    let is_sealed = is_sealed(db, from).await?;
    ensure!(is_sealed || to.has_key(), "the secrets in this database are not encrypted, and no new key was given");
    let from = if is_sealed { from.clone() } else { Seal::default() };
    seal_all(db, &from, to).await
}

/// Whether the secrets are sealed; refuses a seal that is not the one.
async fn is_sealed(db: &impl ConnectionTrait, seal: &Seal) -> anyhow::Result<bool> {
    let sql = "SELECT proof FROM seal";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    let Some(row) = row.context("can't read the database")? else { return Ok(false) };
    let proof: String = row.try_get_by_index(0)?;
    ensure!(seal.has_key(), "this database's secrets are encrypted: set ANDANTE_SECRET_KEY");
    ensure!(
        seal.open(PROOF.0, &proof).is_ok_and(|text| text == PROOF.1),
        "ANDANTE_SECRET_KEY is another key than the one that this database's secrets are encrypted with"
    );
    Ok(true)
}

async fn seal_all(db: &DatabaseConnection, from: &Seal, to: &Seal) -> anyhow::Result<u64> {
    let tx = db.begin().await.context("can't write the database")?;
    keep_servers_off(&tx).await?;
    ensure!(is_sealed(&tx, from).await? == from.has_key(), "somebody else has just changed the key; try again");
    let left = seal_rows(&tx, from, to).await.context("can't write the secrets")?;
    tx.commit().await.context("can't write the secrets")?;
    clear(db).await?;
    Ok(left)
}

/// Writes the files anew, in which there still is what was there before; unless that was done. A
/// process that is killed before leaves it to the next.
async fn clear(db: &DatabaseConnection) -> anyhow::Result<()> {
    let backend = db.get_database_backend();
    let owes = "SELECT id FROM seal WHERE NOT is_clear";
    if db.query_one_raw(Statement::from_string(backend, owes)).await?.is_none() {
        return Ok(());
    }
    let clear: &[&str] = match backend {
        DbBackend::Postgres => &["VACUUM (FULL) account", "VACUUM (FULL) signing_key", "VACUUM (FULL) gateway_state"],
        _ => &["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"],
    };
    for sql in clear.iter().chain(&["UPDATE seal SET is_clear = TRUE"]) {
        db.execute_unprepared(sql).await.with_context(|| {
            format!("everything is written, but `{sql}`, which clears away what was there before, failed: start again")
        })?;
    }
    Ok(())
}

/// Refuses if there is another server, which would not know; and keeps those off that would come.
async fn keep_servers_off(tx: &DatabaseTransaction) -> anyhow::Result<()> {
    let backend = tx.get_database_backend();
    if backend != DbBackend::Postgres {
        // The lock beside the file does it.
        return Ok(());
    }
    let sql = "SELECT pg_try_advisory_xact_lock($1)";
    let row = tx.query_one_raw(Statement::from_sql_and_values(backend, sql, [SERVERS.into()])).await?;
    let is_alone = row.map(|row| row.try_get_by_index(0)).transpose()? == Some(true);
    ensure!(
        is_alone,
        "ANDANTE_SECRET_KEY is new to this database, and another server uses it: stop all servers, so that the first \
         to start again can encrypt what is there"
    );
    Ok(())
}

/// Slice by slice, so that any number of rows fits into memory.
async fn seal_rows(tx: &DatabaseTransaction, from: &Seal, to: &Seal) -> Result<u64, DbErr> {
    let backend = tx.get_database_backend();
    let mut left = 0;
    for (table, id, columns) in SECRETS {
        let read = format!(
            "SELECT CAST(id AS VARCHAR(30)), {} FROM {table} WHERE id > CAST($1 AS {id}) ORDER BY id LIMIT {SLICE}",
            columns.join(", ")
        );
        let set = columns.iter().enumerate().map(|(n, column)| format!("{column} = e.value ->> {}", n + 1));
        let write = format!(
            "UPDATE {table} SET {} FROM {} WHERE {table}.id = CAST(e.value ->> 0 AS {id})",
            set.collect::<Vec<_>>().join(", "),
            match backend {
                DbBackend::Postgres => "json_array_elements(CAST($1 AS json)) AS e(value)",
                _ => "json_each($1) AS e",
            }
        );
        let mut last = BEFORE_ALL.to_owned();
        loop {
            let run = |sql: &str, value: Value| Statement::from_sql_and_values(backend, sql, [value]);
            let mut rows = Vec::new();
            for row in tx.query_all_raw(run(&read, last.clone().into())).await? {
                let id: String = row.try_get_by_index(0)?;
                let mut sealed = vec![Some(id.clone())];
                for (n, column) in columns.iter().enumerate() {
                    let place = [*table, *column, &id];
                    let text: Option<String> = row.try_get_by_index(n + 1)?;
                    sealed.push(text.map(|text| match from.open(place, &text) {
                        Ok(opened) => to.seal(place, &opened),
                        Err(Unreadable) => {
                            left += 1;
                            text
                        }
                    }));
                }
                last = id;
                rows.push(sealed);
            }
            if rows.is_empty() {
                break;
            }
            let rows = serde_json::to_string(&rows).unwrap_or_default();
            tx.execute_raw(run(&write, rows.into())).await?;
        }
    }
    left += seal_states(tx, from, to).await?;
    tx.execute_unprepared("DELETE FROM seal").await?;
    if to.has_key() {
        let (place, text) = PROOF;
        let sql = "INSERT INTO seal (id, proof, is_clear) VALUES (1, $1, FALSE)";
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, [to.seal(place, text).into()])).await?;
    }
    Ok(left)
}

/// The same for what gateways keep.
async fn seal_states(tx: &DatabaseTransaction, from: &Seal, to: &Seal) -> Result<u64, DbErr> {
    let backend = tx.get_database_backend();
    let read = format!(
        "SELECT account_id, kind, key, value FROM gateway_state WHERE (account_id, kind, key) > ($1, $2, $3)
         ORDER BY account_id, kind, key LIMIT {SLICE}"
    );
    let write = "UPDATE gateway_state SET value = $4 WHERE account_id = $1 AND kind = $2 AND key = $3";
    let mut left = 0;
    let mut last = <[String; 3]>::default();
    loop {
        let after = last.clone().map(Value::from);
        let rows = tx.query_all_raw(Statement::from_sql_and_values(backend, &read, after)).await?;
        if rows.is_empty() {
            return Ok(left);
        }
        for row in rows {
            let (account, kind, key, value): (String, String, String, Vec<u8>) = row.try_get_many_by_index()?;
            let id = format!("{account}/{key}");
            let place = state::place(&kind, &id);
            match from.open_bytes(place, &value) {
                Ok(opened) => {
                    let sealed = to.seal_bytes(place, &opened);
                    let values: [Value; 4] =
                        [account.as_str().into(), kind.as_str().into(), key.as_str().into(), sealed.into()];
                    tx.execute_raw(Statement::from_sql_and_values(backend, write, values)).await?;
                }
                Err(Unreadable) => left += 1,
            }
            last = [account, kind, key];
        }
    }
}
