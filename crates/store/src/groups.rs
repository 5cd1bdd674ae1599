//! Server groups as Kiln means them to be; what there really is, an engine says.

use crate::StoreError;
use crate::column::{number, signed, text};
use kiln_names::{AppName, EnvName, GroupId, GroupName, GroupNumber, ProcessName, ReleaseId};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqliteConnection};

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Its identity.
    pub id: GroupId,
    /// Its name.
    pub name: GroupName,
    /// Its application.
    pub app: AppName,
    /// Its environment.
    pub env: EnvName,
    /// Its process.
    pub process: ProcessName,
    /// Its number.
    pub number: GroupNumber,
    /// Its release.
    pub release: ReleaseId,
    /// Its frozen spec, as JSON.
    pub spec: String,
    /// How many instances it should have.
    pub size: u32,
    /// Where it is in its life.
    pub state: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Since when it is in its state.
    pub since_ms: u64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, app, env, process, number, release, spec, size, state, created_ms,
                since_ms FROM server_groups ",
            $rest
        )
    };
}

/// Adds a group; one that is there keeps its size and takes the state.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut SqliteConnection, group: &GroupRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO server_groups
        (id, name, app, env, process, number, release, spec, size, state, created_ms, since_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET state = excluded.state, since_ms = excluded.since_ms";
    insert(sql, group).execute(db).await?;
    Ok(())
}

/// The statement with all columns of a group bound in their order.
fn insert<'q>(
    sql: &'static str,
    group: &'q GroupRow,
) -> sqlx::query::Query<'q, Sqlite, SqliteArguments> {
    sqlx::query(sql)
        .bind(group.id.to_string())
        .bind(group.name.as_str())
        .bind(group.app.as_str())
        .bind(group.env.as_str())
        .bind(group.process.as_str())
        .bind(group.number.0)
        .bind(group.release.to_string())
        .bind(&group.spec)
        .bind(group.size)
        .bind(&group.state)
        .bind(signed(group.created_ms))
        .bind(signed(group.since_ms))
}

/// Adds a group that was found running, with its size; one that is known and not gone stays as it
/// is.
///
/// # Errors
/// When the database refuses.
pub async fn restore(db: &mut SqliteConnection, group: &GroupRow) -> Result<(), StoreError> {
    let sql = "DELETE FROM server_groups WHERE id = ? AND state = 'gone'";
    sqlx::query(sql).bind(group.id.to_string()).execute(&mut *db).await?;
    let sql = "INSERT OR IGNORE INTO server_groups
        (id, name, app, env, process, number, release, spec, size, state, created_ms, since_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    insert(sql, group).execute(db).await?;
    Ok(())
}

/// Puts a group into another state.
///
/// # Errors
/// When the database refuses.
pub async fn set_state(
    db: &mut SqliteConnection,
    group: GroupId,
    state: &str,
    at_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE server_groups SET state = ?, since_ms = ? WHERE id = ?")
        .bind(state)
        .bind(signed(at_ms))
        .bind(group.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Puts a group into another state if it is in the given one.
///
/// # Errors
/// When the database refuses.
pub async fn change_state(
    db: &mut SqliteConnection,
    group: GroupId,
    from: &str,
    to: &str,
    at_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE server_groups SET state = ?, since_ms = ? WHERE id = ? AND state = ?")
        .bind(to)
        .bind(signed(at_ms))
        .bind(group.to_string())
        .bind(from)
        .execute(db)
        .await?;
    Ok(())
}

/// Sets how many instances a group should have.
///
/// # Errors
/// When the database refuses.
pub async fn set_size(
    db: &mut SqliteConnection,
    group: GroupId,
    size: u32,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE server_groups SET size = ? WHERE id = ?")
        .bind(size)
        .bind(group.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// The groups of an application in an environment that are not gone, the oldest first.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn here(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<Vec<GroupRow>, StoreError> {
    let sql = select!("WHERE app = ? AND env = ? AND state <> 'gone' ORDER BY number, process");
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str());
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// The groups that ever ran a release, gone ones included: of each process the newest.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn newest_of(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    release: ReleaseId,
) -> Result<Vec<GroupRow>, StoreError> {
    let sql = select!(
        "AS g WHERE app = ? AND env = ? AND release = ? AND number = (
            SELECT max(number) FROM server_groups AS o WHERE o.app = g.app AND o.env = g.env
                AND o.release = g.release AND o.process = g.process)
        ORDER BY process"
    );
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).bind(release.to_string());
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// Any group of an application in an environment, gone or not.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn get(
    db: &mut SqliteConnection,
    group: GroupId,
) -> Result<Option<GroupRow>, StoreError> {
    let query = sqlx::query(select!("WHERE id = ?")).bind(group.to_string());
    query.fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// Whether an application in an environment has, or ever had, a group of that name.
///
/// # Errors
/// When the database refuses.
pub async fn was_ever(
    db: &mut SqliteConnection,
    (app, env): (&AppName, &EnvName),
    name: &GroupName,
) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM server_groups WHERE name = ? AND app = ? AND env = ?)";
    let query = sqlx::query_scalar(sql).bind(name.to_string()).bind(app.as_str());
    Ok(query.bind(env.as_str()).fetch_one(db).await?)
}

/// The applications and environments that have groups, in their order.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn clusters(db: &mut SqliteConnection) -> Result<Vec<(AppName, EnvName)>, StoreError> {
    let sql = "SELECT DISTINCT app, env FROM server_groups WHERE state <> 'gone' ORDER BY app, env";
    let rows = sqlx::query(sql).fetch_all(db).await?;
    let read = |row| Ok((text(row, 0, "server_groups.app")?, text(row, 1, "server_groups.env")?));
    rows.iter().map(read).collect()
}

/// The last number that was given out in an application and environment; 0 before the first.
///
/// # Errors
/// When the database refuses.
pub async fn last_number(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<u32, StoreError> {
    let sql = "SELECT last FROM group_numbers WHERE app = ? AND env = ?";
    let row = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).fetch_optional(db).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
}

/// Takes a number, so that it is never given out again.
///
/// # Errors
/// When the database refuses.
pub async fn take_number(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    number: GroupNumber,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO group_numbers (app, env, last) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET last = max(last, excluded.last)";
    sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).bind(number.0).execute(db).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<GroupRow, StoreError> {
    Ok(GroupRow {
        id: text(row, 0, "server_groups.id")?,
        name: text(row, 1, "server_groups.name")?,
        app: text(row, 2, "server_groups.app")?,
        env: text(row, 3, "server_groups.env")?,
        process: text(row, 4, "server_groups.process")?,
        number: GroupNumber(row.try_get(5)?),
        release: text(row, 6, "server_groups.release")?,
        spec: row.try_get(7)?,
        size: row.try_get(8)?,
        state: row.try_get(9)?,
        created_ms: number(row, 10, "server_groups.created_ms")?,
        since_ms: number(row, 11, "server_groups.since_ms")?,
    })
}
