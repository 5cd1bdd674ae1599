//! Applications and environments.
//!
//! The functions that change something take [`By`] and record the change in the same transaction.

use crate::audit::{self, By};
use crate::column::{json, number, signed, text, to_json};
use crate::{StoreError, Write, local, secrets};
use kiln_names::{AppName, EnvName};
use serde_json::{Map, Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// An application as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationRow {
    /// Its name.
    pub name: AppName,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// What people wrote down about it.
    pub metadata: Map<String, Value>,
}

/// An environment as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentRow {
    /// Its name.
    pub name: EnvName,
    /// The name of its engine.
    pub engine: String,
    /// The engine's settings.
    pub settings: Map<String, Value>,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// What people wrote down about it.
    pub metadata: Map<String, Value>,
}

/// Adds an application; false when one of that name is there.
///
/// # Errors
/// When the database refuses.
pub async fn add_application(
    db: &mut Write,
    application: &ApplicationRow,
    by: &By,
) -> Result<bool, StoreError> {
    let sql = "INSERT OR IGNORE INTO applications (name, created_ms, metadata) VALUES (?, ?, ?)";
    let query = sqlx::query(sql)
        .bind(application.name.as_str())
        .bind(signed(application.created_ms))
        .bind(to_json(&application.metadata));
    let added = query.execute(&mut **db).await?.rows_affected() == 1;
    let what = json!({"did": "create application", "app": application.name,
        "metadata": application.metadata});
    recorded(db, by, added, &what).await
}

/// All applications by name.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn applications(db: &mut SqliteConnection) -> Result<Vec<ApplicationRow>, StoreError> {
    let sql = "SELECT name, created_ms, metadata FROM applications ORDER BY name";
    sqlx::query(sql).fetch_all(db).await?.iter().map(application_row).collect()
}

/// One application.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn application(
    db: &mut SqliteConnection,
    name: &AppName,
) -> Result<Option<ApplicationRow>, StoreError> {
    let sql = "SELECT name, created_ms, metadata FROM applications WHERE name = ?";
    let row = sqlx::query(sql).bind(name.as_str()).fetch_optional(db).await?;
    row.as_ref().map(application_row).transpose()
}

/// Replaces an application's metadata; false when there is no such application. `changed` is what
/// the audit tells of it.
///
/// # Errors
/// When the database refuses.
pub async fn set_application_metadata(
    db: &mut Write,
    name: &AppName,
    metadata: &Map<String, Value>,
    changed: &Value,
    by: &By,
) -> Result<bool, StoreError> {
    let sql = "UPDATE applications SET metadata = ? WHERE name = ?";
    let query = sqlx::query(sql).bind(to_json(metadata)).bind(name.as_str());
    let found = query.execute(&mut **db).await?.rows_affected() == 1;
    let what = json!({"did": "change application", "app": name, "changed": changed});
    recorded(db, by, found, &what).await
}

/// Removes an application, and its secrets from all new releases; false when there is no such one.
///
/// # Errors
/// When the database refuses.
pub async fn remove_application(
    db: &mut Write,
    name: &AppName,
    by: &By,
) -> Result<bool, StoreError> {
    let query = sqlx::query("DELETE FROM applications WHERE name = ?").bind(name.as_str());
    let found = query.execute(&mut **db).await?.rows_affected() == 1;
    secrets::withdraw_of_application(db, name).await?;
    recorded(db, by, found, &json!({"did": "delete application", "app": name})).await
}

/// Adds an environment; false when one of that name is there.
///
/// # Errors
/// When the database refuses.
pub async fn add_environment(
    db: &mut Write,
    environment: &EnvironmentRow,
    by: &By,
) -> Result<bool, StoreError> {
    let sql = "INSERT OR IGNORE INTO environments (name, engine, settings, created_ms, metadata)
        VALUES (?, ?, ?, ?, ?)";
    let query = sqlx::query(sql)
        .bind(environment.name.as_str())
        .bind(&environment.engine)
        .bind(to_json(&environment.settings))
        .bind(signed(environment.created_ms))
        .bind(to_json(&environment.metadata));
    let added = query.execute(&mut **db).await?.rows_affected() == 1;
    let what = json!({"did": "create environment", "env": environment.name,
        "engine": environment.engine, "settings": environment.settings,
        "metadata": environment.metadata});
    recorded(db, by, added, &what).await
}

/// All environments by name.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn environments(db: &mut SqliteConnection) -> Result<Vec<EnvironmentRow>, StoreError> {
    let sql = "SELECT name, engine, settings, created_ms, metadata FROM environments ORDER BY name";
    sqlx::query(sql).fetch_all(db).await?.iter().map(environment_row).collect()
}

/// One environment.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn environment(
    db: &mut SqliteConnection,
    name: &EnvName,
) -> Result<Option<EnvironmentRow>, StoreError> {
    let sql = "SELECT name, engine, settings, created_ms, metadata FROM environments
        WHERE name = ?";
    let row = sqlx::query(sql).bind(name.as_str()).fetch_optional(db).await?;
    row.as_ref().map(environment_row).transpose()
}

/// Replaces an environment's metadata; false when there is no such environment. `changed` is what
/// the audit tells of it.
///
/// # Errors
/// When the database refuses.
pub async fn set_environment_metadata(
    db: &mut Write,
    name: &EnvName,
    metadata: &Map<String, Value>,
    changed: &Value,
    by: &By,
) -> Result<bool, StoreError> {
    let sql = "UPDATE environments SET metadata = ? WHERE name = ?";
    let query = sqlx::query(sql).bind(to_json(metadata)).bind(name.as_str());
    let found = query.execute(&mut **db).await?.rows_affected() == 1;
    let what = json!({"did": "change environment", "env": name, "changed": changed});
    recorded(db, by, found, &what).await
}

/// Removes an environment, and its secrets from all new releases; false when there is no such one.
///
/// # Errors
/// When the database refuses.
pub async fn remove_environment(
    db: &mut Write,
    name: &EnvName,
    by: &By,
) -> Result<bool, StoreError> {
    let query = sqlx::query("DELETE FROM environments WHERE name = ?").bind(name.as_str());
    let found = query.execute(&mut **db).await?.rows_affected() == 1;
    secrets::withdraw_of_environment(db, name).await?;
    // Another of this name may have another engine, whose traffic begins anew.
    local::forget_traffic(db, name).await?;
    recorded(db, by, found, &json!({"did": "delete environment", "env": name})).await
}

/// Records a change that happened, and says whether it did.
async fn recorded(
    db: &mut Write,
    by: &By,
    happened: bool,
    what: &Value,
) -> Result<bool, StoreError> {
    if happened {
        audit::record(db, by, what).await?;
    }
    Ok(happened)
}

fn application_row(row: &SqliteRow) -> Result<ApplicationRow, StoreError> {
    Ok(ApplicationRow {
        name: text(row, 0, "applications.name")?,
        created_ms: number(row, 1, "applications.created_ms")?,
        metadata: json(row, 2, "applications.metadata")?,
    })
}

fn environment_row(row: &SqliteRow) -> Result<EnvironmentRow, StoreError> {
    Ok(EnvironmentRow {
        name: text(row, 0, "environments.name")?,
        engine: row.try_get(1)?,
        settings: json(row, 2, "environments.settings")?,
        created_ms: number(row, 3, "environments.created_ms")?,
        metadata: json(row, 4, "environments.metadata")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    fn by(who: &str) -> By {
        By { who: who.to_owned(), at_ms: 7 }
    }

    fn hello() -> ApplicationRow {
        let metadata = json!({"z": 1, "a": {"deep": [true]}}).as_object().unwrap().clone();
        ApplicationRow { name: AppName::parse("hello").unwrap(), created_ms: 1, metadata }
    }

    async fn open() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("kiln.db")).await.unwrap();
        (dir, db)
    }

    #[tokio::test]
    async fn an_application_is_added_once_and_read_back_whole() {
        let (_dir, db) = open().await;
        let mut write = db.write().await.unwrap();
        assert!(add_application(&mut write, &hello(), &by("ann")).await.unwrap());
        assert!(!add_application(&mut write, &hello(), &by("bob")).await.unwrap());
        write.commit().await.unwrap();

        let mut read = db.read().await.unwrap();
        let found = application(&mut read, &hello().name).await.unwrap().unwrap();
        assert_eq!(found, hello());
        assert!(found.metadata.keys().eq(["z", "a"]), "properties keep their order");
        assert_eq!(applications(&mut read).await.unwrap().len(), 1);
        let audit = audit::newest(&mut read, 10).await.unwrap();
        assert_eq!(audit.len(), 1, "what did not happen is not recorded");
        assert_eq!(
            (audit[0].by.clone(), &audit[0].what["did"]),
            (by("ann"), &json!("create application"))
        );
    }

    #[tokio::test]
    async fn a_change_that_is_not_committed_leaves_no_record() {
        let (_dir, db) = open().await;
        let mut write = db.write().await.unwrap();
        add_application(&mut write, &hello(), &by("ann")).await.unwrap();
        drop(write);
        let mut read = db.read().await.unwrap();
        assert!(applications(&mut read).await.unwrap().is_empty());
        assert!(audit::newest(&mut read, 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_environment_is_added_changed_and_removed() {
        let (_dir, db) = open().await;
        let prod = EnvironmentRow {
            name: EnvName::parse("prod").unwrap(),
            engine: "local".to_owned(),
            settings: Map::new(),
            created_ms: 1,
            metadata: Map::new(),
        };
        let mut write = db.write().await.unwrap();
        assert!(add_environment(&mut write, &prod, &by("ann")).await.unwrap());
        let changed = json!({"set": "x"});
        let metadata = Map::from_iter([("x".to_owned(), json!(1))]);
        let ann = by("ann");
        let set = set_environment_metadata(&mut write, &prod.name, &metadata, &changed, &ann);
        assert!(set.await.unwrap());
        let found = environment(&mut write, &prod.name).await.unwrap().unwrap();
        assert_eq!(found, EnvironmentRow { metadata, ..prod.clone() });
        assert!(remove_environment(&mut write, &prod.name, &by("ann")).await.unwrap());
        assert!(!remove_environment(&mut write, &prod.name, &by("ann")).await.unwrap());
        assert!(environments(&mut write).await.unwrap().is_empty());
        assert_eq!(audit::newest(&mut write, 10).await.unwrap().len(), 3);
    }
}
