//! Journals of deployments: records that are appended and never changed.

use crate::StoreError;
use crate::column::{number, signed};
use sqlx::{Row, SqliteConnection};

/// One record, its event as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Its place in the deployment's journal, from 0.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub event: String,
}

/// Appends a record.
///
/// # Errors
/// A unique violation when the place is taken: somebody else writes this journal.
pub async fn append(
    db: &mut SqliteConnection,
    deployment: u64,
    row: &JournalRow,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO journal (deployment, seq, at_ms, event) VALUES (?, ?, ?, ?)")
        .bind(signed(deployment))
        .bind(signed(row.seq))
        .bind(signed(row.at_ms))
        .bind(&row.event)
        .execute(db)
        .await?;
    Ok(())
}

/// The whole journal of a deployment, in its order.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn read(
    db: &mut SqliteConnection,
    deployment: u64,
) -> Result<Vec<JournalRow>, StoreError> {
    let sql = "SELECT seq, at_ms, event FROM journal WHERE deployment = ? ORDER BY seq";
    let rows = sqlx::query(sql).bind(signed(deployment)).fetch_all(db).await?;
    let read = |row| {
        Ok(JournalRow {
            seq: number(row, 0, "journal.seq")?,
            at_ms: number(row, 1, "journal.at_ms")?,
            event: row.try_get(2)?,
        })
    };
    rows.iter().map(read).collect()
}
