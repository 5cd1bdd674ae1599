//! Deployments: who holds the lock, and where each one is. The journal says how it got there.

use crate::StoreError;
use crate::column::{number, optional, signed, text};
use kiln_names::{AppName, DeploymentId, EnvName, ReleaseId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// A deployment that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// Its id.
    pub id: DeploymentId,
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// What was asked for.
    pub verb: String,
    /// Who asked.
    pub who: String,
    /// Why.
    pub message: String,
    /// The state it begins in.
    pub state: String,
    /// When, in milliseconds since 1970.
    pub started_ms: u64,
}

/// A deployment as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    /// Grows with every deployment.
    pub number: u64,
    /// Its id.
    pub id: DeploymentId,
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// What was asked for.
    pub verb: String,
    /// Who asked.
    pub who: String,
    /// Why.
    pub message: String,
    /// The release it goes to, once that is known.
    pub release: Option<ReleaseId>,
    /// Where it is in its life.
    pub state: String,
    /// Why it is there.
    pub reason: Option<String>,
    /// Whether it keeps others from beginning.
    pub locks: bool,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// Since when it is in its state.
    pub since_ms: u64,
    /// When it ended, unless it goes on.
    pub ended_ms: Option<u64>,
}

/// What changes in a deployment's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateChange<'a> {
    /// The state.
    pub state: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
    /// Whether it keeps others from beginning.
    pub locks: bool,
    /// Whether it has ended.
    pub ended: bool,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT number, id, app, env, verb, who, message, release, state, reason, locks,
                started_ms, since_ms, ended_ms FROM deployments ",
            $rest
        )
    };
}

const NEWEST: &str = select!("WHERE number < ? ORDER BY number DESC LIMIT ?");
const NEWEST_OF_APP: &str = select!("WHERE app = ? AND number < ? ORDER BY number DESC LIMIT ?");
const NEWEST_HERE: &str =
    select!("WHERE app = ? AND env = ? AND number < ? ORDER BY number DESC LIMIT ?");

/// Takes the lock of an application in an environment; returns the deployment's number.
///
/// # Errors
/// A unique violation when another deployment holds the lock: see
/// [`StoreError::is_unique_violation`] and [`holder`].
pub async fn begin(db: &mut SqliteConnection, new: &NewDeployment) -> Result<u64, StoreError> {
    let sql = "INSERT INTO deployments
        (id, app, env, verb, who, message, state, locks, started_ms, since_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?) RETURNING number";
    let row = sqlx::query(sql)
        .bind(new.id.to_string())
        .bind(new.app.as_str())
        .bind(new.env.as_str())
        .bind(&new.verb)
        .bind(&new.who)
        .bind(&new.message)
        .bind(&new.state)
        .bind(signed(new.started_ms))
        .bind(signed(new.started_ms))
        .fetch_one(db)
        .await?;
    number(&row, 0, "deployments.number")
}

/// Notes which release a deployment goes to.
///
/// # Errors
/// When the database refuses.
pub async fn set_release(
    db: &mut SqliteConnection,
    deployment: u64,
    release: Option<ReleaseId>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE deployments SET release = ? WHERE number = ?")
        .bind(release.map(|release| release.to_string()))
        .bind(signed(deployment))
        .execute(db)
        .await?;
    Ok(())
}

/// Puts a deployment into another state.
///
/// # Errors
/// When the database refuses.
pub async fn set_state(
    db: &mut SqliteConnection,
    deployment: u64,
    change: StateChange<'_>,
) -> Result<(), StoreError> {
    let sql = "UPDATE deployments
        SET state = ?, reason = ?, locks = ?, since_ms = ?, ended_ms = ? WHERE number = ?";
    sqlx::query(sql)
        .bind(change.state)
        .bind(change.reason)
        .bind(change.locks)
        .bind(signed(change.at_ms))
        .bind(change.ended.then(|| signed(change.at_ms)))
        .bind(signed(deployment))
        .execute(db)
        .await?;
    Ok(())
}

/// The deployment that holds the lock of an application in an environment.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn holder(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<Option<DeploymentRow>, StoreError> {
    let sql = select!("WHERE app = ? AND env = ? AND locks = 1");
    let row = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// Every deployment that holds a lock, the oldest first.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn holders(db: &mut SqliteConnection) -> Result<Vec<DeploymentRow>, StoreError> {
    let sql = select!("INDEXED BY deployments_lock WHERE locks = 1 ORDER BY number");
    sqlx::query(sql).fetch_all(db).await?.iter().map(read).collect()
}

/// One deployment.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn get(
    db: &mut SqliteConnection,
    id: DeploymentId,
) -> Result<Option<DeploymentRow>, StoreError> {
    let sql = select!("WHERE id = ?");
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// The newest deployments first, at most `limit`; of one application, and of one environment of
/// it, if these are given; only those with a lower number than `before`.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn newest(
    db: &mut SqliteConnection,
    scope: Option<(&AppName, Option<&EnvName>)>,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<DeploymentRow>, StoreError> {
    let before = before.map_or(i64::MAX, signed);
    let query = match scope {
        None => sqlx::query(NEWEST),
        Some((app, None)) => sqlx::query(NEWEST_OF_APP).bind(app.as_str()),
        Some((app, Some(env))) => sqlx::query(NEWEST_HERE).bind(app.as_str()).bind(env.as_str()),
    };
    query.bind(before).bind(limit).fetch_all(db).await?.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<DeploymentRow, StoreError> {
    let ended: Option<i64> = row.try_get(13)?;
    Ok(DeploymentRow {
        number: number(row, 0, "deployments.number")?,
        id: text(row, 1, "deployments.id")?,
        app: text(row, 2, "deployments.app")?,
        env: text(row, 3, "deployments.env")?,
        verb: row.try_get(4)?,
        who: row.try_get(5)?,
        message: row.try_get(6)?,
        release: optional(row, 7, "deployments.release")?,
        state: row.try_get(8)?,
        reason: row.try_get(9)?,
        locks: row.try_get(10)?,
        started_ms: number(row, 11, "deployments.started_ms")?,
        since_ms: number(row, 12, "deployments.since_ms")?,
        ended_ms: ended.map(i64::cast_unsigned),
    })
}
