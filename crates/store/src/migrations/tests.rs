//! Whatever version a file has, the newest schema is the same in the end.

use super::*;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

/// A database as the Kiln of that schema version left it.
async fn of_version(version: usize) -> SqliteConnection {
    let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    for sql in STEPS[..version].iter().copied().flatten() {
        sqlx::raw_sql(*sql).execute(&mut db).await.unwrap();
    }
    set_version(&mut db, version).await;
    db
}

async fn set_version(db: &mut SqliteConnection, version: usize) {
    let pragma = AssertSqlSafe(format!("PRAGMA user_version = {version}"));
    sqlx::raw_sql(pragma).execute(db).await.unwrap();
}

/// Every table, index and trigger with the words that made it.
async fn schema(db: &mut SqliteConnection) -> Vec<[String; 4]> {
    let sql = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY 1, 2";
    let rows = sqlx::query(sql).fetch_all(db).await.unwrap();
    rows.iter().map(|row| [0, 1, 2, 3].map(|column| row.get(column))).collect()
}

#[tokio::test]
async fn every_earlier_schema_becomes_the_one_that_a_new_file_gets() {
    let mut fresh = of_version(0).await;
    migrate(&mut fresh).await.unwrap();
    let expected = schema(&mut fresh).await;
    assert!(!expected.is_empty());
    for version in 1..=STEPS.len() {
        let mut db = of_version(version).await;
        migrate(&mut db).await.unwrap();
        assert_eq!(schema(&mut db).await, expected, "from version {version}");
        assert_eq!(found(&mut db).await.unwrap(), known());
        let counts = sqlx::query_scalar::<_, i64>("SELECT count FROM commits");
        assert_eq!(counts.fetch_all(&mut db).await.unwrap(), [0], "from version {version}");
    }
}

#[tokio::test]
async fn a_second_migration_changes_nothing() {
    let mut db = of_version(STEPS.len()).await;
    let before = schema(&mut db).await;
    migrate(&mut db).await.unwrap();
    assert_eq!(schema(&mut db).await, before);
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let mut db = of_version(1).await;
    let before = schema(&mut db).await;
    set_version(&mut db, STEPS.len() + 1).await;
    let refused = migrate(&mut db).await.unwrap_err();
    assert!(matches!(refused, StoreError::Newer { .. }), "{refused:?}");
    assert_eq!(schema(&mut db).await, before);
}
