//! Secrets are part of a release: pinned when it is prepared, brought back when it is gone back to.

use crate::world::{World, deploy, eventually, finish, target};
use kiln_deploy::view::Deployment;
use kiln_deploy::{Ask, Deploy, Orchestrator};
use kiln_names::{SecretName, SecretVersion, SecretVersions};
use kiln_protocol::deployment::DeploymentState::{Completed, Invalid};
use kiln_store::audit::By;
use kiln_store::secrets::{self, NewVersion};

fn name() -> SecretName {
    "token".parse().unwrap()
}

fn ann() -> By {
    By { who: "ann".to_owned(), at_ms: 1 }
}

async fn set(world: &World, version: u32) {
    set_secret(world, name().as_str(), version).await;
}

/// Adds a version; what is in it is nothing to a deployment.
pub(crate) async fn set_secret(world: &World, name: &str, version: u32) {
    let (target, name) = (target(), &name.parse().unwrap());
    let (app, env) = (&target.app, &target.env);
    let version = SecretVersion(version);
    let mut db = world.db.write().await.unwrap();
    let new = NewVersion { app, env, name, version, sealed: b"sealed" };
    secrets::add(&mut db, &new, &ann()).await.unwrap();
    db.commit().await.unwrap();
}

async fn remove(world: &World) {
    let mut db = world.db.write().await.unwrap();
    let target = target();
    secrets::withdraw(&mut db, &target.app, &target.env, &name(), &ann()).await.unwrap();
    secrets::erase_withdrawn(&mut db, &ann()).await.unwrap();
    db.commit().await.unwrap();
}

async fn kept(world: &World) -> bool {
    secrets::any(&mut world.db.read().await.unwrap()).await.unwrap()
}

async fn rollback(orchestrator: &Orchestrator) -> Deployment {
    finish(orchestrator, Ask::Rollback { to: None }).await
}

/// The secrets of the release that a deployment goes to, and of all its new groups.
fn pinned(deployment: &Deployment) -> SecretVersions {
    let plan = deployment.plan.as_ref().unwrap();
    let release = plan.release.as_ref().unwrap();
    assert!(plan.new_groups().all(|spec| spec.secrets == release.secrets));
    release.secrets.clone()
}

fn only(version: u32) -> SecretVersions {
    SecretVersions::from([(name(), SecretVersion(version))])
}

/// What differs about secrets: name, old and new version.
fn differs(deployment: &Deployment) -> Vec<(&str, Option<&str>, Option<&str>)> {
    let all = &deployment.plan.as_ref().unwrap().differences;
    let secrets = all.iter().filter(|difference| difference.kind == "secrets");
    secrets.map(|d| (d.name.as_str(), d.old.as_deref(), d.new.as_deref())).collect()
}

#[tokio::test]
async fn a_release_has_the_newest_versions_and_a_rollback_those_of_then() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"keepWarm": "0s"}"#);
    let orchestrator = world.start().await;
    let none = deploy(&orchestrator, "1").await;
    assert_eq!(pinned(&none), SecretVersions::new());
    set(&world, 1).await;
    let first = finish(&orchestrator, Ask::Redeploy).await;
    assert_eq!((pinned(&first), differs(&first)), (only(1), vec![("token", None, Some("1"))]));
    set(&world, 2).await;
    let second = deploy(&orchestrator, "1").await;
    let rotated = vec![("token", Some("1"), Some("2"))];
    assert_eq!((pinned(&second), differs(&second)), (only(2), rotated));
    assert_ne!(second.summary.release, first.summary.release);
    eventually("the old group is gone", async || world.engine.groups().len() == 1).await;
    let back = rollback(&orchestrator).await;
    assert_eq!(back.summary.release, first.summary.release);
    assert_eq!(differs(&back), [("token", Some("2"), Some("1"))]);
    let release = first.summary.release.unwrap().short();
    let again = Deploy { release: Some(release), ..Deploy::default() };
    finish(&orchestrator, Ask::Deploy(again)).await;
    assert_eq!(world.serving(&orchestrator).await.len(), 1);
}

#[tokio::test]
async fn a_removed_secret_stays_while_a_group_has_it_and_a_rollback_after_that_is_invalid() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    set(&world, 1).await;
    let first = deploy(&orchestrator, "1").await;
    remove(&world).await;
    assert!(kept(&world).await, "instances of the active group die and come back");
    let without = deploy(&orchestrator, "1").await;
    assert_eq!(differs(&without), [("token", Some("1"), None)]);
    assert!(kept(&world).await, "the warm group has it");
    assert_eq!(rollback(&orchestrator).await.summary.release, first.summary.release);
    world.configure("{}", "[]", r#"{"keepWarm": "0s"}"#);
    deploy(&orchestrator, "2").await;
    eventually("the last group that had it is gone", async || !kept(&world).await).await;
    let refused = rollback(&orchestrator).await;
    assert_eq!(refused.summary.state, Invalid);
    let reason = refused.summary.reason.unwrap();
    assert!(reason.contains("not kept any more: token@1;"), "{reason}");
    assert!(reason.contains("kiln deploy hello prod"), "{reason}");
}

#[tokio::test]
async fn a_stop_that_removed_everything_erases_what_was_removed_before() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    set(&world, 1).await;
    deploy(&orchestrator, "1").await;
    remove(&world).await;
    assert_eq!(finish(&orchestrator, Ask::Stop).await.summary.state, Completed);
    eventually("nothing is kept", async || !kept(&world).await).await;
}
