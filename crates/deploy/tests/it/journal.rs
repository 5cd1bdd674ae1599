//! Journals that make no sense, and servers that come back.

use crate::world::{World, deploy, image, request, rest, target, why};
use kiln_deploy::{Ask, Error, Fuse, Request, Target};
use kiln_protocol::deployment::DeploymentState::{Completed, Stuck};
use kiln_store::journal::JournalRow;
use kiln_store::{deployments, journal};
use std::time::{Duration, Instant};

/// A deployment that was cut off, with one more record in its journal.
async fn cut_off(world: &World, event: &str) -> kiln_names::DeploymentId {
    let doomed = world.start_with(Fuse::at(4)).await;
    let id = doomed.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    assert!(!crate::harness::crash_or_rest(&doomed, id).await);
    doomed.halt();
    let mut write = world.db.write().await.unwrap();
    let number = deployments::get(&mut write, id).await.unwrap().unwrap().number;
    let seq = journal::read(&mut write, number).await.unwrap().len() as u64;
    let row = JournalRow { seq, at_ms: 0, event: event.to_owned() };
    journal::append(&mut write, number, &row).await.unwrap();
    write.commit().await.unwrap();
    id
}

async fn check(event: &str, expected: &str) {
    let world = World::new().await;
    let broken = cut_off(&world, event).await;
    let orchestrator = world.start().await;
    let list = orchestrator.deployments(None, None, 1).await.unwrap();
    assert_eq!((list[0].id, list[0].state), (broken, Stuck));
    let reason = list[0].reason.clone().unwrap();
    assert!(reason.contains(expected), "{reason}");
    let refused = orchestrator.undo(&target(), "bob").await.unwrap_err();
    assert!(matches!(refused, Error::Journal { .. }), "{refused:?}");
    // The others go on.
    let staging = Target { env: "staging".parse().unwrap(), ..target() };
    let other = Request { target: staging, ask: Ask::Deploy(image("1")), why: why() };
    let id = orchestrator.begin(other).await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
}

#[tokio::test]
async fn a_record_that_cannot_follow_leaves_one_deployment_stuck() {
    check(r#"{"event":"undone"}"#, "undone cannot follow running").await;
}

#[tokio::test]
async fn a_record_of_another_kiln_leaves_one_deployment_stuck() {
    check(r#"{"event":"levitated"}"#, "levitated").await;
}

#[tokio::test]
async fn the_next_server_goes_on_within_a_second() {
    let world = World::new().await;
    let first = world.start().await;
    deploy(&first, "1").await;
    first.halt();
    let doomed = world.start_with(Fuse::at(4)).await;
    let id = doomed.begin(request(Ask::Deploy(image("2")))).await.unwrap();
    assert!(!crate::harness::crash_or_rest(&doomed, id).await);
    doomed.halt();
    let began = Instant::now();
    let next = world.start().await;
    assert_eq!(rest(&next, id).await.summary.state, Completed);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
