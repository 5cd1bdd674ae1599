//! Making what was salvaged fit together: no row refers to one that is lost, no number comes again.

use super::{Origin, Salvaged};
use crate::{Database, StoreError, catalog, deployments, groups, images, local, retirements};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use std::path::Path;

/// How far counters go ahead when nobody can tell how far they had come: more than was ever
/// counted in the second that a spare may be behind.
const AHEAD: i64 = 100;
/// What refers to what is lost may be referred to itself; no chain is longer.
const PASSES: usize = 10;

/// Whether a table of which a spare holds some rows tells of the present: rows that it does not
/// hold are of the past, and must not come back.
pub(super) fn is_of_the_present(table: &str) -> bool {
    matches!(table, "local_instances" | "server_groups")
}

pub(super) async fn mend(
    db: &mut SqliteConnection,
    salvaged: &[Salvaged],
    damaged: bool,
    spare: bool,
) -> Result<(), StoreError> {
    end_what_nobody_can_go_on_with(db).await?;
    references(db).await?;
    sqlx::raw_sql("INSERT OR IGNORE INTO commits (only_row, count) VALUES (1, 0)")
        .execute(&mut *db)
        .await?;
    let whole = |table: &str| {
        salvaged.iter().any(|done| done.table == table && done.origin == Origin::Database)
    };
    for (schema, there) in [("damaged", damaged), ("spare", spare)] {
        if there {
            // A file whose counters cannot be read adds nothing to them.
            counters_of(db, schema).await.ok();
            commits_of(db, schema).await.ok();
        }
    }
    counters(db, whole).await?;
    if !whole("group_numbers") {
        sqlx::raw_sql("UPDATE group_numbers SET last = last + 1").execute(&mut *db).await?;
    }
    Ok(())
}

/// A deployment in progress whose journal has gaps frees its lock: what it did stands in what runs.
async fn end_what_nobody_can_go_on_with(db: &mut SqliteConnection) -> Result<(), StoreError> {
    let sql = "UPDATE deployments SET locks = 0, state = 'undone', ended_ms = since_ms,
            reason = 'its journal was lost with the database; kiln recover kept what ran'
        WHERE locks = 1 AND (SELECT count(*) = 0 OR min(seq) > 0 OR count(*) <= max(seq)
            FROM journal WHERE deployment = number)";
    sqlx::raw_sql(sql).execute(db).await?;
    Ok(())
}

async fn references(db: &mut SqliteConnection) -> Result<(), StoreError> {
    let sql = "
        DELETE FROM activations WHERE release NOT IN (SELECT id FROM releases);
        UPDATE activations SET back = NULL WHERE back NOT IN (SELECT number FROM activations);
        INSERT INTO deployments (number, id, app, env, verb, who, message, release, state, reason,
                locks, started_ms, since_ms, ended_ms)
            SELECT deployment, lower(hex(randomblob(6))), app, env, 'deploy', 'kiln', '', release,
                'completed', 'all but its outcome was lost with the database', 0, at_ms, at_ms,
                at_ms
            FROM activations WHERE deployment NOT IN (SELECT number FROM deployments)
            GROUP BY deployment;
        DELETE FROM journal WHERE deployment NOT IN (SELECT number FROM deployments);";
    sqlx::raw_sql(sql).execute(&mut *db).await?;
    for _ in 0..PASSES {
        let dangling = sqlx::query("PRAGMA main.foreign_key_check").fetch_all(&mut *db).await?;
        if dangling.is_empty() {
            break;
        }
        for row in dangling {
            let (table, rowid): (String, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
            let sql = format!("DELETE FROM main.{table} WHERE rowid = ?");
            if let Some(rowid) = rowid {
                sqlx::query(AssertSqlSafe(sql)).bind(rowid).execute(&mut *db).await?;
            }
        }
    }
    Ok(())
}

/// Counters never go back behind those of another file.
async fn counters_of(db: &mut SqliteConnection, schema: &'static str) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE main.sqlite_sequence SET seq = max(seq, coalesce(
            (SELECT max(o.seq) FROM {schema}.sqlite_sequence AS o
                WHERE o.name = main.sqlite_sequence.name), 0));
        INSERT INTO main.sqlite_sequence (name, seq) SELECT name, seq
            FROM {schema}.sqlite_sequence AS o WHERE o.name IN (SELECT name FROM main.sqlite_master)
                AND o.name NOT IN (SELECT name FROM main.sqlite_sequence)"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await?;
    Ok(())
}

/// What is made counts more than what it was made from.
async fn commits_of(db: &mut SqliteConnection, schema: &'static str) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE main.commits SET count = max(count, (SELECT o.count FROM {schema}.commits AS o) + 1)"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await?;
    Ok(())
}

async fn counters(
    db: &mut SqliteConnection,
    whole: impl Fn(&str) -> bool,
) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT name FROM main.sqlite_sequence").fetch_all(&mut *db).await?;
    for row in rows {
        let name: String = row.try_get(0)?;
        let ahead = if whole(&name) { 0 } else { AHEAD };
        let sql = format!(
            "UPDATE main.sqlite_sequence SET seq = max(seq, coalesce(
                (SELECT max(rowid) FROM main.{name}), 0)) + ? WHERE name = ?"
        );
        sqlx::query(AssertSqlSafe(sql)).bind(ahead).bind(&name).execute(&mut *db).await?;
    }
    Ok(())
}

/// Reads what a server reads when it starts.
pub(super) async fn verify(path: &Path) -> Result<(), StoreError> {
    let opened = Database::open(path).await?;
    let read = async {
        let mut db = opened.read().await?;
        catalog::applications(&mut db).await?;
        catalog::environments(&mut db).await?;
        images::images(&mut db).await?;
        images::versions(&mut db, None, u32::MAX).await?;
        groups::clusters(&mut db).await?;
        deployments::holders(&mut db).await?;
        retirements::all(&mut db).await?;
        local::groups(&mut db).await?;
        local::live_instances(&mut db).await?;
        local::traffic(&mut db).await?;
        Ok(())
    };
    let read = read.await;
    opened.close().await;
    read
}
