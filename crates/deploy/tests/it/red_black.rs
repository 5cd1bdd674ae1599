//! The plain course of things.

use crate::world::{World, deploy, target};
use kiln_protocol::deployment::DeploymentState;
use kiln_protocol::status::GroupState;

#[tokio::test]
async fn a_first_deployment_serves() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let deployment = deploy(&orchestrator, "1").await;
    assert_eq!(deployment.summary.state, DeploymentState::Completed, "{deployment:#?}");
    assert_eq!(world.serving(&orchestrator).await, ["hello-prod-web-v001"]);
    let running = orchestrator.status(&target()).await.unwrap();
    assert_eq!(running.groups[0].state, GroupState::Active);
    assert_eq!(running.groups[0].weight, Some(100));
    assert_eq!(running.groups[0].instances.as_ref().unwrap().len(), 2);
}

#[tokio::test]
async fn the_next_one_takes_over_and_keeps_the_old_one_warm() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let second = deploy(&orchestrator, "2").await;
    assert_eq!(second.summary.state, DeploymentState::Completed, "{second:#?}");
    let running = orchestrator.status(&target()).await.unwrap();
    let states: Vec<_> = running.groups.iter().map(|g| (g.name.as_str(), g.state)).collect();
    let expected =
        [("hello-prod-web-v002", GroupState::Active), ("hello-prod-web-v001", GroupState::Warm)];
    assert_eq!(states, expected);
    assert_eq!(world.serving(&orchestrator).await, ["hello-prod-web-v002"]);
    world.assert_always_served();
}
