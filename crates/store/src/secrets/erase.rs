//! Which versions may go for good.
//!
//! A version is *needed* while a group that is not gone has it in its release: its instances die and
//! come back. A deployment in progress needs what its release has, and what groups had that went away
//! in it, since an undo makes them again. While one is preparing, nobody can say what it needs.

use crate::StoreError;
use crate::audit::{self, By};
use crate::column::text;
use kiln_names::{AppName, EnvName, SecretName, SecretVersion};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// A version that is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The secret.
    pub name: SecretName,
    /// The version.
    pub version: SecretVersion,
}

/// That version `v` may go, as far as groups and deployments are concerned.
macro_rules! unneeded {
    () => {
        "NOT EXISTS (
            SELECT 1 FROM deployments AS d
            WHERE d.app = v.app AND d.env = v.env AND d.locks = 1 AND d.state = 'preparing')
        AND NOT EXISTS (
            SELECT 1 FROM deployments AS d JOIN releases AS r ON r.id = d.release
                JOIN json_each(r.canonical, '$.secrets') AS pin
            WHERE d.app = v.app AND d.env = v.env AND d.locks = 1
                AND pin.key = v.name AND pin.value = v.version)
        AND NOT EXISTS (
            SELECT 1 FROM server_groups AS g JOIN releases AS r ON r.id = g.release
                JOIN json_each(r.canonical, '$.secrets') AS pin
            WHERE g.app = v.app AND g.env = v.env
                AND pin.key = v.name AND pin.value = v.version
                AND (g.state <> 'gone' OR g.since_ms >= (
                    SELECT d.started_ms FROM deployments AS d
                    WHERE d.app = v.app AND d.env = v.env AND d.locks = 1)))"
    };
}

/// That version `v` is neither of the active release nor of the one that a rollback returns to.
const NOT_ON_THE_WAY_BACK: &str = "NOT EXISTS (
    SELECT 1 FROM activations AS a JOIN releases AS r ON r.id = a.release
        JOIN json_each(r.canonical, '$.secrets') AS pin
    WHERE a.app = v.app AND a.env = v.env AND pin.key = v.name AND pin.value = v.version
        AND a.number IN (
            SELECT number FROM (SELECT max(number) AS number FROM activations
                WHERE app = v.app AND env = v.env)
            UNION SELECT back FROM activations WHERE number = (SELECT max(number)
                FROM activations WHERE app = v.app AND env = v.env)))";

/// Erases the versions of a secret beyond the newest `keep`, unless they are needed, active, or what
/// a rollback returns to.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn erase_surplus(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    name: &SecretName,
    keep: u32,
    by: &By,
) -> Result<Vec<Erased>, StoreError> {
    let sql = format!(
        "DELETE FROM secret_versions AS v
        WHERE v.app = ? AND v.env = ? AND v.name = ? AND v.version + ? <= (
            SELECT s.last FROM secrets AS s
            WHERE s.app = v.app AND s.env = v.env AND s.name = v.name)
        AND {} AND {NOT_ON_THE_WAY_BACK} RETURNING app, env, name, version",
        unneeded!()
    );
    // Only our own words were joined.
    let query = sqlx::query(sqlx::AssertSqlSafe(sql));
    let query = query.bind(app.as_str()).bind(env.as_str()).bind(name.as_str()).bind(keep);
    let rows = query.fetch_all(&mut *db).await?;
    recorded(db, &rows, by).await
}

/// Erases what is left of secrets that were removed, where nothing needs it any more.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn erase_withdrawn(
    db: &mut SqliteConnection,
    by: &By,
) -> Result<Vec<Erased>, StoreError> {
    let sql = concat!(
        "DELETE FROM secret_versions AS v
        WHERE NOT EXISTS (SELECT 1 FROM secrets AS s WHERE s.app = v.app AND s.env = v.env
            AND s.name = v.name AND s.current IS NOT NULL)
        AND ",
        unneeded!(),
        " RETURNING app, env, name, version"
    );
    let rows = sqlx::query(sql).fetch_all(&mut *db).await?;
    recorded(db, &rows, by).await
}

async fn recorded(
    db: &mut SqliteConnection,
    rows: &[SqliteRow],
    by: &By,
) -> Result<Vec<Erased>, StoreError> {
    let erased: Vec<Erased> = rows.iter().map(erased).collect::<Result<_, _>>()?;
    for Erased { app, env, name, version } in &erased {
        let what = json!({"did": "erase secret", "app": app, "env": env, "name": name,
            "version": version});
        audit::record(db, by, &what).await?;
    }
    Ok(erased)
}

fn erased(row: &SqliteRow) -> Result<Erased, StoreError> {
    Ok(Erased {
        app: text(row, 0, "secret_versions.app")?,
        env: text(row, 1, "secret_versions.env")?,
        name: text(row, 2, "secret_versions.name")?,
        version: SecretVersion(row.try_get(3)?),
    })
}
