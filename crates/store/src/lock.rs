//! The one lock over everything: while somebody holds it, no deployment begins.

use crate::StoreError;
use crate::audit::{self, By};
use crate::column::{number, signed};
use serde_json::json;
use sqlx::{Row, SqliteConnection};

/// Who holds the lock, since when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRow {
    /// Who took it, and when.
    pub by: By,
    /// Why.
    pub message: String,
}

/// Who holds it, if anybody does.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn holder(db: &mut SqliteConnection) -> Result<Option<LockRow>, StoreError> {
    let sql = "SELECT who, message, at_ms FROM lock";
    let Some(row) = sqlx::query(sql).fetch_optional(db).await? else { return Ok(None) };
    let by = By { who: row.try_get(0)?, at_ms: number(&row, 2, "lock.at_ms")? };
    Ok(Some(LockRow { by, message: row.try_get(1)? }))
}

/// Takes the lock. Whoever holds it already keeps it: look with [`holder`] first, in the same
/// transaction.
///
/// # Errors
/// When the database refuses.
pub async fn take(db: &mut SqliteConnection, lock: &LockRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO lock (only_row, who, message, at_ms) VALUES (1, ?, ?, ?)
        ON CONFLICT DO NOTHING";
    let at_ms = signed(lock.by.at_ms);
    let query = sqlx::query(sql).bind(&lock.by.who).bind(&lock.message).bind(at_ms);
    query.execute(&mut *db).await?;
    audit::record(db, &lock.by, &json!({"did": "lock", "message": lock.message})).await
}

/// Gives the lock back, whoever held it.
///
/// # Errors
/// When the database refuses.
pub async fn release(db: &mut SqliteConnection, by: &By) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM lock").execute(&mut *db).await?;
    audit::record(db, by, &json!({"did": "unlock"})).await
}
