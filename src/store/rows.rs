//! Many rows as the parameters of a statement.
//!
//! Each value is a parameter of its own type, and a statement takes one of a few numbers of rows, so
//! that a database prepares it once for each of them and never reads a text of ours again.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

/// How many rows statements take.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// Runs `sql` for all rows, in as few statements as the sizes allow; answers what they return. In
/// `sql`, `{rows}` stands for `VALUES (…), (…)`: behind an `INSERT`, or in brackets as a table.
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
    let sizes = sizes(rows.len());
    let mut values = rows.into_iter().flatten();
    sizes
        .map(|size| {
            let sql = sql.replace("{rows}", &placeholders(size, N));
            Statement::from_sql_and_values(backend, sql, values.by_ref().take(size * N))
        })
        .collect()
}

/// The sizes of the statements for so many rows.
fn sizes(mut rows: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows)?;
        rows -= size;
        Some(size)
    })
}

/// `VALUES ($1, $2), ($3, $4)`.
fn placeholders(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(8 + rows * columns * 7);
    text.push_str("VALUES ");
    for n in 0..rows * columns {
        text.push_str(match n % columns {
            0 if n > 0 => "), (",
            0 => "(",
            _ => ", ",
        });
        // Writing to a text does not fail.
        let _ = write!(text, "${}", n + 1);
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_into_statements_of_few_sizes() {
        assert_eq!(placeholders(2, 3), "VALUES ($1, $2, $3), ($4, $5, $6)");
        assert_eq!(sizes(0).count(), 0);
        assert_eq!(sizes(1_000).collect::<Vec<_>>(), [256, 256, 256, 64, 64, 64, 16, 16, 4, 4]);
        for rows in 1..1_000 {
            assert_eq!(sizes(rows).sum::<usize>(), rows);
        }
    }
}
