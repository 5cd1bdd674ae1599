//! A new release that is worse than the old one, by what was counted, does not stay.

use crate::world::{World, deploy, eventually, image, request, rest};
use kiln_deploy::{Ask, Orchestrator};
use kiln_engine::Figures;
use kiln_names::{Digest, GroupId};
use kiln_protocol::deployment::DeploymentState::{Completed, Undone};

/// A canary of one short step, compared; what follows without enough data is told.
fn params(not_enough_data: &str) -> String {
    let steps = r#"[{"weight": 10, "duration": "1s"}]"#;
    let analysis = format!(r#"{{"notEnoughData": "{not_enough_data}", "patience": "30s"}}"#);
    format!(r#"{{"strategy": {{"type": "canary", "steps": {steps}}}, "analysis": {analysis}}}"#)
}

/// Version 1 serves, 5000 requests of which went well.
async fn measured(not_enough_data: &str) -> (World, Orchestrator, Digest) {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let old = world.bake("old", &["web"]);
    deploy(&orchestrator, "old").await;
    count(&world, old, 5_000, 0);
    let new = world.bake("new", &["web"]);
    world.configure("{}", "[]", &params(not_enough_data));
    (world, orchestrator, new)
}

fn count(world: &World, image: Digest, requests: u64, failed: u64) {
    let group = GroupId::from_random([0; 4]);
    world.engine.count(image, Figures { group, by: 0, requests, failed, times: Vec::new() });
}

#[tokio::test]
async fn a_canary_that_fails_more_is_taken_back_with_the_numbers() {
    let (world, orchestrator, new) = measured("pass").await;
    let before = world.serving(&orchestrator).await;
    count(&world, new, 500, 50);
    let deployment = deploy(&orchestrator, "new").await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");
    let (action, failure) = deployment.failure.unwrap();
    let why = "is worse of 500 requests: failed 10.00 % (old 0.00 %, 1.00 % more allowed)";
    assert_eq!((action.as_str(), failure.reason.contains(why)), ("analyze", true), "{failure:?}");
    assert_eq!(world.serving(&orchestrator).await, before);
}

#[tokio::test]
async fn one_that_is_no_worse_takes_over_and_its_record_says_why() {
    let (world, orchestrator, new) = measured("fail").await;
    count(&world, new, 500, 1);
    let deployment = deploy(&orchestrator, "new").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let note = deployment.actions.iter().find(|action| action.name == "analyze").unwrap();
    let note = note.note.as_deref().unwrap();
    assert!(note.starts_with("no worse of 500 requests: failed 0.20 %"), "{note}");
}

#[tokio::test]
async fn too_few_requests_pass_fail_or_are_waited_for_as_the_configuration_says() {
    let (world, orchestrator, new) = measured("pass").await;
    count(&world, new, 20, 20);
    let deployment = deploy(&orchestrator, "new").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let note = deployment.actions.iter().find(|action| action.name == "analyze").unwrap();
    assert!(note.note.as_deref().unwrap().starts_with("not enough data: 20 requests"), "{note:?}");

    let (world, orchestrator, new) = measured("fail").await;
    count(&world, new, 20, 0);
    let deployment = deploy(&orchestrator, "new").await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");

    let (world, orchestrator, new) = measured("wait").await;
    let id = orchestrator.begin(request(Ask::Deploy(image("new")))).await.unwrap();
    eventually("it waits", async || {
        let actions = orchestrator.deployment(id).await.unwrap().actions;
        actions.iter().any(|action| action.name == "analyze")
    })
    .await;
    count(&world, new, 200, 0);
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
}
