//! Many rows as the parameters of a statement.
//!
//! Each value is a parameter of its own type, and a statement takes one of a few numbers of rows, so
//! that a database prepares it once for each of them and never reads a text of ours again. What is
//! missing to such a number is filled up with rows of NULL.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

/// Rows of one statement at most. Fewer are filled up to a power of two.
const MOST: usize = 256;

/// Runs `sql` for all rows, [`MOST`] at a time; answers what is returned. In `sql`, `{rows}` stands
/// for `VALUES (…), (…)`, and what becomes of a row of NULL is the statement's to say: nothing.
pub(super) async fn query<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    rows: Vec<[Value; N]>,
) -> Result<Vec<QueryResult>, DbErr> {
    let mut answers = Vec::new();
    for statement in statements(db, sql, rows) {
        answers.append(&mut db.query_all_raw(statement).await?);
    }
    Ok(answers)
}

/// The same, for what returns nothing.
pub(super) async fn execute<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    rows: Vec<[Value; N]>,
) -> Result<(), DbErr> {
    for statement in statements(db, sql, rows) {
        db.execute_raw(statement).await?;
    }
    Ok(())
}

fn statements<const N: usize>(db: &impl ConnectionTrait, sql: &str, rows: Vec<[Value; N]>) -> Vec<Statement> {
    let backend = db.get_database_backend();
    let none = rows.first().map(|row| row.each_ref().map(Value::as_null));
    let mut rows = rows.into_iter();
    let mut statements = Vec::new();
    while rows.len() > 0 {
        let size = rows.len().min(MOST).next_power_of_two();
        let some = rows.by_ref().take(size).chain(none.iter().cycle().cloned()).take(size);
        let sql = sql.replace("{rows}", &placeholders(backend, size, N));
        statements.push(Statement::from_sql_and_values(backend, sql, some.flatten()));
    }
    statements
}

/// `VALUES ($1, $2), ($3, $4)`. SQLite takes a number with a dollar for a name, and compares each with
/// all those before it; what has no name is counted.
fn placeholders(backend: DbBackend, rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(8 + rows * columns * 7);
    text.push_str("VALUES ");
    for n in 0..rows * columns {
        text.push_str(match n % columns {
            0 if n > 0 => "), (",
            0 => "(",
            _ => ", ",
        });
        if backend == DbBackend::Postgres {
            // Writing to a text does not fail.
            let _ = write!(text, "${}", n + 1);
        } else {
            text.push('?');
        }
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_row_by_row() {
        assert_eq!(placeholders(DbBackend::Postgres, 1, 1), "VALUES ($1)");
        assert_eq!(placeholders(DbBackend::Postgres, 2, 3), "VALUES ($1, $2, $3), ($4, $5, $6)");
        assert_eq!(placeholders(DbBackend::Sqlite, 2, 2), "VALUES (?, ?), (?, ?)");
    }
}
