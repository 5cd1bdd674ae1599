//! Which release an application runs in an environment, and which one it ran before.

use crate::StoreError;
use crate::column::{number, optional, signed};
use kiln_names::{AppName, EnvName, ReleaseId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// A release became active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewActivation {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The release; none when it was stopped.
    pub release: Option<ReleaseId>,
    /// The activation that a rollback from here returns to.
    pub back: Option<u64>,
    /// The deployment that did it.
    pub deployment: u64,
    /// The settings it was deployed with, as JSON.
    pub settings: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// An activation as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivationRow {
    /// Grows with every activation.
    pub number: u64,
    /// The release; none when it was stopped.
    pub release: Option<ReleaseId>,
    /// The activation that a rollback from here returns to.
    pub back: Option<u64>,
    /// The settings it was deployed with, as JSON.
    pub settings: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Records that a release became active.
///
/// # Errors
/// When the database refuses.
pub async fn add(db: &mut SqliteConnection, new: &NewActivation) -> Result<(), StoreError> {
    let sql = "INSERT INTO activations (app, env, release, back, deployment, settings, at_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(new.app.as_str())
        .bind(new.env.as_str())
        .bind(new.release.map(|release| release.to_string()))
        .bind(new.back.map(signed))
        .bind(signed(new.deployment))
        .bind(&new.settings)
        .bind(signed(new.at_ms))
        .execute(db)
        .await?;
    Ok(())
}

/// The newest activation of an application in an environment.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn current(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<Option<ActivationRow>, StoreError> {
    let sql = "SELECT number, release, back, settings, at_ms FROM activations
        WHERE app = ? AND env = ? ORDER BY number DESC LIMIT 1";
    let row = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// One activation.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn get(
    db: &mut SqliteConnection,
    number: u64,
) -> Result<Option<ActivationRow>, StoreError> {
    let sql = "SELECT number, release, back, settings, at_ms FROM activations WHERE number = ?";
    let row = sqlx::query(sql).bind(signed(number)).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// The newest activation of a release.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn of_release(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    release: ReleaseId,
) -> Result<Option<ActivationRow>, StoreError> {
    let sql = "SELECT number, release, back, settings, at_ms FROM activations
        WHERE app = ? AND env = ? AND release = ? ORDER BY number DESC LIMIT 1";
    let row = sqlx::query(sql)
        .bind(app.as_str())
        .bind(env.as_str())
        .bind(release.to_string())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<ActivationRow, StoreError> {
    let back: Option<i64> = row.try_get(2)?;
    Ok(ActivationRow {
        number: number(row, 0, "activations.number")?,
        release: optional(row, 1, "activations.release")?,
        back: back.map(i64::cast_unsigned),
        settings: row.try_get(3)?,
        at_ms: number(row, 4, "activations.at_ms")?,
    })
}
