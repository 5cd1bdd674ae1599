//! Groups that wait to be removed.

use crate::StoreError;
use crate::column::{number, signed, text};
use kiln_names::{AppName, EnvName, GroupId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// A group that waits to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetirementRow {
    /// The group.
    pub group: GroupId,
    /// Its application.
    pub app: AppName,
    /// Its environment.
    pub env: EnvName,
    /// When it is to be removed, in milliseconds since 1970.
    pub due_ms: u64,
    /// Whether that has begun: then nobody can have it back.
    pub removing: bool,
}

/// Hands a group over, or changes when it is due.
///
/// # Errors
/// When the database refuses.
pub async fn put(
    db: &mut SqliteConnection,
    group: GroupId,
    app: &AppName,
    env: &EnvName,
    due_ms: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO retirements (group_id, app, env, due_ms, removing)
        VALUES (?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET due_ms = excluded.due_ms";
    sqlx::query(sql)
        .bind(group.to_string())
        .bind(app.as_str())
        .bind(env.as_str())
        .bind(signed(due_ms))
        .execute(db)
        .await?;
    Ok(())
}

/// Makes everything that an application keeps warm in an environment due at once.
///
/// # Errors
/// When the database refuses.
pub async fn hasten(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE retirements SET due_ms = min(due_ms, ?) WHERE app = ? AND env = ?")
        .bind(signed(now_ms))
        .bind(app.as_str())
        .bind(env.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Takes a group back, or forgets it once it is removed.
///
/// # Errors
/// When the database refuses.
pub async fn delete(db: &mut SqliteConnection, group: GroupId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM retirements WHERE group_id = ?")
        .bind(group.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Notes that the removal of a group begins; false when somebody took the group back, changed
/// when it is due, or a deployment of its application and environment is in progress.
///
/// # Errors
/// When the database refuses.
pub async fn begin_removal(
    db: &mut SqliteConnection,
    group: GroupId,
    now_ms: u64,
) -> Result<bool, StoreError> {
    let sql = "UPDATE retirements AS r SET removing = 1 WHERE group_id = ? AND due_ms <= ?
        AND (removing OR NOT EXISTS (SELECT 1 FROM deployments AS d
            WHERE d.app = r.app AND d.env = r.env AND d.locks = 1))";
    let done = sqlx::query(sql).bind(group.to_string()).bind(signed(now_ms)).execute(db).await?;
    Ok(done.rows_affected() == 1)
}

/// All groups that wait, those due first at the front.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<RetirementRow>, StoreError> {
    let sql = "SELECT group_id, app, env, due_ms, removing FROM retirements ORDER BY due_ms";
    sqlx::query(sql).fetch_all(db).await?.iter().map(read).collect()
}

/// What an application has waiting in an environment.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn of(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<Vec<RetirementRow>, StoreError> {
    let sql = "SELECT group_id, app, env, due_ms, removing FROM retirements
        WHERE app = ? AND env = ? ORDER BY due_ms";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str());
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// The highest number of a deployment of an application in an environment: the epoch that a
/// removal calls its engine with.
///
/// # Errors
/// When the database refuses.
pub async fn epoch(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(number), 0) FROM deployments WHERE app = ? AND env = ?";
    let row = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).fetch_one(db).await?;
    number(&row, 0, "deployments.number")
}

fn read(row: &SqliteRow) -> Result<RetirementRow, StoreError> {
    Ok(RetirementRow {
        group: text(row, 0, "retirements.group_id")?,
        app: text(row, 1, "retirements.app")?,
        env: text(row, 2, "retirements.env")?,
        due_ms: number(row, 3, "retirements.due_ms")?,
        removing: row.try_get(4)?,
    })
}
