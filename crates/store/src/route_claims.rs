//! Who may be reached where: a route belongs to one application and environment at a time.

use crate::StoreError;
use crate::column::text;
use kiln_names::{AppName, EnvName, ProcessName, Route};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// A route and who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRow {
    /// The route.
    pub route: Route,
    /// The application that holds it.
    pub app: AppName,
    /// Its environment.
    pub env: EnvName,
    /// The process that it leads to.
    pub process: ProcessName,
}

/// Who holds a route.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn holder(
    db: &mut SqliteConnection,
    route: &Route,
) -> Result<Option<ClaimRow>, StoreError> {
    let sql = "SELECT host, path, app, env, process FROM route_claims WHERE host = ? AND path = ?";
    let query = sqlx::query(sql).bind(route.host.as_str()).bind(route.path.as_str());
    query.fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The routes that an application holds in an environment.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn held_by(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<Vec<ClaimRow>, StoreError> {
    let sql = "SELECT host, path, app, env, process FROM route_claims
        WHERE app = ? AND env = ? ORDER BY host, path";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str());
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// Takes a route. One that the same application and environment hold may go to another process;
/// one that others hold stays theirs: look with [`holder`] first, in the same transaction.
///
/// # Errors
/// When the database refuses.
pub async fn claim(db: &mut SqliteConnection, claim: &ClaimRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO route_claims (host, path, app, env, process) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET process = excluded.process
        WHERE app = excluded.app AND env = excluded.env";
    sqlx::query(sql)
        .bind(claim.route.host.as_str())
        .bind(claim.route.path.as_str())
        .bind(claim.app.as_str())
        .bind(claim.env.as_str())
        .bind(claim.process.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Gives a route back.
///
/// # Errors
/// When the database refuses.
pub async fn free(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    route: &Route,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM route_claims WHERE host = ? AND path = ? AND app = ? AND env = ?")
        .bind(route.host.as_str())
        .bind(route.path.as_str())
        .bind(app.as_str())
        .bind(env.as_str())
        .execute(db)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<ClaimRow, StoreError> {
    Ok(ClaimRow {
        route: Route {
            host: text(row, 0, "route_claims.host")?,
            path: text(row, 1, "route_claims.path")?,
        },
        app: text(row, 2, "route_claims.app")?,
        env: text(row, 3, "route_claims.env")?,
        process: text(row, 4, "route_claims.process")?,
    })
}
