//! Secrets of instances whose image knows nothing of Kiln: no `kiln-init` is in it.

use crate::keeping::{Keeping, SERVE_PAGE};
use crate::machine::{Machine, until};
use kiln_names::{AppName, EnvName, SecretName, SecretValue, SecretVersion, SecretVersions};
use kiln_secrets::By;
use kiln_store::catalog::{ApplicationRow, EnvironmentRow};
use kiln_store::{Database, catalog, secrets};
use serde_json::Map;
use std::os::unix::fs::MetadataExt;

fn token() -> SecretName {
    "token".parse().unwrap()
}

fn test() -> By {
    By { who: "test".to_owned(), at_ms: 1 }
}

/// Sets secret `token` of the group that [`Keeping`] keeps.
async fn set_token(machine: &Machine, value: &str) {
    let (app, env): (AppName, EnvName) = ("hello".parse().unwrap(), "test".parse().unwrap());
    let database = Database::open(&machine.database()).await.unwrap();
    let mut db = database.write().await.unwrap();
    let row = ApplicationRow { name: app.clone(), created_ms: 1, metadata: Map::new() };
    catalog::add_application(&mut db, &row, &test()).await.unwrap();
    let (engine, settings, metadata) = ("local".to_owned(), Map::new(), Map::new());
    let row = EnvironmentRow { name: env.clone(), engine, settings, created_ms: 1, metadata };
    catalog::add_environment(&mut db, &row, &test()).await.unwrap();
    db.commit().await.unwrap();
    let value = SecretValue::new(value.as_bytes().to_vec()).unwrap();
    let vault = machine.vault(&database).await;
    vault.set((&app, &env), &token(), &value, &test()).await.unwrap();
    database.close().await;
}

/// A group of one instance that has version 1 of the secret.
fn keeping(value: &str) -> Keeping {
    let machine = Machine::new("hello");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(set_token(&machine, value));
    let pinned = SecretVersions::from([(token(), SecretVersion(1))]);
    Keeping::on(machine, SERVE_PAGE, 1, pinned)
}

#[test]
fn an_image_without_kiln_init_has_its_secrets_and_so_has_every_successor() {
    let mut keeping = keeping("hunter2");
    let check = |keeping: &Keeping| {
        keeping.until_healthy(1);
        let path = keeping.machine.root(keeping.only().id).join("run/kiln/secrets/token");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "hunter2");
        let found = std::fs::symlink_metadata(&path).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o400, 65532, 65532));
    };
    check(&keeping);
    let first = keeping.only().id;
    keeping.machine.kill(first);
    until("another one is there", || keeping.state(first).is_none());
    check(&keeping);
    let second = keeping.only().id;
    keeping.crash();
    keeping.machine.lose_in_reboot(second);
    keeping.take_over();
    until("another one is there", || keeping.state(second).is_none());
    check(&keeping);
}

#[test]
fn an_instance_whose_secret_was_erased_does_not_start_and_says_which() {
    let keeping = keeping("hunter2");
    keeping.until_healthy(1);
    keeping.run(async {
        let database = Database::open(&keeping.machine.database()).await.unwrap();
        let mut db = database.write().await.unwrap();
        let spec = &keeping.spec;
        secrets::withdraw(&mut db, &spec.app, &spec.env, &token(), &test()).await.unwrap();
        // No release of the books has it: to them, this engine's group is not there.
        secrets::erase_withdrawn(&mut db, &test()).await.unwrap();
        db.commit().await.unwrap();
        database.close().await;
    });
    keeping.machine.kill(keeping.only().id);
    let said = || keeping.instances().into_iter().find_map(|it| it.exit.map(|exit| exit.cause));
    let expected = "failed to open secret token@1: it is not kept any more";
    until("it says why", || said().is_some_and(|cause| cause == expected));
}
