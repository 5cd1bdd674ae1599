//! The spare: a small copy of the present beside the database.
//!
//! It holds everything but history: what there is, what runs, what was active lately, and the
//! journals of deployments in progress. It is written whole, a second after the changes it holds,
//! and only read when the database is lost: see [`rebuild`](crate::rebuild). Whoever adds a table
//! need not think of it: what is not named here is copied whole.

use crate::copying::{ALL, attach, beside, blank, copy, settle, tables};
use crate::{Database, StoreError};
use sqlx::{Connection as _, SqliteConnection};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long changes are gathered before the spare is written again.
const GATHER: Duration = Duration::from_secs(1);
/// How long to wait after one could not be written, on a full disk say.
const RETRY: Duration = Duration::from_secs(30);

/// History and caches: which rows of these tables are of the present. In this order, since later
/// ones look at what was copied before them.
const PRESENT: &[(&str, &str)] = &[
    (
        "activations",
        "WHERE number IN (SELECT each.value FROM live.group_numbers AS g, json_each((
            SELECT json_group_array(number) FROM (SELECT number FROM live.activations AS a
                WHERE a.app = g.app AND a.env = g.env ORDER BY number DESC LIMIT 50))) AS each)",
    ),
    ("server_groups", "WHERE state <> 'gone'"),
    (
        "deployments",
        "WHERE locks = 1 OR number IN (SELECT deployment FROM main.activations)
            OR number IN (SELECT max(number) FROM live.deployments GROUP BY app, env)",
    ),
    (
        "releases",
        "WHERE id IN (SELECT release FROM main.activations UNION SELECT release
            FROM main.server_groups UNION SELECT release FROM main.deployments)",
    ),
    ("journal", "WHERE deployment IN (SELECT number FROM main.deployments WHERE locks = 1)"),
    ("local_instances", "WHERE ended_ms IS NULL"),
    ("deployment_summaries", "WHERE false"),
    ("audit", "WHERE false"),
    ("bake_layers", "WHERE false"),
    ("bake_findings", "WHERE false"),
];

/// Whether a spare holds only some of a table's rows.
pub(crate) fn is_partial(table: &str) -> bool {
    PRESENT.iter().any(|(partial, _)| *partial == table)
}

/// Keeps the spare of a database for as long as the server lives. What cannot be written is said
/// and tried again: nothing waits for a spare.
pub async fn keep(db: Database, path: PathBuf, spare: PathBuf) {
    let mut commits = db.commits();
    loop {
        commits.borrow_and_update();
        let pause = match write(&path, &spare).await {
            Ok(()) if commits.changed().await.is_err() => return,
            Ok(()) => GATHER,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "the spare of the database cannot be written");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Writes the spare of a database, whole or not at all.
///
/// # Errors
/// When the database cannot be read or the spare not be written; an earlier spare stays.
pub async fn write(path: &Path, spare: &Path) -> Result<(), StoreError> {
    let new = beside(spare, "-new");
    let mut db = blank(&new).await?;
    attach(&mut db, path, "live").await?;
    sqlx::raw_sql("BEGIN").execute(&mut db).await?;
    fill(&mut db).await?;
    sqlx::raw_sql("COMMIT").execute(&mut db).await?;
    db.close().await?;
    settle(&new, spare)
}

async fn fill(db: &mut SqliteConnection) -> Result<(), StoreError> {
    for table in tables(db, "live").await? {
        if !is_partial(&table) {
            copy(db, "live", &table, ALL).await?;
        }
    }
    for (table, filter) in PRESENT {
        copy(db, "live", table, filter).await?;
    }
    let sql = "DELETE FROM main.sqlite_sequence;
        INSERT INTO main.sqlite_sequence SELECT * FROM live.sqlite_sequence";
    sqlx::raw_sql(sql).execute(db).await?;
    Ok(())
}
