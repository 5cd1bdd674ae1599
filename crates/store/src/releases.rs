//! Releases, named by their content.

use crate::StoreError;
use crate::column::{signed, text};
use kiln_names::{AppName, EnvName, ReleaseId};
use sqlx::{Row, SqliteConnection};

/// A release as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Its id: the sha256 of `canonical`.
    pub id: ReleaseId,
    /// Its application.
    pub app: AppName,
    /// Its environment.
    pub env: EnvName,
    /// The whole of it, as canonical JSON.
    pub canonical: String,
    /// When it was first made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// Stores a release; one that is there stays as it is.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut SqliteConnection, release: &ReleaseRow) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO releases (id, app, env, canonical, created_ms)
        VALUES (?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(release.id.to_string())
        .bind(release.app.as_str())
        .bind(release.env.as_str())
        .bind(&release.canonical)
        .bind(signed(release.created_ms))
        .execute(db)
        .await?;
    Ok(())
}

/// The canonical JSON of a release.
///
/// # Errors
/// When the database refuses.
pub async fn get(db: &mut SqliteConnection, id: ReleaseId) -> Result<Option<String>, StoreError> {
    let sql = "SELECT canonical FROM releases WHERE id = ?";
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(db).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// The releases of an application in an environment whose ids begin with `prefix` (`r-` and
/// digits), at most two: enough to tell none, one and several apart.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn find(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    prefix: &str,
) -> Result<Vec<ReleaseId>, StoreError> {
    // Ids are `r-` and hexadecimal digits, so `g` sorts after everything that follows a prefix.
    let sql = "SELECT id FROM releases
        WHERE app = ? AND env = ? AND id >= ? AND id < ? ORDER BY id LIMIT 2";
    let rows = sqlx::query(sql)
        .bind(app.as_str())
        .bind(env.as_str())
        .bind(prefix)
        .bind(format!("{prefix}g"))
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| text(row, 0, "releases.id")).collect()
}
