//! Abort bites anywhere; every verb works or says what would.

use crate::world::{World, deploy, eventually, image, request, rest, target};
use kiln_deploy::{Ask, Error};
use kiln_engine::sim::{Fault, Operation, Pace};
use kiln_protocol::deployment::DeploymentState;
use kiln_protocol::deployment::DeploymentState::{Completed, Invalid, Stuck, Undone};
use kiln_store::audit::By;
use kiln_store::lock::{self, LockRow};

#[tokio::test]
async fn an_abort_bites_inside_a_wait() {
    let world = World::with(Pace::Stepped, World::new().await.clock.clone()).await;
    let orchestrator = world.start().await;
    let id = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    eventually("the group is there", async || !world.engine.groups().is_empty()).await;
    assert_eq!(orchestrator.abort(&target(), "bob").await.unwrap(), id);
    let deployment = rest(&orchestrator, id).await;
    assert_eq!(deployment.summary.state, Stuck);
    assert_eq!(deployment.summary.reason.as_deref(), Some("aborted by bob"));
}

#[tokio::test]
async fn an_abort_bites_inside_a_call_that_hangs() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    world.engine.inject(Operation::EnsureGroup, &Fault::Hang, 1);
    let id = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    eventually("the call hangs", async || world.engine.calls().contains(&Operation::EnsureGroup))
        .await;
    orchestrator.abort(&target(), "bob").await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Stuck);
    orchestrator.retry(&target(), "bob").await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
}

#[tokio::test]
async fn an_abort_while_it_prepares_makes_it_invalid() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    world.engine.inject(Operation::Observe, &Fault::Hang, 1);
    let id = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    eventually("it looks", async || world.engine.calls().contains(&Operation::Observe)).await;
    orchestrator.abort(&target(), "bob").await.unwrap();
    let deployment = rest(&orchestrator, id).await;
    assert_eq!(deployment.summary.state, Invalid);
    assert_eq!(deployment.summary.reason.as_deref(), Some("aborted by bob"));
    assert_eq!(deploy(&orchestrator, "1").await.summary.state, Completed, "the lock is free");
}

#[tokio::test]
async fn a_preparation_that_gets_no_answer_ends_and_frees_the_lock() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    world.engine.inject(Operation::Observe, &Fault::Hang, 1);
    let deployment = deploy(&orchestrator, "1").await;
    assert_eq!(deployment.summary.state, Invalid);
    let why = "no answer within 120s after \"check not blocked\"";
    assert_eq!(deployment.summary.reason.as_deref(), Some(why));
    assert_eq!(deploy(&orchestrator, "1").await.summary.state, Completed);
}

#[tokio::test]
async fn an_undo_of_a_running_deployment_takes_it_back() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"watch": "300s"}"#);
    let orchestrator = world.start().await;
    let first = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    eventually("it watches", async || !world.serving(&orchestrator).await.is_empty()).await;
    orchestrator.undo(&target(), "bob").await.unwrap();
    let deployment = rest(&orchestrator, first).await;
    assert_eq!(deployment.summary.state, Undone);
    assert_eq!(deployment.summary.reason.as_deref(), Some("undone by bob"));
    assert_eq!(world.engine.groups(), []);
}

#[tokio::test]
async fn verbs_that_cannot_work_say_what_would() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let nothing = orchestrator.undo(&target(), "bob").await.unwrap_err();
    assert_eq!(nothing.to_string(), "undo hello in prod: no deployment of it is in progress");
    world.engine.inject(Operation::EnsureGroup, &Fault::Hang, 1);
    let id = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    eventually("the call hangs", async || world.engine.calls().contains(&Operation::EnsureGroup))
        .await;
    let running = orchestrator.retry(&target(), "bob").await.unwrap_err();
    let expected = "the deploy is running: it goes on; abort stops it, undo takes it back";
    assert_eq!(running.to_string(), expected);
    orchestrator.abort(&target(), "bob").await.unwrap();
    rest(&orchestrator, id).await;
    let stuck = orchestrator.abort(&target(), "bob").await.unwrap_err();
    assert!(matches!(stuck, Error::NotNow(_)));
    let expected = "the deploy is stuck: nothing of it goes on; retry goes on, undo takes it back";
    assert_eq!(stuck.to_string(), expected);
}

#[tokio::test]
async fn a_pause_takes_effect_after_the_action_in_flight() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    world.engine.inject(Operation::EnsureGroup, &Fault::Hang, 1);
    let id = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    eventually("the call hangs", async || world.engine.calls().contains(&Operation::EnsureGroup))
        .await;
    orchestrator.pause(&target(), "bob").await.unwrap();
    // The pause drops the call in flight, and the action runs again: it is idempotent.
    let state = async || orchestrator.deployment(id).await.unwrap().summary.state;
    eventually("it is paused", async || state().await == DeploymentState::Paused).await;
    assert_eq!(world.engine.groups().len(), 1, "the action in flight ended");
    // A pause outlives the server.
    orchestrator.halt();
    let next = world.start().await;
    assert_eq!(next.deployment(id).await.unwrap().summary.state, DeploymentState::Paused);
    next.resume(&target(), "bob").await.unwrap();
    assert_eq!(rest(&next, id).await.summary.state, Completed);
}

#[tokio::test]
async fn a_deployment_waits_for_a_person_where_the_configuration_says() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let pauses = r#"{"pauseAfterInstancesHealthy": true, "pauseBeforeOldRemoved": true}"#;
    world.configure("{}", "[]", pauses);
    let id = orchestrator.begin(request(Ask::Deploy(image("2")))).await.unwrap();
    let paused = async || orchestrator.deployment(id).await.unwrap().summary;
    eventually("it waits", async || paused().await.state == DeploymentState::Paused).await;
    let why = "it waits before the traffic moves. Does it greet?";
    assert_eq!(paused().await.reason.as_deref(), Some(why));
    let before = orchestrator.status(&target()).await.unwrap();
    assert_eq!(before.groups[1].weight, Some(100), "the old group has the traffic");
    // A wait outlives the server.
    orchestrator.halt();
    let orchestrator = world.start().await;
    orchestrator.resume(&target(), "bob").await.unwrap();
    let paused = async || orchestrator.deployment(id).await.unwrap();
    eventually("it waits again", async || {
        let summary = paused().await.summary;
        summary.reason.is_some_and(|why| why.contains("before the old groups are given up"))
    })
    .await;
    let moved = orchestrator.status(&target()).await.unwrap();
    assert_eq!(moved.groups[0].weight, Some(100), "the new group has the traffic");
    let actions = paused().await.actions;
    let first = actions.iter().find(|action| action.name == "pause").unwrap();
    assert_eq!(first.note.as_deref(), Some("resumed by bob"));
    orchestrator.undo(&target(), "bob").await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Undone);
    let after = orchestrator.status(&target()).await.unwrap();
    assert_eq!(after.groups[0].weight, Some(100), "the old group has the traffic again");
}

#[tokio::test]
async fn a_rollback_waits_for_nobody() {
    let world = World::new().await;
    let pauses = r#"{"pauseAfterInstancesHealthy": true, "pauseBeforeOldRemoved": true}"#;
    world.configure("{}", "[]", pauses);
    let orchestrator = world.start().await;
    for version in ["1", "2"] {
        let id = orchestrator.begin(request(Ask::Deploy(image(version)))).await.unwrap();
        for _ in 0..2 {
            let state = async || orchestrator.deployment(id).await.unwrap().summary.state;
            eventually("it waits", async || state().await == DeploymentState::Paused).await;
            orchestrator.resume(&target(), "bob").await.unwrap();
        }
        assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
    }
    let id = orchestrator.begin(request(Ask::Rollback { to: None })).await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
}

#[tokio::test]
async fn nothing_begins_while_everything_is_locked() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let by = By { who: "ann".to_owned(), at_ms: 7 };
    let held = LockRow { by: by.clone(), message: "the database moves".to_owned() };
    let mut write = world.db.write().await.unwrap();
    lock::take(&mut write, &held).await.unwrap();
    write.commit().await.unwrap();
    let refused = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap_err();
    let expected = "deploy hello in prod: ann locked everything: the database moves";
    assert_eq!(refused.to_string(), expected);
    let mut write = world.db.write().await.unwrap();
    lock::release(&mut write, &by).await.unwrap();
    write.commit().await.unwrap();
    deploy(&orchestrator, "1").await;
}
