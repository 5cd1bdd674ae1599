//! Copying tables from one database file into another.

use crate::{StoreError, migrations};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The filter that lets all rows pass.
pub(crate) const ALL: &str = "WHERE true";

/// Makes a file with all tables of today's schema and nothing in them, in place of any that is
/// there. Nothing of it is safe before [`settle`].
pub(crate) async fn blank(path: &Path) -> Result<SqliteConnection, StoreError> {
    remove(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // Statements that fail half-way must be taken back; a crash need not be.
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false);
    let mut db = options.connect().await?;
    migrations::migrate(&mut db).await?;
    // What a schema begins with comes with what is copied.
    sqlx::query("DELETE FROM commits").execute(&mut db).await?;
    Ok(db)
}

/// Makes another file's tables visible under the given name.
pub(crate) async fn attach(
    db: &mut SqliteConnection,
    path: &Path,
    name: &'static str,
) -> Result<(), StoreError> {
    let sql = AssertSqlSafe(format!("ATTACH ? AS {name}"));
    sqlx::query(sql).bind(path.to_string_lossy().into_owned()).execute(db).await?;
    Ok(())
}

/// The tables of an attached file, as far as they have their place in this program's schema.
pub(crate) async fn tables(
    db: &mut SqliteConnection,
    schema: &'static str,
) -> Result<Vec<String>, StoreError> {
    let sql = format!(
        "SELECT name FROM {schema}.sqlite_master WHERE type = 'table'
            AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
            AND name IN (SELECT name FROM main.sqlite_master) ORDER BY rowid"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(db).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The columns that a table has both here and in an attached file, ready to stand in a statement.
pub(crate) async fn columns(
    db: &mut SqliteConnection,
    schema: &'static str,
    table: &str,
) -> Result<String, StoreError> {
    let sql = "SELECT name FROM pragma_table_info(?1, ?2)
        WHERE name IN (SELECT name FROM pragma_table_info(?1, 'main'))";
    let rows = sqlx::query(sql).bind(table).bind(schema).fetch_all(db).await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(names.join(", "))
}

/// Copies the rows of a table that are not here yet.
///
/// The filter, be it one that lets all rows pass, keeps SQLite from copying cells unread.
pub(crate) async fn copy(
    db: &mut SqliteConnection,
    schema: &'static str,
    table: &str,
    filter: &str,
) -> Result<u64, StoreError> {
    let columns = columns(db, schema, table).await?;
    let sql = format!(
        "INSERT OR IGNORE INTO main.{table} ({columns})
            SELECT {columns} FROM {schema}.{table} NOT INDEXED {filter}"
    );
    Ok(sqlx::query(AssertSqlSafe(sql)).execute(db).await?.rows_affected())
}

/// Makes a finished file last under its name: on disk first, then in one step in the other's place.
pub(crate) fn settle(new: &Path, path: &Path) -> Result<(), StoreError> {
    File::open(new).and_then(|file| file.sync_all()).map_err(at("sync", new))?;
    std::fs::rename(new, path).map_err(at("rename", new))?;
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(at("sync", parent))
}

/// The log of a database in use.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The index of that log.
pub(crate) fn log_index_of(path: &Path) -> PathBuf {
    beside(path, "-shm")
}

/// Another file beside a database, as SQLite names them.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes a file; none is as good.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Says what was being done, and to which file.
pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File { action, path, source }
}
