//! What is kept, what may go, and when.

use super::*;
use crate::activations::NewActivation;
use crate::deployments::{NewDeployment, StateChange};
use crate::groups::GroupRow;
use crate::releases::ReleaseRow;
use crate::{Database, activations, deployments, groups, releases};
use kiln_names::{DeploymentId, GroupId, GroupNumber, ProcessName, ReleaseId};
use tempfile::TempDir;

struct Books {
    _dir: TempDir,
    database: Database,
    db: Write,
}

fn app() -> AppName {
    "hello".parse().unwrap()
}

fn env() -> EnvName {
    "prod".parse().unwrap()
}

fn name() -> SecretName {
    "tls.key".parse().unwrap()
}

fn at(at_ms: u64) -> By {
    By { who: "ada".to_owned(), at_ms }
}

impl Books {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("kiln.db")).await.unwrap();
        let db = database.write().await.unwrap();
        Self { _dir: dir, database, db }
    }

    async fn set(&mut self, versions: std::ops::RangeInclusive<u32>) {
        for version in versions {
            let (app, env, name) = (&app(), &env(), &name());
            let new = NewVersion { app, env, name, version: SecretVersion(version), sealed: b"x" };
            add(&mut self.db, &new, &at(version.into())).await.unwrap();
        }
    }

    /// A release with one version of the secret.
    async fn release(&mut self, version: u32) -> ReleaseId {
        let canonical = format!("{{\"secrets\":{{\"tls.key\":{version}}}}}");
        let id = ReleaseId::of(canonical.as_bytes());
        let row = ReleaseRow { id, app: app(), env: env(), canonical, created_ms: 1 };
        releases::put(&mut self.db, &row).await.unwrap();
        id
    }

    async fn group(&mut self, release: ReleaseId, number: u32, state: &str, since_ms: u64) {
        let process: ProcessName = "web".parse().unwrap();
        let row = GroupRow {
            id: GroupId::from_random(number.to_be_bytes()),
            name: GroupName::new(&app(), &env(), &process, GroupNumber(number)),
            app: app(),
            env: env(),
            process,
            number: GroupNumber(number),
            release,
            spec: "{}".to_owned(),
            size: 1,
            state: state.to_owned(),
            created_ms: 1,
            since_ms,
        };
        groups::put(&mut self.db, &row).await.unwrap();
    }

    /// A deployment that began at 100 and is in the given state.
    async fn deployment(&mut self, state: &str, release: Option<ReleaseId>) -> u64 {
        let new = NewDeployment {
            id: DeploymentId::from_random([1; 6]),
            app: app(),
            env: env(),
            verb: "deploy".to_owned(),
            who: "ada".to_owned(),
            message: String::new(),
            state: state.to_owned(),
            started_ms: 100,
        };
        let number = deployments::begin(&mut self.db, &new).await.unwrap();
        deployments::set_release(&mut self.db, number, release).await.unwrap();
        number
    }

    async fn end(&mut self, deployment: u64) {
        let change =
            StateChange { state: "completed", reason: None, locks: false, ended: true, at_ms: 200 };
        deployments::set_state(&mut self.db, deployment, change).await.unwrap();
    }

    async fn activate(&mut self, release: ReleaseId, back: Option<u64>, deployment: u64) -> u64 {
        let new = NewActivation {
            app: app(),
            env: env(),
            release: Some(release),
            back,
            deployment,
            settings: "{}".to_owned(),
            at_ms: 1,
        };
        activations::add(&mut self.db, &new).await.unwrap();
        activations::current(&mut self.db, &app(), &env()).await.unwrap().unwrap().number
    }

    async fn kept(&mut self) -> Vec<u32> {
        let sql = "SELECT version FROM secret_versions ORDER BY version";
        sqlx::query_scalar(sql).fetch_all(&mut *self.db).await.unwrap()
    }

    async fn surplus(&mut self, keep: u32) -> Vec<u32> {
        erase_surplus(&mut self.db, &app(), &env(), &name(), keep, &at(9)).await.unwrap();
        self.kept().await
    }

    async fn withdrawn(&mut self) -> Vec<u32> {
        erase_withdrawn(&mut self.db, &at(9)).await.unwrap();
        self.kept().await
    }
}

#[tokio::test]
async fn the_newest_version_is_what_releases_get_and_none_after_a_removal() {
    let mut books = Books::open().await;
    books.set(1..=2).await;
    let newest_of = async |books: &mut Books| newest(&mut books.db, &app(), &env()).await.unwrap();
    let expected = SecretVersions::from([(name(), SecretVersion(2))]);
    assert_eq!(newest_of(&mut books).await, expected);
    let row = list(&mut books.db, &app(), &env()).await.unwrap().remove(0);
    assert_eq!((row.set_ms, row.set_by.as_str()), (2, "ada"));
    let removed = withdraw(&mut books.db, &app(), &env(), &name(), &at(3)).await.unwrap();
    assert_eq!(removed, Some(SecretVersion(2)));
    assert_eq!(newest_of(&mut books).await, SecretVersions::new());
    assert_eq!(withdraw(&mut books.db, &app(), &env(), &name(), &at(3)).await.unwrap(), None);
    let last_of = last(&mut books.db, &app(), &env(), &name()).await.unwrap();
    assert_eq!(last_of, SecretVersion(2), "a number is not given out twice");
    let rows = audit::newest(&mut books.db, 9).await.unwrap();
    let did: Vec<_> = rows.iter().map(|row| row.what["did"].as_str().unwrap()).collect();
    assert_eq!(did, ["remove secret", "set secret", "set secret"]);
}

#[tokio::test]
async fn a_removed_version_stays_until_the_last_group_that_has_it_is_gone() {
    let mut books = Books::open().await;
    books.set(1..=3).await;
    let (first, second) = (books.release(1).await, books.release(2).await);
    books.group(first, 1, "warm", 1).await;
    books.group(second, 2, "active", 1).await;
    assert_eq!(books.withdrawn().await, [1, 2, 3], "nothing was removed");
    withdraw(&mut books.db, &app(), &env(), &name(), &at(3)).await.unwrap();
    let holders = holders(&mut books.db, &app(), &env(), &name()).await.unwrap();
    assert_eq!(holders.len(), 2);
    assert_eq!(books.withdrawn().await, [1, 2]);
    books.group(first, 1, "gone", 2).await;
    assert_eq!(books.withdrawn().await, [2]);
    books.group(second, 2, "gone", 2).await;
    assert_eq!(books.withdrawn().await, [0; 0]);
    let wanted = SecretVersions::from([(name(), SecretVersion(2))]);
    let missing = missing(&mut books.db, &app(), &env(), &wanted).await.unwrap();
    assert_eq!(missing, wanted);
    let row = audit::newest(&mut books.db, 1).await.unwrap().remove(0);
    assert_eq!((&row.what["did"], &row.what["version"]), (&"erase secret".into(), &2.into()));
}

#[tokio::test]
async fn a_deployment_in_progress_keeps_what_it_goes_to_and_what_an_undo_makes_again() {
    let mut books = Books::open().await;
    books.set(1..=3).await;
    let (first, second) = (books.release(1).await, books.release(2).await);
    let third = books.release(3).await;
    books.group(first, 1, "gone", 99).await;
    books.group(second, 2, "gone", 100).await;
    withdraw(&mut books.db, &app(), &env(), &name(), &at(3)).await.unwrap();
    let preparing = books.deployment("preparing", None).await;
    assert_eq!(books.withdrawn().await, [1, 2, 3], "who prepares may want any of them");
    books.end(preparing).await;
    sqlx::query("DELETE FROM deployments").execute(&mut *books.db).await.unwrap();
    let running = books.deployment("stuck", Some(third)).await;
    assert_eq!(books.withdrawn().await, [2, 3]);
    books.end(running).await;
    assert_eq!(books.withdrawn().await, [0; 0]);
}

#[tokio::test]
async fn old_versions_go_except_those_that_run_or_that_a_rollback_returns_to() {
    let mut books = Books::open().await;
    books.set(1..=8).await;
    assert_eq!(books.surplus(8).await, [1, 2, 3, 4, 5, 6, 7, 8]);
    let mut pinned = Vec::new();
    for version in [1, 2, 3, 4] {
        pinned.push(books.release(version).await);
    }
    let deployment = books.deployment("running", None).await;
    books.end(deployment).await;
    let first = books.activate(pinned[0], None, deployment).await;
    let second = books.activate(pinned[1], Some(first), deployment).await;
    books.activate(pinned[2], Some(second), deployment).await;
    books.group(pinned[3], 4, "draining", 1).await;
    assert_eq!(books.surplus(2).await, [2, 3, 4, 7, 8]);
}

#[tokio::test]
async fn an_application_that_is_deleted_leaves_no_secrets_to_the_next_of_its_name() {
    let mut books = Books::open().await;
    books.set(1..=1).await;
    crate::catalog::remove_application(&mut books.db, &app(), &at(3)).await.unwrap();
    assert_eq!(newest(&mut books.db, &app(), &env()).await.unwrap(), SecretVersions::new());
    assert_eq!(books.withdrawn().await, [0; 0]);
    assert!(!any(&mut books.db).await.unwrap());
}

#[tokio::test]
async fn half_a_change_is_no_change() {
    let Books { _dir, database, db } = {
        let mut books = Books::open().await;
        books.set(1..=1).await;
        books
    };
    drop(db);
    let mut read = database.read().await.unwrap();
    assert_eq!(newest(&mut read, &app(), &env()).await.unwrap(), SecretVersions::new());
    assert!(audit::newest(&mut read, 9).await.unwrap().is_empty());
}
