//! Environments.

use crate::{AskHolders, By, CatalogError, Edit, EnvironmentRow, Key, MetadataError, metadata};
use kiln_names::EnvName;
use kiln_store::{Database, catalog as store};
use serde_json::{Map, Value};

const KIND: &str = "environment";

/// The engines that an environment may name.
const ENGINES: &[&str] = &["local", "docker"];

/// A new environment.
#[derive(Debug, Clone)]
pub struct NewEnvironment {
    /// Its name.
    pub name: EnvName,
    /// Its engine.
    pub engine: String,
    /// The engine's settings.
    pub settings: Map<String, Value>,
    /// What people wrote down about it.
    pub metadata: Map<String, Value>,
}

/// Adds an environment.
///
/// # Errors
/// [`CatalogError::Exists`], [`CatalogError::UnknownEngine`]; [`CatalogError::Metadata`] for
/// metadata that may not stand.
pub async fn create(
    db: &Database,
    new: NewEnvironment,
    by: &By,
) -> Result<EnvironmentRow, CatalogError> {
    let NewEnvironment { name, engine, settings, metadata } = new;
    if !ENGINES.contains(&engine.as_str()) {
        return Err(CatalogError::UnknownEngine { engine, known: ENGINES });
    }
    metadata::check(&metadata)?;
    metadata::check_size(&settings)?;
    let environment = EnvironmentRow { name, engine, settings, created_ms: by.at_ms, metadata };
    let mut write = db.write().await?;
    if !store::add_environment(&mut write, &environment, by).await? {
        return Err(CatalogError::Exists { kind: KIND, name: environment.name.to_string() });
    }
    write.commit().await?;
    Ok(environment)
}

/// All environments by name.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &Database) -> Result<Vec<EnvironmentRow>, CatalogError> {
    Ok(store::environments(&mut *db.read().await?).await?)
}

/// One environment.
///
/// # Errors
/// [`CatalogError::NotFound`].
pub async fn show(db: &Database, name: &EnvName) -> Result<EnvironmentRow, CatalogError> {
    let found = store::environment(&mut *db.read().await?, name).await?;
    found.ok_or_else(|| not_found(name))
}

/// One property of an environment.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::NoProperty`].
pub async fn get(db: &Database, name: &EnvName, key: &Key) -> Result<Value, CatalogError> {
    let environment = show(db, name).await?;
    key.find(&environment.metadata).cloned().ok_or_else(|| no_property(name, key.to_string()))
}

/// Sets or unsets one property of an environment.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::NoProperty`], [`CatalogError::Metadata`].
pub async fn edit(
    db: &Database,
    name: &EnvName,
    edit: Edit,
    by: &By,
) -> Result<EnvironmentRow, CatalogError> {
    let mut write = db.write().await?;
    let found = store::environment(&mut write, name).await?;
    let mut environment = found.ok_or_else(|| not_found(name))?;
    let changed = edit.apply(&mut environment.metadata).map_err(|error| match error {
        MetadataError::NoProperty { key } => no_property(name, key),
        other => other.into(),
    })?;
    let metadata = &environment.metadata;
    store::set_environment_metadata(&mut write, name, metadata, &changed, by).await?;
    write.commit().await?;
    Ok(environment)
}

/// Removes an environment that nothing holds.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::InUse`].
pub async fn delete(
    db: &Database,
    name: &EnvName,
    holders: impl AskHolders,
    by: &By,
) -> Result<(), CatalogError> {
    let mut write = db.write().await?;
    let holders = holders(&mut write).await?;
    if !holders.is_empty() {
        return Err(CatalogError::InUse { kind: KIND, name: name.to_string(), holders });
    }
    if !store::remove_environment(&mut write, name, by).await? {
        return Err(not_found(name));
    }
    Ok(write.commit().await?)
}

fn not_found(name: &EnvName) -> CatalogError {
    CatalogError::NotFound { kind: KIND, name: name.to_string() }
}

fn no_property(name: &EnvName, key: String) -> CatalogError {
    CatalogError::NoProperty { kind: KIND, name: name.to_string(), key }
}
