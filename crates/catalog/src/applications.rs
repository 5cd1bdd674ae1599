//! Applications.

use crate::{ApplicationRow, AskHolders, By, CatalogError, Edit, Key, MetadataError, metadata};
use kiln_names::AppName;
use kiln_store::{Database, catalog as store};
use serde_json::{Map, Value};

const KIND: &str = "application";

/// Adds an application.
///
/// # Errors
/// [`CatalogError::Exists`]; [`CatalogError::Metadata`] for metadata, `contact` say, that may not
/// stand.
pub async fn create(
    db: &Database,
    name: &AppName,
    metadata: Map<String, Value>,
    by: &By,
) -> Result<ApplicationRow, CatalogError> {
    metadata::check(&metadata)?;
    let application = ApplicationRow { name: name.clone(), created_ms: by.at_ms, metadata };
    let mut write = db.write().await?;
    if !store::add_application(&mut write, &application, by).await? {
        return Err(CatalogError::Exists { kind: KIND, name: name.to_string() });
    }
    write.commit().await?;
    Ok(application)
}

/// All applications by name.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &Database) -> Result<Vec<ApplicationRow>, CatalogError> {
    Ok(store::applications(&mut *db.read().await?).await?)
}

/// One application.
///
/// # Errors
/// [`CatalogError::NotFound`].
pub async fn show(db: &Database, name: &AppName) -> Result<ApplicationRow, CatalogError> {
    let found = store::application(&mut *db.read().await?, name).await?;
    found.ok_or_else(|| not_found(name))
}

/// One property of an application.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::NoProperty`].
pub async fn get(db: &Database, name: &AppName, key: &Key) -> Result<Value, CatalogError> {
    let application = show(db, name).await?;
    key.find(&application.metadata).cloned().ok_or_else(|| no_property(name, key.to_string()))
}

/// Sets or unsets one property of an application.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::NoProperty`], [`CatalogError::Metadata`].
pub async fn edit(
    db: &Database,
    name: &AppName,
    edit: Edit,
    by: &By,
) -> Result<ApplicationRow, CatalogError> {
    let mut write = db.write().await?;
    let found = store::application(&mut write, name).await?;
    let mut application = found.ok_or_else(|| not_found(name))?;
    let changed = edit.apply(&mut application.metadata).map_err(|error| match error {
        MetadataError::NoProperty { key } => no_property(name, key),
        other => other.into(),
    })?;
    let metadata = &application.metadata;
    store::set_application_metadata(&mut write, name, metadata, &changed, by).await?;
    write.commit().await?;
    Ok(application)
}

/// Removes an application that nothing holds.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::InUse`].
pub async fn delete(
    db: &Database,
    name: &AppName,
    holders: impl AskHolders,
    by: &By,
) -> Result<(), CatalogError> {
    let mut write = db.write().await?;
    let holders = holders(&mut write).await?;
    if !holders.is_empty() {
        return Err(CatalogError::InUse { kind: KIND, name: name.to_string(), holders });
    }
    if !store::remove_application(&mut write, name, by).await? {
        return Err(not_found(name));
    }
    Ok(write.commit().await?)
}

fn not_found(name: &AppName) -> CatalogError {
    CatalogError::NotFound { kind: KIND, name: name.to_string() }
}

fn no_property(name: &AppName, key: String) -> CatalogError {
    CatalogError::NoProperty { kind: KIND, name: name.to_string(), key }
}
