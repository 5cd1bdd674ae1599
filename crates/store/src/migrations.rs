//! The schema, one file per noun, and how an older file is brought up to it.

use crate::StoreError;
use sqlx::SqliteConnection;

/// What each schema version adds to the one before. Append only, once released.
const STEPS: &[&[&str]] = &[
    &[
        include_str!("schema/catalog.sql"),
        include_str!("schema/images.sql"),
        include_str!("schema/deployments.sql"),
        include_str!("schema/local.sql"),
    ],
    &[include_str!("schema/secrets.sql")],
    &[include_str!("schema/lock.sql")],
    &[include_str!("schema/peaks.sql")],
    &[include_str!("schema/replacing.sql")],
    &[include_str!("schema/history.sql")],
    &[include_str!("schema/routers.sql")],
    &[include_str!("schema/slots.sql")],
];

/// Brings the database from the schema it has to the newest one, in one transaction.
pub(crate) async fn migrate(db: &mut SqliteConnection) -> Result<(), StoreError> {
    let (found, known) = (found(&mut *db).await?, known());
    if found == known {
        return Ok(());
    }
    let done = usize::try_from(found).unwrap_or(0);
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *db).await?;
    for step in &STEPS[done.min(STEPS.len())..] {
        for sql in *step {
            sqlx::raw_sql(*sql).execute(&mut *db).await?;
        }
    }
    // A pragma takes no parameters; the number is our own.
    let version = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {known}"));
    sqlx::raw_sql(version).execute(&mut *db).await?;
    sqlx::raw_sql("COMMIT").execute(&mut *db).await?;
    Ok(())
}

/// The newest schema.
pub(crate) fn known() -> i64 {
    i64::try_from(STEPS.len()).expect("a handful of steps")
}

/// The schema that the database has, which is none that is newer.
pub(crate) async fn found(db: &mut SqliteConnection) -> Result<i64, StoreError> {
    let (found, known) =
        (sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *db).await?, known());
    if found > known { Err(StoreError::Newer { found, known }) } else { Ok(found) }
}

#[cfg(test)]
mod tests;
