//! A vault on a real database with a real key file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there and then")]

use kiln_names::{AppName, EnvName, SecretName, SecretValue, SecretVersion, SecretVersions};
use kiln_secrets::{
    By, KEPT_VERSIONS, KeyError, KeyFile, MAX_SECRETS, OpenError, SecretError, Set, Settings, Vault,
};
use kiln_store::catalog::{ApplicationRow, EnvironmentRow};
use kiln_store::{Database, audit, catalog, secrets};
use serde_json::Map;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

struct House {
    dir: TempDir,
    database: Database,
}

fn random(bytes: &mut [u8]) {
    std::fs::File::open("/dev/urandom").unwrap().read_exact(bytes).unwrap();
}

fn hello() -> AppName {
    "hello".parse().unwrap()
}

fn prod() -> EnvName {
    "prod".parse().unwrap()
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec()).unwrap()
}

fn ada() -> By {
    By { who: "ada".to_owned(), at_ms: 7 }
}

fn only(version: u32) -> SecretVersions {
    SecretVersions::from([(name("token"), SecretVersion(version))])
}

impl House {
    /// A database with application `hello` and environment `prod`.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("kiln.db")).await.unwrap();
        let mut db = database.write().await.unwrap();
        let (created_ms, metadata) = (1, Map::new());
        let app = ApplicationRow { name: hello(), created_ms, metadata: metadata.clone() };
        catalog::add_application(&mut db, &app, &ada()).await.unwrap();
        let (engine, settings) = ("local".to_owned(), Map::new());
        let env = EnvironmentRow { name: prod(), engine, settings, created_ms, metadata };
        catalog::add_environment(&mut db, &env, &ada()).await.unwrap();
        db.commit().await.unwrap();
        Self { dir, database }
    }

    async fn try_vault(&self) -> Result<Vault, KeyError> {
        let key = KeyFile::find(self.dir.path(), None);
        Vault::open(Settings { database: self.database.clone(), key, random }).await
    }

    async fn vault(&self) -> Vault {
        self.try_vault().await.unwrap()
    }

    fn key(&self) -> std::path::PathBuf {
        self.dir.path().join("secrets.key")
    }
}

async fn set(vault: &Vault, text: &str) -> Set {
    vault.set((&hello(), &prod()), &name("token"), &value(text), &ada()).await.unwrap()
}

async fn opened(vault: &Vault, version: u32) -> Result<String, OpenError> {
    let values = vault.open_all(&hello(), &prod(), &only(version)).await?;
    Ok(String::from_utf8(values[0].as_ref().to_vec()).unwrap())
}

#[tokio::test]
async fn each_new_value_is_a_version_and_the_same_again_is_none() {
    let house = House::new().await;
    let vault = house.vault().await;
    let check = async |text, version, unchanged| {
        let expected = Set { version: SecretVersion(version), unchanged };
        assert_eq!(set(&vault, text).await, expected, "{text}");
    };
    check("one", 1, false).await;
    check("one", 1, true).await;
    check("two", 2, false).await;
    check("one", 3, false).await;
    let listed = vault.list(&hello(), &prod()).await.unwrap();
    assert_eq!((listed.len(), listed[0].version, listed[0].set_ms), (1, SecretVersion(3), 7));
    // The next server opens what this one sealed.
    let vault = house.vault().await;
    assert_eq!(opened(&vault, 2).await.unwrap(), "two");
}

#[tokio::test]
async fn nothing_of_a_value_is_in_the_database_or_its_records() {
    let house = House::new().await;
    let vault = house.vault().await;
    set(&vault, "correct-horse-battery").await;
    vault.remove(&hello(), &prod(), &name("token"), &ada()).await.unwrap();
    let mut db = house.database.read().await.unwrap();
    let told = audit::newest(&mut db, 99).await.unwrap();
    assert!(!format!("{told:?}").contains("horse"));
    drop(db);
    for entry in std::fs::read_dir(house.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"horse"));
    }
}

#[tokio::test]
async fn without_secrets_no_key_is_needed_and_none_is_made() {
    let house = House::new().await;
    let vault = house.vault().await;
    assert!(!house.key().exists());
    set(&vault, "one").await;
    assert!(house.key().exists());
    vault.remove(&hello(), &prod(), &name("token"), &ada()).await.unwrap();
    std::fs::remove_file(house.key()).unwrap();
    // Nothing is left that the lost key could open, so that a new one does.
    let vault = house.vault().await;
    assert_eq!(set(&vault, "one").await.version, SecretVersion(2));
    assert_eq!(opened(&house.vault().await, 2).await.unwrap(), "one");
}

#[tokio::test]
async fn with_secrets_a_missing_wrong_or_loose_key_is_refused_with_what_to_do() {
    let house = House::new().await;
    set(&house.vault().await, "one").await;
    let key = std::fs::read(house.key()).unwrap();
    let refused = async |words: &str| {
        let said = house.try_vault().await.unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    };
    std::fs::set_permissions(house.key(), PermissionsExt::from_mode(0o644)).unwrap();
    refused("chmod 400").await;
    std::fs::remove_file(house.key()).unwrap();
    refused("put it back from its backup").await;
    let put = |bytes: &[u8]| {
        std::fs::remove_file(house.key()).ok();
        std::fs::write(house.key(), bytes).unwrap();
        std::fs::set_permissions(house.key(), PermissionsExt::from_mode(0o400)).unwrap();
    };
    put(&[7; 32]);
    refused("not the one that they were sealed with").await;
    put(&key);
    assert_eq!(opened(&house.vault().await, 1).await.unwrap(), "one");
}

#[tokio::test]
async fn a_row_that_was_moved_or_damaged_does_not_open_and_setting_it_again_mends_it() {
    let house = House::new().await;
    let vault = house.vault().await;
    set(&vault, "one").await;
    set(&vault, "two").await;
    let mut db = house.database.write().await.unwrap();
    let place = (&hello(), &prod(), &name("token"));
    let first = secrets::sealed(&mut db, place.0, place.1, place.2, SecretVersion(1)).await;
    let new = secrets::NewVersion {
        app: place.0,
        env: place.1,
        name: place.2,
        version: SecretVersion(3),
        sealed: &first.unwrap().unwrap(),
    };
    secrets::add(&mut db, &new, &ada()).await.unwrap();
    db.commit().await.unwrap();
    let said = opened(&vault, 3).await.unwrap_err();
    assert!(matches!(said, OpenError::Damaged { .. }), "{said}");
    let mended = set(&vault, "one").await;
    assert_eq!(mended, Set { version: SecretVersion(4), unchanged: false });
    assert_eq!(opened(&vault, 4).await.unwrap(), "one");
}

#[tokio::test]
async fn a_removed_secret_is_gone_for_releases_to_come() {
    let house = House::new().await;
    let vault = house.vault().await;
    set(&vault, "one").await;
    let removed = vault.remove(&hello(), &prod(), &name("token"), &ada()).await.unwrap();
    assert_eq!((removed.version, removed.holders.len()), (SecretVersion(1), 0));
    assert!(vault.list(&hello(), &prod()).await.unwrap().is_empty());
    let said = opened(&vault, 1).await.unwrap_err();
    assert!(matches!(said, OpenError::Erased { .. }), "{said}");
    let again = vault.remove(&hello(), &prod(), &name("token"), &ada()).await.unwrap_err();
    assert_eq!(again.to_string(), "there is no secret token");
}

#[tokio::test]
async fn application_and_environment_must_be_there() {
    let house = House::new().await;
    let vault = house.vault().await;
    let nowhere = "nowhere".parse().unwrap();
    let said = vault.list(&hello(), &nowhere).await.unwrap_err().to_string();
    assert_eq!(said, "there is no environment nowhere");
    let other = "other".parse().unwrap();
    let place = (&other, &prod());
    let said = vault.set(place, &name("token"), &value("x"), &ada()).await.unwrap_err();
    assert!(matches!(said, SecretError::Nowhere { kind: "application", .. }), "{said}");
    assert!(!house.key().exists(), "nothing was done for nobody");
}

#[tokio::test]
async fn secrets_and_their_versions_are_bounded() {
    let house = House::new().await;
    let vault = house.vault().await;
    for n in 0..KEPT_VERSIONS + 3 {
        set(&vault, &format!("value {n}")).await;
    }
    assert!(opened(&vault, 3).await.is_err());
    assert_eq!(opened(&vault, 4).await.unwrap(), "value 3");
    for n in 1..MAX_SECRETS {
        let name = name(&format!("s{n}"));
        vault.set((&hello(), &prod()), &name, &value("x"), &ada()).await.unwrap();
    }
    let place = (&hello(), &prod());
    let refused = vault.set(place, &name("more"), &value("x"), &ada()).await.unwrap_err();
    assert!(matches!(refused, SecretError::TooMany), "{refused}");
    set(&vault, "a new value is no new secret").await;
}
