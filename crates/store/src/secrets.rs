//! Secrets as they are kept: sealed, in versions. What is in a seal, the crate `secrets` knows.
//!
//! The functions that change something take [`By`] and record the change in the same transaction;
//! no record holds anything of a value.

mod erase;

pub use erase::{Erased, erase_surplus, erase_withdrawn};

use crate::audit::{self, By};
use crate::column::{number, signed, text};
use crate::{StoreError, Write};
use kiln_names::{AppName, EnvName, GroupName, SecretName, SecretVersion, SecretVersions};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// One secret of an application in an environment, everything but its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Its name.
    pub name: SecretName,
    /// The version that new releases get.
    pub version: SecretVersion,
    /// Since when, in milliseconds since 1970.
    pub set_ms: u64,
    /// By whom.
    pub set_by: String,
}

/// A version to be.
#[derive(Debug, Clone, Copy)]
pub struct NewVersion<'a> {
    /// The application.
    pub app: &'a AppName,
    /// The environment.
    pub env: &'a EnvName,
    /// The secret.
    pub name: &'a SecretName,
    /// Its next version; see [`last`].
    pub version: SecretVersion,
    /// The sealed value.
    pub sealed: &'a [u8],
}

/// The secrets of an application in an environment that new releases get, by name.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn list(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<Vec<SecretRow>, StoreError> {
    let sql = "SELECT v.name, v.version, v.set_ms, v.set_by
        FROM secrets AS s JOIN secret_versions AS v USING (app, env, name)
        WHERE s.app = ? AND s.env = ? AND v.version = s.current ORDER BY v.name";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str());
    query.fetch_all(db).await?.iter().map(secret_row).collect()
}

/// The versions that a new release gets.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn newest(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<SecretVersions, StoreError> {
    let rows = list(db, app, env).await?;
    Ok(rows.into_iter().map(|row| (row.name, row.version)).collect())
}

/// The version of a secret that new releases get; none when there is no such secret, or no more.
///
/// # Errors
/// When the database refuses.
pub async fn current(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    name: &SecretName,
) -> Result<Option<SecretVersion>, StoreError> {
    let sql = "SELECT current FROM secrets WHERE app = ? AND env = ? AND name = ?";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).bind(name.as_str());
    let row = query.fetch_optional(db).await?;
    let version: Option<u32> = row.map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(version.map(SecretVersion))
}

/// The newest version that a secret ever had; 0 before the first.
///
/// # Errors
/// When the database refuses.
pub async fn last(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    name: &SecretName,
) -> Result<SecretVersion, StoreError> {
    let sql = "SELECT last FROM secrets WHERE app = ? AND env = ? AND name = ?";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).bind(name.as_str());
    let row = query.fetch_optional(db).await?;
    Ok(SecretVersion(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0)))
}

/// The sealed value of a version; none when there is no such version, or no more.
///
/// # Errors
/// When the database refuses.
pub async fn sealed(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    name: &SecretName,
    version: SecretVersion,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT sealed FROM secret_versions
        WHERE app = ? AND env = ? AND name = ? AND version = ?";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).bind(name.as_str());
    let row = query.bind(version.0).fetch_optional(db).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Those of the given versions that are not kept, or not any more.
///
/// # Errors
/// When the database refuses.
pub async fn missing(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    wanted: &SecretVersions,
) -> Result<SecretVersions, StoreError> {
    let mut missing = SecretVersions::new();
    for (name, version) in wanted {
        if sealed(&mut *db, app, env, name, *version).await?.is_none() {
            missing.insert(name.clone(), *version);
        }
    }
    Ok(missing)
}

/// Adds a version, which new releases get from now on.
///
/// # Errors
/// When the database refuses, as it does when there is such a version.
pub async fn add(db: &mut Write, new: &NewVersion<'_>, by: &By) -> Result<(), StoreError> {
    let NewVersion { app, env, name, version, sealed } = new;
    let sql = "INSERT INTO secret_versions (app, env, name, version, sealed, set_ms, set_by)
        VALUES (?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(app.as_str())
        .bind(env.as_str())
        .bind(name.as_str())
        .bind(version.0)
        .bind(*sealed)
        .bind(signed(by.at_ms))
        .bind(&by.who)
        .execute(&mut **db)
        .await?;
    let sql = "INSERT INTO secrets (app, env, name, last, current) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET last = excluded.last, current = excluded.current";
    sqlx::query(sql)
        .bind(app.as_str())
        .bind(env.as_str())
        .bind(name.as_str())
        .bind(version.0)
        .bind(version.0)
        .execute(&mut **db)
        .await?;
    let what = json!({"did": "set secret", "app": app, "env": env, "name": name,
        "version": version});
    audit::record(db, by, &what).await
}

/// Takes a secret from all new releases; returns the version that they had got, or none when there
/// is no such secret. What keeps it is not touched: see [`erase_withdrawn`].
///
/// # Errors
/// When the database refuses.
pub async fn withdraw(
    db: &mut Write,
    app: &AppName,
    env: &EnvName,
    name: &SecretName,
    by: &By,
) -> Result<Option<SecretVersion>, StoreError> {
    let Some(version) = current(db, app, env, name).await? else { return Ok(None) };
    sqlx::query("UPDATE secrets SET current = NULL WHERE app = ? AND env = ? AND name = ?")
        .bind(app.as_str())
        .bind(env.as_str())
        .bind(name.as_str())
        .execute(&mut **db)
        .await?;
    let what = json!({"did": "remove secret", "app": app, "env": env, "name": name,
        "version": version});
    audit::record(db, by, &what).await?;
    Ok(Some(version))
}

/// Takes all secrets of an application from new releases: one of the same name that comes later is
/// another's.
pub(crate) async fn withdraw_of_application(
    db: &mut SqliteConnection,
    app: &AppName,
) -> Result<(), StoreError> {
    let sql = "UPDATE secrets SET current = NULL WHERE app = ?";
    sqlx::query(sql).bind(app.as_str()).execute(db).await?;
    Ok(())
}

/// The same for an environment.
pub(crate) async fn withdraw_of_environment(
    db: &mut SqliteConnection,
    env: &EnvName,
) -> Result<(), StoreError> {
    let sql = "UPDATE secrets SET current = NULL WHERE env = ?";
    sqlx::query(sql).bind(env.as_str()).execute(db).await?;
    Ok(())
}

/// The groups whose release has a version of the secret, and that are not gone.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn holders(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    name: &SecretName,
) -> Result<Vec<GroupName>, StoreError> {
    let sql = "SELECT g.name FROM server_groups AS g JOIN releases AS r ON r.id = g.release
            JOIN json_each(r.canonical, '$.secrets') AS pin
        WHERE g.app = ? AND g.env = ? AND g.state <> 'gone' AND pin.key = ? ORDER BY g.number";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).bind(name.as_str());
    let rows = query.fetch_all(db).await?;
    rows.iter().map(|row| text(row, 0, "server_groups.name")).collect()
}

/// Whether any version of any secret is kept.
///
/// # Errors
/// When the database refuses.
pub async fn any(db: &mut SqliteConnection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM secret_versions)";
    Ok(sqlx::query_scalar(sql).fetch_one(db).await?)
}

/// Whether any version is kept of a secret that was removed.
///
/// # Errors
/// When the database refuses.
pub async fn any_withdrawn(db: &mut SqliteConnection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM secret_versions JOIN secrets USING (app, env, name)
        WHERE current IS NULL)";
    Ok(sqlx::query_scalar(sql).fetch_one(db).await?)
}

/// What opens with the right key alone.
///
/// # Errors
/// When the database refuses.
pub async fn proof(db: &mut SqliteConnection) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM secret_proof").fetch_optional(db).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Replaces what opens with the right key alone.
///
/// # Errors
/// When the database refuses.
pub async fn set_proof(db: &mut SqliteConnection, sealed: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO secret_proof (only_row, sealed) VALUES (1, ?)
        ON CONFLICT DO UPDATE SET sealed = excluded.sealed";
    sqlx::query(sql).bind(sealed).execute(db).await?;
    Ok(())
}

fn secret_row(row: &SqliteRow) -> Result<SecretRow, StoreError> {
    Ok(SecretRow {
        name: text(row, 0, "secret_versions.name")?,
        version: SecretVersion(row.try_get(1)?),
        set_ms: number(row, 2, "secret_versions.set_ms")?,
        set_by: row.try_get(3)?,
    })
}

#[cfg(test)]
mod tests;
