//! The secrets of all applications: set, listed, removed, and opened for instances.

use crate::key::KeyFile;
use crate::seal::{Key, Label};
use crate::{By, KEPT_VERSIONS, KeyError, MAX_SECRETS, OpenError, SecretError, SecretRow};
use kiln_names::{
    AppName, EnvName, GroupName, SecretName, SecretValue, SecretVersion, SecretVersions,
};
use kiln_store::secrets::{self as store, NewVersion};
use kiln_store::{Connection, Database, Write, catalog};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// What a vault is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where sealed values are kept.
    pub database: Database,
    /// Where the key is.
    pub key: KeyFile,
    /// Fills bytes from a generator fit for keys.
    pub random: fn(&mut [u8]),
}

/// The secrets of all applications.
#[derive(Debug, Clone)]
pub struct Vault {
    settings: Settings,
    /// Read or made when it is first needed, and kept.
    key: Arc<OnceCell<Key>>,
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// The version that it is.
    pub version: SecretVersion,
    /// Whether it was that before.
    pub unchanged: bool,
}

/// What became of a secret that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The version that new releases had got.
    pub version: SecretVersion,
    /// The groups that keep a version until they are gone.
    pub holders: Vec<GroupName>,
}

impl Vault {
    /// Opens the vault. The key is needed once there are secrets, and must be theirs.
    ///
    /// # Errors
    /// [`KeyError`] when there are secrets and no key that opens them.
    pub async fn open(settings: Settings) -> Result<Self, KeyError> {
        let vault = Self::unopened(settings);
        let mut db = vault.settings.database.read().await?;
        if store::any(&mut db).await? {
            let proof = store::proof(&mut db).await?;
            let file = &vault.settings.key;
            let key = file.read()?.ok_or_else(|| KeyError::Missing(file.path()))?;
            key.open(Label::Proof, &proof.unwrap_or_default())
                .map_err(|_| KeyError::Wrong(file.path()))?;
            vault.key.get_or_init(async || key).await;
        }
        drop(db);
        Ok(vault)
    }

    /// The vault as it lies, for those who want none of its values.
    #[must_use]
    pub fn unopened(settings: Settings) -> Self {
        Self { settings, key: Arc::default() }
    }

    /// Gives a secret a value: a new version, unless the newest one has that value.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn set(
        &self,
        (app, env): (&AppName, &EnvName),
        name: &SecretName,
        value: &SecretValue,
        by: &By,
    ) -> Result<Set, SecretError> {
        let mut db = self.settings.database.write().await?;
        exist(&mut db, app, env).await?;
        let key = self.key(&mut db).await?;
        let current = store::current(&mut db, app, env, name).await?;
        if let Some(version) = current {
            let sealed = store::sealed(&mut db, app, env, name, version).await?;
            let label = Label::Value(app, env, name, version);
            // One that does not open is replaced: that is how a damaged one is mended.
            let same = sealed.and_then(|sealed| key.open_value(label, &sealed).ok());
            if same.is_some_and(|same| same == *value) {
                return Ok(Set { version, unchanged: true });
            }
        } else if store::list(&mut db, app, env).await?.len() >= MAX_SECRETS {
            return Err(SecretError::TooMany);
        }
        let version = SecretVersion(store::last(&mut db, app, env, name).await?.0 + 1);
        let label = Label::Value(app, env, name, version);
        let sealed = key.seal(label, value.as_ref(), self.nonce());
        let new = NewVersion { app, env, name, version, sealed: &sealed };
        store::add(&mut db, &new, by).await?;
        store::erase_surplus(&mut db, app, env, name, KEPT_VERSIONS, by).await?;
        db.commit().await?;
        Ok(Set { version, unchanged: false })
    }

    /// The secrets that new releases get, by name; never their values.
    ///
    /// # Errors
    /// [`SecretError::Nowhere`], or when the database refuses.
    pub async fn list(&self, app: &AppName, env: &EnvName) -> Result<Vec<SecretRow>, SecretError> {
        let mut db = self.settings.database.read().await?;
        exist(&mut db, app, env).await?;
        Ok(store::list(&mut db, app, env).await?)
    }

    /// Takes a secret from all releases to come, and erases the versions that nothing needs.
    ///
    /// # Errors
    /// [`SecretError::Nowhere`], [`SecretError::NotFound`], or when the database refuses.
    pub async fn remove(
        &self,
        app: &AppName,
        env: &EnvName,
        name: &SecretName,
        by: &By,
    ) -> Result<Removed, SecretError> {
        let mut db = self.settings.database.write().await?;
        exist(&mut db, app, env).await?;
        let version = store::withdraw(&mut db, app, env, name, by).await?;
        let version = version.ok_or_else(|| SecretError::NotFound(name.clone()))?;
        store::erase_withdrawn(&mut db, by).await?;
        let holders = store::holders(&mut db, app, env, name).await?;
        db.commit().await?;
        Ok(Removed { version, holders })
    }

    /// The values of the given versions, in the order of their names: for the instance that is about
    /// to start with them, and for nobody else.
    ///
    /// # Errors
    /// [`OpenError`], which names the first one that has no value.
    pub async fn open_all(
        &self,
        app: &AppName,
        env: &EnvName,
        versions: &SecretVersions,
    ) -> Result<Vec<SecretValue>, OpenError> {
        if versions.is_empty() {
            return Ok(Vec::new());
        }
        let mut db = self.settings.database.read().await?;
        let mut values = Vec::with_capacity(versions.len());
        for (name, version) in versions {
            let (name, version) = (name.clone(), *version);
            let sealed = store::sealed(&mut db, app, env, &name, version).await?;
            let Some(sealed) = sealed else { return Err(OpenError::Erased { name, version }) };
            let file = &self.settings.key;
            let key = self.key.get().ok_or_else(|| KeyError::Missing(file.path()))?;
            let opened = key.open_value(Label::Value(app, env, &name, version), &sealed);
            values.push(opened.map_err(|_| OpenError::Damaged { name, version })?);
        }
        Ok(values)
    }

    /// The key, made if this is the first value ever. A value is kept only together with the proof
    /// that tells its key from others.
    async fn key(&self, db: &mut Write) -> Result<&Key, KeyError> {
        let (file, random) = (self.settings.key.clone(), self.settings.random);
        let ensure = async || {
            let ensured = tokio::task::spawn_blocking(move || file.ensure(random)).await;
            ensured.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        };
        let key = self.key.get_or_try_init(ensure).await?;
        if !store::any(db).await? {
            store::set_proof(db, &key.seal(Label::Proof, b"", self.nonce())).await?;
        }
        Ok(key)
    }

    fn nonce(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        (self.settings.random)(&mut nonce);
        nonce
    }
}

async fn exist(db: &mut Connection, app: &AppName, env: &EnvName) -> Result<(), SecretError> {
    if catalog::application(&mut *db, app).await?.is_none() {
        return Err(SecretError::Nowhere { kind: "application", name: app.to_string() });
    }
    if catalog::environment(db, env).await?.is_none() {
        return Err(SecretError::Nowhere { kind: "environment", name: env.to_string() });
    }
    Ok(())
}
