//! Going back: warm in one step, cold with the configuration of then, never forward.

use crate::world::{World, deploy, eventually, finish, target};
use kiln_deploy::view::Deployment;
use kiln_deploy::{Ask, Orchestrator};
use kiln_engine::sim::Operation;
use kiln_protocol::deployment::DeploymentState::{Completed, Invalid};
use kiln_protocol::status::GroupState;

async fn rollback(orchestrator: &Orchestrator) -> Deployment {
    finish(orchestrator, Ask::Rollback { to: None }).await
}

async fn active_image(orchestrator: &Orchestrator) -> kiln_names::Digest {
    orchestrator.status(&target()).await.unwrap().active.unwrap().0.image
}

fn digest(world: &World, version: &str) -> kiln_names::Digest {
    world.library.images.lock().unwrap()[version].0
}

#[tokio::test]
async fn a_warm_rollback_is_one_call_that_changes_the_world() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    let before = world.engine.calls().len();
    let deployment = rollback(&orchestrator).await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let calls = world.engine.calls().split_off(before);
    let changes: Vec<Operation> = calls.into_iter().filter(|call| !call.only_reads()).collect();
    assert_eq!(changes, [Operation::ApplyTraffic]);
    assert_eq!(world.serving(&orchestrator).await, ["hello-prod-web-v001"]);
    let running = orchestrator.status(&target()).await.unwrap();
    let states: Vec<_> = running.groups.iter().map(|g| (g.name.as_str(), g.state)).collect();
    let expected =
        [("hello-prod-web-v002", GroupState::Warm), ("hello-prod-web-v001", GroupState::Active)];
    assert_eq!(states, expected);
    assert!(running.groups[0].kept_until_ms.is_some(), "it waits to be removed");
    assert!(running.groups[1].kept_until_ms.is_none(), "it does not any more");
    world.assert_always_served();
}

#[tokio::test]
async fn a_second_rollback_goes_one_further_back_and_never_forward() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    for version in ["1", "2", "3"] {
        deploy(&orchestrator, version).await;
    }
    rollback(&orchestrator).await;
    assert_eq!(active_image(&orchestrator).await, digest(&world, "2"));
    rollback(&orchestrator).await;
    assert_eq!(active_image(&orchestrator).await, digest(&world, "1"));
    let third = rollback(&orchestrator).await;
    assert_eq!(third.summary.state, Invalid);
    assert_eq!(third.summary.reason.as_deref(), Some("hello in prod has no earlier release"));
    // What is deployed from here goes back to here.
    deploy(&orchestrator, "3").await;
    rollback(&orchestrator).await;
    assert_eq!(active_image(&orchestrator).await, digest(&world, "1"));
    world.assert_always_served();
}

#[tokio::test]
async fn a_rollback_after_a_stop_goes_behind_what_is_active_now() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    finish(&orchestrator, Ask::Stop).await;
    deploy(&orchestrator, "2").await;
    assert_eq!(rollback(&orchestrator).await.summary.state, Completed);
    assert_eq!(active_image(&orchestrator).await, digest(&world, "1"));
    finish(&orchestrator, Ask::Stop).await;
    deploy(&orchestrator, "3").await;
    assert_eq!(rollback(&orchestrator).await.summary.state, Completed);
    assert_eq!(active_image(&orchestrator).await, digest(&world, "1"));
}

#[tokio::test]
async fn a_rollback_goes_to_any_release_that_is_named() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    for version in ["1", "2", "3"] {
        deploy(&orchestrator, version).await;
    }
    let list = orchestrator.deployments(None, None, 10).await.unwrap();
    let first = list.last().unwrap().release.unwrap();
    let to = Some(first.short());
    let deployment = finish(&orchestrator, Ask::Rollback { to: to.clone() }).await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    assert_eq!(active_image(&orchestrator).await, digest(&world, "1"));
    let again = finish(&orchestrator, Ask::Rollback { to }).await;
    assert!(again.summary.reason.unwrap().ends_with("is active already"));
}

#[tokio::test]
async fn a_cold_rollback_brings_the_configuration_of_then() {
    let world = World::new().await;
    world.configure(r#"{"colour": "red"}"#, "[]", r#"{"keepWarm": "0s"}"#);
    let orchestrator = world.start().await;
    let first = deploy(&orchestrator, "1").await.summary.release;
    world.configure(r#"{"colour": "black"}"#, "[]", r#"{"keepWarm": "0s"}"#);
    deploy(&orchestrator, "2").await;
    eventually("the old group is gone", async || world.engine.groups().len() == 1).await;
    let deployment = rollback(&orchestrator).await;
    assert_eq!(deployment.summary.release, first);
    let plan = deployment.plan.unwrap();
    let colours: Vec<_> = plan.new_groups().map(|spec| &spec.user_data.properties).collect();
    assert_eq!(colours[0]["colour"], "red");
    let kinds: Vec<&str> = plan.differences.iter().map(|d| d.kind.as_str()).collect();
    assert_eq!(kinds, ["image", "configuration", "packages"]);
}

#[tokio::test]
async fn a_warm_group_that_is_too_small_grows_first() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    finish(&orchestrator, Ask::Resize { process: None, size: 5 }).await;
    let deployment = rollback(&orchestrator).await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let running = orchestrator.status(&target()).await.unwrap();
    let active = running.groups.iter().find(|g| g.state == GroupState::Active).unwrap();
    assert_eq!((active.name.as_str(), active.size), ("hello-prod-web-v001", 5));
    let actions: Vec<&str> = deployment.actions.iter().map(|a| a.name.as_str()).collect();
    let at = |name| actions.iter().position(|action| *action == name).unwrap();
    assert!(at("resize-groups") < at("apply-traffic"), "{actions:?}");
}

#[tokio::test]
async fn workers_are_not_kept_warm_and_come_back_with_a_rollback() {
    let world = World::new().await;
    for version in ["1", "2"] {
        world.bake(version, &["web", "worker"]);
    }
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    eventually("the old worker is gone", async || world.engine.groups().len() == 3).await;
    let deployment = rollback(&orchestrator).await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let running = orchestrator.status(&target()).await.unwrap();
    let mut active: Vec<&str> = running
        .groups
        .iter()
        .filter(|group| group.state == GroupState::Active)
        .map(|group| group.name.as_str())
        .collect();
    active.sort_unstable();
    assert_eq!(active, ["hello-prod-web-v001", "hello-prod-worker-v003"]);
    let actions: Vec<&str> = deployment.actions.iter().map(|a| a.name.as_str()).collect();
    let at = |name| actions.iter().position(|action| *action == name).unwrap();
    assert!(at("apply-traffic") < at("ensure-groups"), "people are in a hurry: {actions:?}");
}

#[tokio::test]
async fn a_redeploy_takes_the_active_image_and_the_newest_configuration() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    world.configure(r#"{"colour": "black"}"#, "[]", "{}");
    let deployment = finish(&orchestrator, Ask::Redeploy).await;
    assert_eq!(deployment.summary.state, Completed);
    let plan = deployment.plan.unwrap();
    assert_eq!(plan.release.as_ref().unwrap().image, digest(&world, "1"));
    let names: Vec<&str> = plan.differences.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["colour"]);
}

#[tokio::test]
async fn after_a_stop_a_rollback_brings_back_what_ran() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    assert_eq!(finish(&orchestrator, Ask::Stop).await.summary.state, Completed);
    assert_eq!(world.engine.groups(), []);
    assert_eq!(rollback(&orchestrator).await.summary.state, Completed);
    assert_eq!(active_image(&orchestrator).await, digest(&world, "1"));
}
