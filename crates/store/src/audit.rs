//! Who changed what, and when: one record per change, in the change's own transaction.

use crate::StoreError;
use crate::column::{json, number, signed, to_json};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// Who asks for a change, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The person or the part of Kiln.
    pub who: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// One change as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Grows with every change.
    pub id: u64,
    /// Who changed it, and when.
    pub by: By,
    /// The change: an object whose `did` names it.
    pub what: Value,
}

/// Records a change.
///
/// # Errors
/// When the database refuses.
pub async fn record(db: &mut SqliteConnection, by: &By, what: &Value) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (at_ms, who, what) VALUES (?, ?, ?)")
        .bind(signed(by.at_ms))
        .bind(&by.who)
        .bind(to_json(what))
        .execute(db)
        .await?;
    Ok(())
}

/// The newest changes first, at most `limit`.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn newest(db: &mut SqliteConnection, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
    let sql = "SELECT id, at_ms, who, what FROM audit ORDER BY id DESC LIMIT ?";
    sqlx::query(sql).bind(limit).fetch_all(db).await?.iter().map(audit_row).collect()
}

fn audit_row(row: &SqliteRow) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        id: number(row, 0, "audit.id")?,
        by: By { at_ms: number(row, 1, "audit.at_ms")?, who: row.try_get(2)? },
        what: json(row, 3, "audit.what")?,
    })
}
