//! The rows of one table of a damaged database.

use crate::StoreError;
use crate::copying::{ALL, columns, copy};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

/// How many rows are tried at once beside the damage.
const CHUNK: u64 = 256;
/// How many rows are tried from either end: a scan from the end costs more with every chunk.
const MOST: u64 = 1_000_000;

/// What could be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Read {
    /// How many rows.
    pub(super) rows: u64,
    /// Whether those are all.
    pub(super) whole: bool,
}

/// Copies the rows of `damaged.TABLE`: all of them, or else those before and behind what cannot be
/// read. Rows that are no rows of this schema are left out, and the table is not whole without them.
pub(super) async fn salvage(db: &mut SqliteConnection, table: &str) -> Result<Read, StoreError> {
    let whole = copy(db, "damaged", table, ALL).await;
    let mut read = Read { rows: *whole.as_ref().unwrap_or(&0), whole: whole.is_ok() };
    if !read.whole {
        let Ok(columns) = columns(db, "damaged", table).await else { return Ok(read) };
        let Ok(order) = order(db, table).await else { return Ok(read) };
        for way in ["ASC", "DESC"] {
            let order = order.iter().map(|key| format!("{key} {way}")).collect::<Vec<_>>();
            read.rows += scan(db, table, &columns, &order.join(", ")).await;
        }
    }
    let unreadable = leave_out_unreadable(db, table).await?;
    read.rows = read.rows.saturating_sub(unreadable);
    read.whole &= unreadable == 0;
    Ok(read)
}

/// The columns by which a table is stored.
async fn order(db: &mut SqliteConnection, table: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT wr FROM pragma_table_list WHERE name = ? AND schema = 'main'";
    let without_rowid: bool = sqlx::query_scalar(sql).bind(table).fetch_one(&mut *db).await?;
    if !without_rowid {
        return Ok(vec!["rowid".to_owned()]);
    }
    let sql = "SELECT name FROM pragma_table_info(?, 'main') WHERE pk > 0 ORDER BY pk";
    let rows = sqlx::query(sql).bind(table).fetch_all(db).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Copies chunk after chunk until one cannot be read, and then row after row.
async fn scan(db: &mut SqliteConnection, table: &str, columns: &str, order: &str) -> u64 {
    let sql = format!(
        "INSERT OR IGNORE INTO main.{table} ({columns})
            SELECT {columns} FROM damaged.{table} NOT INDEXED ORDER BY {order} LIMIT ? OFFSET ?"
    );
    let end = format!(
        "SELECT count(*) FROM (SELECT 1 FROM damaged.{table} NOT INDEXED
            ORDER BY {order} LIMIT 1 OFFSET ?)"
    );
    let (mut at, mut chunk, mut rows) = (0, CHUNK, 0);
    while at < MOST {
        let query = sqlx::query(AssertSqlSafe(sql.clone()));
        let copied = query.bind(chunk.cast_signed()).bind(at.cast_signed()).execute(&mut *db).await;
        match copied.map_err(StoreError::from) {
            Ok(done) => {
                rows += done.rows_affected();
                at += chunk;
                let more = sqlx::query_scalar::<_, i64>(AssertSqlSafe(end.clone()));
                if !matches!(more.bind(at.cast_signed()).fetch_one(&mut *db).await, Ok(1)) {
                    return rows;
                }
            }
            Err(_) if chunk > 1 => chunk = 1,
            Err(StoreError::Damaged(_)) => return rows,
            // No row of this schema; the next one may be.
            Err(_) => at += 1,
        }
    }
    rows
}

/// Columns that hold JSON: bytes that are none were changed behind SQLite's back.
const JSON: &[(&str, &str)] = &[
    ("applications", "metadata"),
    ("environments", "settings"),
    ("environments", "metadata"),
    ("images", "facts"),
    ("releases", "canonical"),
    ("server_groups", "spec"),
    ("activations", "settings"),
    ("journal", "event"),
    ("deployment_summaries", "summary"),
    ("local_groups", "spec"),
    ("local_traffic", "state"),
    ("audit", "what"),
];

async fn leave_out_unreadable(db: &mut SqliteConnection, table: &str) -> Result<u64, StoreError> {
    let mut gone = 0;
    for (_, column) in JSON.iter().filter(|(name, _)| *name == table) {
        let sql = format!("DELETE FROM main.{table} WHERE NOT json_valid({column})");
        gone += sqlx::query(AssertSqlSafe(sql)).execute(&mut *db).await?.rows_affected();
    }
    Ok(gone)
}
