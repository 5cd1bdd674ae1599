//! What engines that Kiln keeps want and run: groups, instances, traffic.
//!
//! Specs, states and exits are JSON of the engine's own types; this module keeps their text.

use crate::StoreError;
use crate::column::{number, optional, signed, text};
use kiln_names::{AppName, EnvName, GroupId, GroupName, InstanceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::net::SocketAddr;

/// How many ended instances of an application in an environment keep their record and last lines.
const ENDED_KEPT: i64 = 50;

/// A group as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Its identity.
    pub id: GroupId,
    /// Its application.
    pub app: AppName,
    /// Its environment.
    pub env: EnvName,
    /// The frozen spec.
    pub spec: String,
    /// The lowest slot that its instances have.
    pub first: u32,
    /// How many instances it should have.
    pub size: u32,
    /// Whether it is on its way out.
    pub removing: bool,
}

/// An instance that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its identity.
    pub id: InstanceId,
    /// Its group.
    pub group: GroupId,
    /// Its group's name.
    pub group_name: GroupName,
    /// Its application.
    pub app: AppName,
    /// Its environment.
    pub env: EnvName,
    /// Its ordinal in the group.
    pub slot: u32,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// When it was asked for, in milliseconds since 1970.
    pub created_ms: u64,
    /// Whether an identical one is to take its place.
    pub replacing: bool,
}

/// What is kept of an instance that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedInstance {
    /// The instance.
    pub instance: InstanceRow,
    /// When it ended, in milliseconds since 1970.
    pub ended_ms: u64,
    /// How, as JSON.
    pub exit: String,
    /// Its last log lines as they stood in the log.
    pub last_lines: String,
}

/// The traffic of one application in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficRow {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// Counts its changes.
    pub version: u64,
    /// Routes and weights, as JSON.
    pub state: String,
}

/// Takes the next epoch for the router's tables: one for each start of the server.
///
/// # Errors
/// When the database refuses.
pub async fn next_router_epoch(db: &mut SqliteConnection) -> Result<u64, StoreError> {
    let sql = "INSERT INTO local_router (only_row, epoch) VALUES (1, 1)
        ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch";
    number(&sqlx::query(sql).fetch_one(db).await?, 0, "local_router.epoch")
}

/// Ensures that the next epoch is beyond one that a router has.
///
/// # Errors
/// When the database refuses.
pub async fn raise_router_epoch(
    db: &mut SqliteConnection,
    at_least: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO local_router (only_row, epoch) VALUES (1, ?)
        ON CONFLICT DO UPDATE SET epoch = max(epoch, excluded.epoch)";
    sqlx::query(sql).bind(signed(at_least)).execute(db).await?;
    Ok(())
}

/// The place of an environment's network, given out at its first use and kept.
///
/// # Errors
/// When the database refuses.
pub async fn network_place(db: &mut SqliteConnection, env: &EnvName) -> Result<u32, StoreError> {
    place_of(db, env.as_str()).await
}

/// The place of the network of runs that belong to no environment, kept as well. No environment can
/// have its name.
///
/// # Errors
/// When the database refuses.
pub async fn network_place_of_runs(db: &mut SqliteConnection) -> Result<u32, StoreError> {
    place_of(db, "(runs)").await
}

async fn place_of(db: &mut SqliteConnection, whose: &str) -> Result<u32, StoreError> {
    let known = "SELECT place FROM local_networks WHERE env = ?";
    if let Some(row) = sqlx::query(known).bind(whose).fetch_optional(&mut *db).await? {
        return count(&row, 0, "local_networks.place");
    }
    // Whoever is deleted and has no instance left needs none.
    let sql = "DELETE FROM local_networks WHERE env NOT LIKE '(%'
        AND env NOT IN (SELECT name FROM environments)
        AND env NOT IN (SELECT env FROM local_instances WHERE ended_ms IS NULL)
        AND env NOT IN (SELECT env FROM local_groups)";
    sqlx::query(sql).execute(&mut *db).await?;
    // The lowest free place: 0, or one past a place whose successor is free.
    let sql = "INSERT OR IGNORE INTO local_networks (env, place)
        SELECT ?, MIN(p) FROM (SELECT 0 AS p UNION SELECT place + 1 FROM local_networks)
        WHERE p NOT IN (SELECT place FROM local_networks)";
    sqlx::query(sql).bind(whose).execute(&mut *db).await?;
    let row = sqlx::query(known).bind(whose).fetch_one(db).await?;
    count(&row, 0, "local_networks.place")
}

/// The places that networks have, by the environment or what else they are of.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn network_places(db: &mut SqliteConnection) -> Result<Vec<(String, u32)>, StoreError> {
    let rows = sqlx::query("SELECT env, place FROM local_networks").fetch_all(db).await?;
    let read = |row: &SqliteRow| Ok((row.try_get(0)?, count(row, 1, "local_networks.place")?));
    rows.iter().map(read).collect()
}

/// Notes a caller's epoch; answers the newest one seen, which is lower than no caller's that may
/// go on.
///
/// # Errors
/// When the database refuses.
pub async fn note_epoch(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
    epoch: u64,
) -> Result<u64, StoreError> {
    let sql = "INSERT INTO local_epochs (app, env, epoch) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET epoch = max(epoch, excluded.epoch) RETURNING epoch";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str()).bind(signed(epoch));
    number(&query.fetch_one(db).await?, 0, "local_epochs.epoch")
}

/// Adds a group unless it is there.
///
/// # Errors
/// When the database refuses.
pub async fn add_group(db: &mut SqliteConnection, group: &GroupRow) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO local_groups (id, app, env, spec, first_slot, size)
        VALUES (?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(group.id.to_string())
        .bind(group.app.as_str())
        .bind(group.env.as_str())
        .bind(&group.spec)
        .bind(group.first)
        .bind(group.size)
        .execute(db)
        .await?;
    Ok(())
}

/// Sets how many instances a group should have, from which slot on.
///
/// # Errors
/// When the database refuses.
pub async fn resize_group(
    db: &mut SqliteConnection,
    group: GroupId,
    (first, size): (u32, u32),
) -> Result<(), StoreError> {
    sqlx::query("UPDATE local_groups SET first_slot = ?, size = ? WHERE id = ?")
        .bind(first)
        .bind(size)
        .bind(group.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Marks a group as on its way out.
///
/// # Errors
/// When the database refuses.
pub async fn mark_group_removing(
    db: &mut SqliteConnection,
    group: GroupId,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE local_groups SET removing = 1, size = 0 WHERE id = ?")
        .bind(group.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets a group whose instances have all ended.
///
/// # Errors
/// When the database refuses.
pub async fn delete_group(db: &mut SqliteConnection, group: GroupId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM local_groups WHERE id = ?")
        .bind(group.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// All groups.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn groups(db: &mut SqliteConnection) -> Result<Vec<GroupRow>, StoreError> {
    let sql =
        "SELECT id, app, env, spec, size, removing, first_slot FROM local_groups ORDER BY rowid";
    sqlx::query(sql).fetch_all(db).await?.iter().map(group_row).collect()
}

/// Records that an instance is about to be started, with its address.
///
/// # Errors
/// When the database refuses.
pub async fn add_instance(
    db: &mut SqliteConnection,
    instance: &InstanceRow,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO local_instances
        (id, group_id, group_name, app, env, slot, address, created_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(instance.id.to_string())
        .bind(instance.group.to_string())
        .bind(instance.group_name.as_str())
        .bind(instance.app.as_str())
        .bind(instance.env.as_str())
        .bind(instance.slot)
        .bind(instance.address.map(|address| address.to_string()))
        .bind(signed(instance.created_ms))
        .execute(db)
        .await?;
    Ok(())
}

/// Records an instance that was found running, whatever was known of it.
///
/// # Errors
/// When the database refuses.
pub async fn readmit_instance(
    db: &mut SqliteConnection,
    instance: &InstanceRow,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM local_instances WHERE id = ? AND ended_ms IS NOT NULL";
    sqlx::query(sql).bind(instance.id.to_string()).execute(&mut *db).await?;
    let known = "SELECT count(*) FROM local_instances WHERE id = ?";
    let known: i64 =
        sqlx::query_scalar(known).bind(instance.id.to_string()).fetch_one(&mut *db).await?;
    if known == 0 { add_instance(db, instance).await } else { Ok(()) }
}

/// Whether an instance was ever recorded and not forgotten.
///
/// # Errors
/// When the database refuses.
pub async fn knows_instance(
    db: &mut SqliteConnection,
    instance: InstanceId,
) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM local_instances WHERE id = ?";
    let known: i64 = sqlx::query_scalar(sql).bind(instance.to_string()).fetch_one(db).await?;
    Ok(known > 0)
}

/// Records where an instance listens, once that is known.
///
/// # Errors
/// When the database refuses.
pub async fn place_instance(
    db: &mut SqliteConnection,
    instance: InstanceId,
    address: SocketAddr,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE local_instances SET address = ? WHERE id = ?")
        .bind(address.to_string())
        .bind(instance.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Records how an instance ended, and drops the oldest such records beyond those kept.
///
/// # Errors
/// When the database refuses.
pub async fn end_instance(
    db: &mut SqliteConnection,
    instance: InstanceId,
    ended_ms: u64,
    exit: &str,
    last_lines: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE local_instances SET ended_ms = ?, exit = ?, last_lines = ?
        WHERE id = ? AND ended_ms IS NULL";
    sqlx::query(sql)
        .bind(signed(ended_ms))
        .bind(exit)
        .bind(last_lines)
        .bind(instance.to_string())
        .execute(&mut *db)
        .await?;
    let sql = "DELETE FROM local_instances WHERE id IN (
        SELECT old.id FROM local_instances old JOIN local_instances this
            ON this.id = ? AND old.app = this.app AND old.env = this.env
        WHERE old.ended_ms IS NOT NULL ORDER BY old.ended_ms DESC LIMIT -1 OFFSET ?)";
    sqlx::query(sql).bind(instance.to_string()).bind(ENDED_KEPT).execute(db).await?;
    Ok(())
}

/// The instances that have not ended.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn live_instances(db: &mut SqliteConnection) -> Result<Vec<InstanceRow>, StoreError> {
    let sql = "SELECT id, group_id, group_name, app, env, slot, address, created_ms, replacing
        FROM local_instances WHERE ended_ms IS NULL ORDER BY rowid";
    let rows = sqlx::query(sql).fetch_all(db).await?;
    let read =
        |row: &SqliteRow| Ok(InstanceRow { replacing: row.try_get(8)?, ..instance_row(row)? });
    rows.iter().map(read).collect()
}

/// Notes that an identical instance is to take this one's place.
///
/// # Errors
/// When the database refuses.
pub async fn mark_replacing(
    db: &mut SqliteConnection,
    instance: InstanceId,
) -> Result<(), StoreError> {
    let sql = "UPDATE local_instances SET replacing = 1 WHERE id = ?";
    sqlx::query(sql).bind(instance.to_string()).execute(db).await?;
    Ok(())
}

/// The instances of an application in an environment that ended, the latest first.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn ended_instances(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<Vec<EndedInstance>, StoreError> {
    let sql = "SELECT id, group_id, group_name, app, env, slot, address, created_ms,
            ended_ms, exit, last_lines
        FROM local_instances WHERE app = ? AND env = ? AND ended_ms IS NOT NULL
        ORDER BY ended_ms DESC";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str());
    query.fetch_all(db).await?.iter().map(ended_row).collect()
}

/// Sets the traffic of an application in an environment.
///
/// # Errors
/// When the database refuses.
pub async fn put_traffic(db: &mut SqliteConnection, row: &TrafficRow) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO local_traffic (app, env, version, state) VALUES (?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(row.app.as_str())
        .bind(row.env.as_str())
        .bind(signed(row.version))
        .bind(&row.state)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets the traffic of an environment that is deleted.
///
/// # Errors
/// When the database refuses.
pub async fn forget_traffic(db: &mut SqliteConnection, env: &EnvName) -> Result<(), StoreError> {
    let sql = "DELETE FROM local_traffic WHERE env = ?";
    sqlx::query(sql).bind(env.as_str()).execute(db).await?;
    Ok(())
}

/// The traffic of everything.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn traffic(db: &mut SqliteConnection) -> Result<Vec<TrafficRow>, StoreError> {
    let sql = "SELECT app, env, version, state FROM local_traffic ORDER BY app, env";
    sqlx::query(sql).fetch_all(db).await?.iter().map(traffic_row).collect()
}

fn group_row(row: &SqliteRow) -> Result<GroupRow, StoreError> {
    Ok(GroupRow {
        id: text(row, 0, "local_groups.id")?,
        app: text(row, 1, "local_groups.app")?,
        env: text(row, 2, "local_groups.env")?,
        spec: row.try_get(3)?,
        size: count(row, 4, "local_groups.size")?,
        removing: row.try_get(5)?,
        first: count(row, 6, "local_groups.first_slot")?,
    })
}

fn instance_row(row: &SqliteRow) -> Result<InstanceRow, StoreError> {
    Ok(InstanceRow {
        id: text(row, 0, "local_instances.id")?,
        group: text(row, 1, "local_instances.group_id")?,
        group_name: text(row, 2, "local_instances.group_name")?,
        app: text(row, 3, "local_instances.app")?,
        env: text(row, 4, "local_instances.env")?,
        slot: count(row, 5, "local_instances.slot")?,
        address: optional(row, 6, "local_instances.address")?,
        created_ms: number(row, 7, "local_instances.created_ms")?,
        replacing: false,
    })
}

fn ended_row(row: &SqliteRow) -> Result<EndedInstance, StoreError> {
    Ok(EndedInstance {
        instance: instance_row(row)?,
        ended_ms: number(row, 8, "local_instances.ended_ms")?,
        exit: row.try_get(9)?,
        last_lines: row.try_get(10)?,
    })
}

fn traffic_row(row: &SqliteRow) -> Result<TrafficRow, StoreError> {
    Ok(TrafficRow {
        app: text(row, 0, "local_traffic.app")?,
        env: text(row, 1, "local_traffic.env")?,
        version: number(row, 2, "local_traffic.version")?,
        state: row.try_get(3)?,
    })
}

/// A count that fits a smaller type than SQLite's.
fn count<T: TryFrom<u64>>(
    row: &SqliteRow,
    at: usize,
    column: &'static str,
) -> Result<T, StoreError> {
    let value = number(row, at, column)?;
    T::try_from(value).map_err(|_| StoreError::Corrupt { column, value: value.to_string() })
}
