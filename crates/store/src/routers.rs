//! Routers on other machines, which every table is waited for.

use crate::StoreError;
use crate::audit::{self, By};
use crate::column::{number, signed, text};
use kiln_names::{InstallId, RouterName};
use serde_json::json;
use sqlx::SqliteConnection;

/// A router that has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterRow {
    /// What it is called.
    pub name: RouterName,
    /// Its data directory.
    pub install: InstallId,
    /// When it joined, in milliseconds since 1970.
    pub joined_ms: u64,
}

/// All of them, by name.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<RouterRow>, StoreError> {
    let sql = "SELECT name, install, joined_ms FROM routers ORDER BY name";
    let rows = sqlx::query(sql).fetch_all(db).await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        Ok(RouterRow {
            name: text(row, 0, "routers.name")?,
            install: text(row, 1, "routers.install")?,
            joined_ms: number(row, 2, "routers.joined_ms")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Counts one in, in place of another of its name.
///
/// # Errors
/// When the database refuses.
pub async fn join(
    db: &mut SqliteConnection,
    name: &RouterName,
    install: InstallId,
    by: &By,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO routers (name, install, joined_ms) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET install = excluded.install, joined_ms = excluded.joined_ms";
    let query = sqlx::query(sql).bind(name.as_str()).bind(install.to_string());
    query.bind(signed(by.at_ms)).execute(&mut *db).await?;
    audit::record(db, by, &json!({"did": "join-router", "router": name})).await
}

/// Counts one out; answers whether it was there.
///
/// # Errors
/// When the database refuses.
pub async fn remove(
    db: &mut SqliteConnection,
    name: &RouterName,
    by: &By,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM routers WHERE name = ?";
    let done = sqlx::query(sql).bind(name.as_str()).execute(&mut *db).await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    audit::record(db, by, &json!({"did": "remove-router", "router": name})).await?;
    Ok(true)
}
