//! What is less than a deployment: resize, replace, stop.

use crate::world::{World, deploy, eventually, finish, request, rest, target, why};
use kiln_deploy::Ask;
use kiln_engine::sim::{Fault, Operation};
use kiln_protocol::deployment::DeploymentState::{Completed, Invalid, Running};
use kiln_protocol::status::GroupState;

#[tokio::test]
async fn a_resize_grows_and_shrinks_the_active_group() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    for size in [5, 1] {
        let deployment = finish(&orchestrator, Ask::Resize { process: None, size }).await;
        assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
        let seen = world.seen().await;
        assert_eq!(seen.groups[0].healthy(), size as usize);
        assert_eq!(orchestrator.status(&target()).await.unwrap().groups[0].size, size);
    }
    let none = finish(&orchestrator, Ask::Resize { process: None, size: 0 }).await;
    assert_eq!(none.summary.state, Invalid, "requests would fail");
}

#[tokio::test]
async fn a_resize_needs_to_know_which_process() {
    let world = World::new().await;
    world.bake("1", &["web", "worker"]);
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let which = finish(&orchestrator, Ask::Resize { process: None, size: 3 }).await;
    let reason = "say which process: it has web, worker";
    assert_eq!(which.summary.reason.as_deref(), Some(reason));
    let worker = Some("worker".parse().unwrap());
    let deployment = finish(&orchestrator, Ask::Resize { process: worker, size: 0 }).await;
    assert_eq!(deployment.summary.state, Completed, "a worker may rest");
}

#[tokio::test]
async fn a_replaced_instance_makes_room_for_another() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let old = world.seen().await.groups[0].instances[0].id;
    let id = orchestrator.replace(old, why()).await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
    let group = world.seen().await.groups.remove(0);
    assert_eq!(group.healthy(), 2);
    assert!(group.instances.iter().all(|instance| instance.id != old));
    orchestrator.replace(old, why()).await.unwrap_err();
}

#[tokio::test]
async fn a_stop_leaves_nothing_behind() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    let deployment = finish(&orchestrator, Ask::Stop).await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    assert_eq!(world.engine.groups(), []);
    let running = orchestrator.status(&target()).await.unwrap();
    assert_eq!((running.active, running.groups.len()), (None, 0));
    assert_eq!(orchestrator.targets().await.unwrap(), []);
}

#[tokio::test]
async fn a_stop_waits_for_a_group_that_was_on_its_way_out_before() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    world.configure("{}", "[]", r#"{"keepWarm": "0s"}"#);
    world.engine.inject(Operation::RemoveGroup, &Fault::Hang, 1);
    deploy(&orchestrator, "2").await;
    eventually("the old group is on its way out", async || {
        let running = orchestrator.status(&target()).await.unwrap();
        running.groups.iter().any(|group| group.state == GroupState::Draining)
    })
    .await;
    let stop = orchestrator.begin(request(Ask::Stop)).await.unwrap();
    eventually("the new group is gone", async || world.engine.groups().len() == 1).await;
    let waits = orchestrator.deployment(stop).await.unwrap();
    assert_eq!(waits.summary.state, Running, "{waits:#?}");
    world.engine.release();
    assert_eq!(rest(&orchestrator, stop).await.summary.state, Completed);
    assert_eq!(world.engine.groups(), []);
}
