//! Keeping history small: what ended long ago gives up its journal for a summary.

use crate::StoreError;
use crate::column::{number, signed, text};
use kiln_names::{AppName, DeploymentId, EnvName};
use sqlx::{Row, SqliteConnection};

/// How many ended instances of all applications keep their record and last lines.
const ENDED_INSTANCES: i64 = 2_000;

/// A deployment whose journal may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// Its number.
    pub number: u64,
    /// Its id.
    pub id: DeploymentId,
}

/// The applications and environments whose deployments still have journals.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn clusters(db: &mut SqliteConnection) -> Result<Vec<(AppName, EnvName)>, StoreError> {
    let sql = "SELECT DISTINCT app, env FROM deployments WHERE compacted = 0 ORDER BY app, env";
    let rows = sqlx::query(sql).fetch_all(db).await?;
    let read = |row| Ok((text(row, 0, "deployments.app")?, text(row, 1, "deployments.env")?));
    rows.iter().map(read).collect()
}

/// Ended deployments that still have journals, without the newest `kept`: at most `limit` of them.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn old(
    db: &mut SqliteConnection,
    (app, env): (&AppName, &EnvName),
    kept: u32,
    limit: u32,
) -> Result<Vec<Old>, StoreError> {
    let sql = "SELECT number, id, locks FROM deployments
        WHERE app = ? AND env = ? AND compacted = 0 ORDER BY number DESC LIMIT ? OFFSET ?";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).bind(limit).bind(kept);
    let rows = query.fetch_all(db).await?;
    let ended = rows.iter().filter(|row| !row.try_get::<bool, _>(2).unwrap_or(true));
    let read = |row| {
        let number = number(row, 0, "deployments.number")?;
        Ok(Old { number, id: text(row, 1, "deployments.id")? })
    };
    ended.map(read).collect()
}

/// Puts a summary in the place of a journal.
///
/// # Errors
/// When the database refuses.
pub async fn compact(
    db: &mut SqliteConnection,
    deployment: u64,
    summary: &str,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO deployment_summaries (deployment, summary) VALUES (?, ?)";
    sqlx::query(sql).bind(signed(deployment)).bind(summary).execute(&mut *db).await?;
    for sql in [
        "UPDATE deployments SET compacted = 1 WHERE number = ?",
        "DELETE FROM journal WHERE deployment = ?",
    ] {
        sqlx::query(sql).bind(signed(deployment)).execute(&mut *db).await?;
    }
    Ok(())
}

/// What stays of the journal of a deployment that was compacted.
///
/// # Errors
/// When the database refuses.
pub async fn summary(
    db: &mut SqliteConnection,
    deployment: u64,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT summary FROM deployment_summaries WHERE deployment = ?";
    let row = sqlx::query(sql).bind(signed(deployment)).fetch_optional(db).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Empties the specs of groups that are gone, of one application in one environment: nothing starts
/// from them again. How large a group was, and of which release, stays.
///
/// # Errors
/// When the database refuses.
pub async fn empty_gone_specs(
    db: &mut SqliteConnection,
    (app, env): (&AppName, &EnvName),
    before_ms: u64,
    limit: u32,
) -> Result<u64, StoreError> {
    let sql = "UPDATE server_groups SET spec = '{}' WHERE id IN (SELECT id FROM server_groups
        WHERE app = ? AND env = ? AND state = 'gone' AND spec <> '{}' AND since_ms < ? LIMIT ?)";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str());
    Ok(query.bind(signed(before_ms)).bind(limit).execute(db).await?.rows_affected())
}

/// Forgets the oldest instances that ended, beyond those kept.
///
/// # Errors
/// When the database refuses.
pub async fn forget_instances(db: &mut SqliteConnection) -> Result<u64, StoreError> {
    let sql = "DELETE FROM local_instances WHERE id IN (SELECT id FROM local_instances
        WHERE ended_ms IS NOT NULL ORDER BY ended_ms DESC LIMIT -1 OFFSET ?)";
    Ok(sqlx::query(sql).bind(ENDED_INSTANCES).execute(db).await?.rows_affected())
}

#[cfg(test)]
mod tests;
