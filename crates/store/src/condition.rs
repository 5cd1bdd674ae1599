//! Whether a database is fit to be used, told before anything is written to it.

use crate::{StoreError, copying, migrations};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _, SqliteConnection};
use std::path::Path;

/// Up to this size every page and every entry of every index is looked at: about a tenth of a second.
const THOROUGH_BYTES: u64 = 16 << 20;
/// Up to this size every page is looked at at every start, and beyond it only after a stop that was
/// not clean: about a second for each further quarter of a gibibyte.
const QUICK_BYTES: u64 = 256 << 20;

/// The condition of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is none, or an empty file.
    Missing,
    /// Nothing wrong was found.
    Whole,
    /// It is older than its spare: changes that were acknowledged are missing from it.
    Behind {
        /// How many changes it knows of.
        commits: u64,
        /// How many its spare knows of.
        spare: u64,
    },
    /// Something in it cannot be read, or contradicts itself.
    Damaged {
        /// What SQLite said.
        why: String,
    },
    /// A newer Kiln wrote it.
    Newer {
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
}

/// Looks at a database and at its spare, and changes neither.
///
/// # Errors
/// When the files cannot be opened for a reason that is not theirs.
pub async fn examine(path: &Path, spare: &Path) -> Result<Condition, StoreError> {
    let Some(bytes) = size(path) else { return Ok(Condition::Missing) };
    match look(path, bytes).await {
        Ok(Condition::Whole) => compare(path, spare).await,
        Ok(other) => Ok(other),
        Err(StoreError::Damaged(error)) => Ok(Condition::Damaged { why: error.to_string() }),
        Err(other) => Err(other),
    }
}

/// None for a file that is not there or holds nothing.
fn size(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta| meta.len()).filter(|bytes| *bytes > 0)
}

async fn look(path: &Path, bytes: u64) -> Result<Condition, StoreError> {
    // The log of a database that was closed is gone; looked for before this opens it.
    let clean = size(&copying::log_of(path)).is_none();
    let mut db = read_only(path).await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut db).await?;
    let known = migrations::known();
    if found > known {
        return Ok(Condition::Newer { found, known });
    }
    if found < 1 {
        return Ok(Condition::Damaged { why: "it has no schema of Kiln's".to_owned() });
    }
    let said: String = match bytes {
        ..=THOROUGH_BYTES => sqlx::query_scalar("PRAGMA integrity_check(1)"),
        _ if bytes <= QUICK_BYTES || !clean => sqlx::query_scalar("PRAGMA quick_check(1)"),
        _ => return Ok(Condition::Whole),
    }
    .fetch_one(&mut db)
    .await?;
    db.close().await?;
    Ok(if said == "ok" { Condition::Whole } else { Condition::Damaged { why: said } })
}

/// A spare that cannot be read says nothing about its database.
async fn compare(path: &Path, spare: &Path) -> Result<Condition, StoreError> {
    let commits = commits(&mut read_only(path).await?).await?;
    let Some(spare) = commits_of(spare).await else { return Ok(Condition::Whole) };
    if spare > commits {
        return Ok(Condition::Behind { commits, spare });
    }
    Ok(Condition::Whole)
}

/// How many changes a file knows of; none if it cannot be read.
pub(crate) async fn commits_of(path: &Path) -> Option<u64> {
    size(path)?;
    commits(&mut read_only(path).await.ok()?).await.ok()
}

/// One of a schema that did not count has counted none.
async fn commits(db: &mut SqliteConnection) -> Result<u64, StoreError> {
    let counts = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'commits'";
    if sqlx::query_scalar::<_, i64>(counts).fetch_one(&mut *db).await? == 0 {
        return Ok(0);
    }
    let count: Option<i64> =
        sqlx::query_scalar("SELECT count FROM commits").fetch_optional(db).await?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

async fn read_only(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    options.connect().await.map_err(|source| match StoreError::from(source) {
        StoreError::Sql(source) => StoreError::Open { path: path.to_owned(), source },
        told => told,
    })
}
