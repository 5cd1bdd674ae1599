//! Old groups are kept warm for a while, then removed, whatever happens in between.

use crate::world::{World, deploy, eventually, target};
use kiln_deploy::ManualClock;
use kiln_engine::EngineError;
use kiln_engine::sim::{Fault, Operation, Pace};
use kiln_protocol::status::GroupState;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_warm_group_goes_when_its_time_is_over_and_not_before() {
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let world = World::with(Pace::Instant, clock.clone()).await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    let due = orchestrator.status(&target()).await.unwrap().groups[1].kept_until_ms;
    assert_eq!(due, Some(1_700_000_000_000 + 15 * 60_000));
    clock.advance(Duration::from_secs(14 * 60));
    deploy_is_warm(&world, &orchestrator).await;
    eventually("the group is gone", async || {
        // Whoever read the time just before it passed waits once more for as long as was left.
        clock.advance(Duration::from_secs(61));
        orchestrator.status(&target()).await.unwrap().groups.len() == 1
    })
    .await;
    assert_eq!(world.engine.groups().len(), 1);
}

async fn deploy_is_warm(world: &World, orchestrator: &kiln_deploy::Orchestrator) {
    // Everything that was going to happen at this time has had its turn.
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    let running = orchestrator.status(&target()).await.unwrap();
    assert_eq!(running.groups[1].state, GroupState::Warm);
    assert_eq!(world.engine.groups().len(), 2);
}

#[tokio::test]
async fn a_retirement_survives_the_server() {
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let world = World::with(Pace::Instant, clock.clone()).await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    orchestrator.halt();
    clock.advance(Duration::from_secs(3600));
    let next = world.start().await;
    eventually("the group is gone", async || world.engine.groups().len() == 1).await;
    eventually("its record is, too", async || {
        next.status(&target()).await.unwrap().groups.len() == 1
    })
    .await;
}

#[tokio::test]
async fn at_most_one_release_is_kept_warm() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    for version in ["1", "2", "3"] {
        deploy(&orchestrator, version).await;
    }
    // Gone from the engine first, from the books a moment later.
    eventually("the oldest group is gone", async || {
        let running = orchestrator.status(&target()).await.unwrap();
        let names: Vec<&str> = running.groups.iter().map(|group| group.name.as_str()).collect();
        names == ["hello-prod-web-v003", "hello-prod-web-v002"]
    })
    .await;
    assert_eq!(world.engine.groups().len(), 2);
}

#[tokio::test]
async fn a_removal_is_asked_for_again_after_an_error() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"keepWarm": "0s"}"#);
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let error = EngineError::retry("answer");
    world.engine.inject(Operation::RemoveGroup, &Fault::Refuse(error), 3);
    deploy(&orchestrator, "2").await;
    eventually("the old group is gone", async || world.engine.groups().len() == 1).await;
}

#[tokio::test]
async fn a_removal_is_asked_for_again_of_an_engine_that_never_answered() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"keepWarm": "0s"}"#);
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    world.engine.inject(Operation::RemoveGroup, &Fault::Hang, 1);
    deploy(&orchestrator, "2").await;
    eventually("the old group is gone", async || world.engine.groups().len() == 1).await;
}

#[tokio::test]
async fn a_deployment_in_progress_keeps_what_it_may_count_on() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"keepWarm": "10s"}"#);
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    world.engine.inject(Operation::EnsureGroup, &Fault::Hang, 1);
    let ask = kiln_deploy::Ask::Deploy(crate::world::image("3"));
    orchestrator.begin(crate::world::request(ask)).await.unwrap();
    // Twice the time for which it is kept.
    world.clock.sleep(Duration::from_secs(20)).await;
    let running = orchestrator.status(&target()).await.unwrap();
    let warm = running.groups.iter().any(|group| group.state == GroupState::Warm);
    assert!(warm, "{:#?}", running.groups);
}
