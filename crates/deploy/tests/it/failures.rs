//! What goes wrong, and what people are told.

use crate::world::{World, deploy, eventually, finish, image, request, rest, target};
use kiln_deploy::{Ask, Deploy};
use kiln_engine::sim::{Behaviour, Fault, Operation, Pace};
use kiln_engine::{Call, EngineError, Traffic};
use kiln_protocol::deployment::DeploymentState::{Completed, Stuck, Undone};
use std::sync::Arc;
use std::time::Instant;

#[tokio::test]
async fn a_crash_loop_fails_fast_and_shows_the_log() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let bad = world.bake("bad", &["web"]);
    world.engine.behave(bad, Behaviour::Crash { code: 3, says: "no such table: users".to_owned() });
    let began = Instant::now();
    let deployment = deploy(&orchestrator, "bad").await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");
    assert!(began.elapsed().as_millis() < 600, "that is a minute on this clock");
    let (action, failure) = deployment.failure.unwrap();
    assert_eq!(action, "await-exist");
    let reason = "hello-prod-web-v002 is in a crash loop: 3 exits, the last one exited with code 3";
    assert_eq!(failure.reason, reason);
    assert_eq!(failure.exit.as_deref(), Some("exited with code 3"));
    assert_eq!(failure.log, ["no such table: users"]);
    assert!(failure.instance.is_some());
    assert_eq!(world.serving(&orchestrator).await, ["hello-prod-web-v001"]);
    assert_eq!(world.engine.groups().len(), 1, "the broken group is gone");
    world.assert_always_served();
}

#[tokio::test]
async fn a_check_that_never_passes_ends_at_the_deadline_with_its_last_answer() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"startupCheck": {"timeout": "1s"}}"#);
    let orchestrator = world.start().await;
    let bad = world.bake("bad", &["web"]);
    world.engine.behave(bad, Behaviour::NeverHealthy { last_check: "503 warming up".to_owned() });
    let deployment = deploy(&orchestrator, "bad").await;
    assert_eq!(deployment.summary.state, Undone);
    let (action, failure) = deployment.failure.unwrap();
    assert_eq!(action, "await-startup");
    let reason = "91s passed, waiting for hello-prod-web-v001: 0 of 2 instances healthy";
    assert_eq!(failure.reason, reason);
    assert_eq!(failure.last_check.as_deref(), Some("503 warming up"));
}

#[tokio::test]
async fn a_failure_under_hold_touches_nothing_and_waits_for_a_person() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let bad = world.bake("bad", &["web"]);
    world.engine.behave(bad, Behaviour::Crash { code: 1, says: "no".to_owned() });
    let ask = Ask::Deploy(Deploy { hold: true, ..image("bad") });
    let deployment = finish(&orchestrator, ask).await;
    assert_eq!(deployment.summary.state, Stuck);
    let hint = "kiln retry hello prod goes on, kiln undo hello prod takes it back";
    assert_eq!(deployment.hint.as_deref(), Some(hint));
    assert_eq!(world.engine.groups().len(), 2, "the broken group is there to be looked at");
    let id = orchestrator.undo(&target(), "bob").await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Undone);
    assert_eq!(world.engine.groups().len(), 1);
}

#[tokio::test]
async fn a_person_can_mend_the_cause_and_retry() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let refused = Fault::Refuse(EngineError::permanent("make the group: quota"));
    world.engine.inject(Operation::EnsureGroup, &refused, 1);
    let stuck = finish(&orchestrator, Ask::Deploy(Deploy { hold: true, ..image("1") })).await;
    let reason = "ensure-groups failed: the engine failed to make the group: quota";
    assert_eq!(stuck.summary.reason.as_deref(), Some(reason));
    let id = orchestrator.retry(&target(), "bob").await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
}

#[tokio::test]
async fn a_newer_caller_leaves_the_deployment_stuck() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let other = Call { epoch: 1_000 };
    let seen = Traffic::observe(&*world.engine, &target().app, &target().env).await.unwrap();
    world.engine.apply(other, &seen.state, seen.version).await.unwrap();
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Stuck, "{deployment:#?}");
    let reason = deployment.summary.reason.unwrap();
    assert!(reason.contains("epoch 2 is older than 1000"), "{reason}");
}

#[tokio::test]
async fn traffic_that_somebody_else_changed_is_reported_and_not_overwritten() {
    let world = World::with(Pace::Stepped, World::new().await.clock.clone()).await;
    let orchestrator = world.start().await;
    let id = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    eventually("it waits for the router", async || {
        world.engine.step();
        !world.engine.weights(&target().app, &target().env).is_empty()
            || orchestrator.deployment(id).await.unwrap().summary.state == Completed
    })
    .await;
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
    // From here on somebody else takes the requests away in the middle of a deployment.
    let id = orchestrator.begin(request(Ask::Deploy(image("2")))).await.unwrap();
    eventually("the new group is checked", async || {
        let seen = Traffic::observe(&*world.engine, &target().app, &target().env).await.unwrap();
        seen.groups.len() == 2
    })
    .await;
    let mut seen = Traffic::observe(&*world.engine, &target().app, &target().env).await.unwrap();
    seen.state.clusters.clear();
    world.engine.apply(Call { epoch: 2 }, &seen.state, seen.version).await.unwrap();
    // The router sees no group any more, so the wait for it would end at its deadline; the
    // interference shows first where the traffic is written.
    let steps = async {
        loop {
            world.engine.step();
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let deployment = tokio::select! {
        deployment = rest(&orchestrator, id) => deployment,
        () = steps => unreachable!("the steps do not end"),
    };
    assert_eq!(deployment.summary.state, Stuck, "{deployment:#?}");
    let reason = deployment.summary.reason.unwrap();
    assert!(reason.contains("somebody else changed it"), "{reason}");
    assert_eq!(world.engine.weights(&target().app, &target().env), [], "left as it was found");
}

#[tokio::test]
async fn the_old_groups_health_is_no_condition() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let old = world.library.images.lock().unwrap()["1"].0;
    world.engine.behave(old, Behaviour::Crash { code: 1, says: "broken".to_owned() });
    let instances = world.seen().await.groups.remove(0).instances;
    instances.iter().for_each(|instance| world.engine.kill(instance.id));
    assert_eq!(world.seen().await.groups[0].healthy(), 0);
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
}

#[tokio::test]
async fn a_regression_in_the_watch_gives_the_traffic_back() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"watch": "100s"}"#);
    let orchestrator = Arc::new(world.start().await);
    let first = deploy(&orchestrator, "1").await;
    assert_eq!(first.summary.state, Completed, "{first:#?}");
    let id = orchestrator.begin(request(Ask::Deploy(image("2")))).await.unwrap();
    eventually("it watches", async || {
        world.serving(&orchestrator).await == ["hello-prod-web-v002"]
    })
    .await;
    let new = world.library.images.lock().unwrap()["2"].0;
    world.engine.behave(new, Behaviour::Crash { code: 9, says: "leaked".to_owned() });
    let seen = world.seen().await;
    let instances = seen.groups.iter().flat_map(|group| &group.instances);
    instances.clone().last().into_iter().for_each(|i| world.engine.kill(i.id));
    let deployment = rest(&orchestrator, id).await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");
    assert_eq!(deployment.failure.unwrap().0, "watch");
    assert_eq!(world.serving(&orchestrator).await, ["hello-prod-web-v001"]);
}

#[tokio::test]
async fn an_engine_that_does_not_answer_runs_into_the_deadline() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    world.engine.inject(Operation::ResizeGroup, &Fault::Hang, 1);
    let deployment = deploy(&orchestrator, "1").await;
    assert_eq!(deployment.summary.state, Undone);
    let (action, failure) = deployment.failure.unwrap();
    assert_eq!(action, "resize-groups");
    assert_eq!(failure.reason, "no answer of the engine within 60s");
    assert_eq!(world.engine.groups(), []);
}

#[tokio::test]
async fn a_throttled_engine_is_asked_again() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let throttled = Fault::Refuse(EngineError::retry("answer: throttled"));
    world.engine.inject(Operation::ResizeGroup, &throttled, 5);
    assert_eq!(deploy(&orchestrator, "1").await.summary.state, Completed);
}

#[tokio::test]
async fn an_undo_that_fails_waits_for_a_person_and_can_be_retried() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let refuse = Fault::Refuse(EngineError::permanent("do it: a bug"));
    world.engine.inject(Operation::ResizeGroup, &refuse, 1);
    world.engine.inject(Operation::RemoveGroup, &refuse, 1);
    let stuck = deploy(&orchestrator, "2").await;
    assert_eq!(stuck.summary.state, Stuck, "{stuck:#?}");
    let reason = "remove-groups failed: the engine failed to do it: a bug";
    assert_eq!(stuck.summary.reason.as_deref(), Some(reason));
    assert_eq!(stuck.hint.as_deref(), Some("kiln retry hello prod goes on with the undo"));
    let id = orchestrator.retry(&target(), "bob").await.unwrap();
    let undone = rest(&orchestrator, id).await;
    assert_eq!(undone.summary.state, Undone);
    let reason = "resize-groups failed: the engine failed to do it: a bug";
    assert_eq!(undone.summary.reason.as_deref(), Some(reason), "why it was undone at all");
    assert_eq!(world.engine.groups().len(), 1);
    world.assert_always_served();
}

/// The groups that it removed cannot be given traffic again.
#[tokio::test]
async fn an_undo_that_is_asked_for_again_goes_on_where_it_stopped() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let refuse = Fault::Refuse(EngineError::permanent("do it: a bug"));
    world.engine.inject_after(Operation::ApplyTraffic, 1, &refuse);
    // The undo looks once whether what it removed is gone, and is stopped there.
    world.engine.inject(Operation::RemoveGroup, &Fault::LoseReply(EngineError::permanent("x")), 1);
    let stuck = deploy(&orchestrator, "2").await;
    assert_eq!(stuck.summary.state, Stuck, "{stuck:#?}");
    assert_eq!(world.engine.groups().len(), 1, "the new group is removed");
    let id = orchestrator.undo(&target(), "bob").await.unwrap();
    let undone = rest(&orchestrator, id).await;
    assert_eq!(undone.summary.state, Undone, "{undone:#?}");
    world.assert_always_served();
}

/// The traffic names groups that were only checked, and went since then.
#[tokio::test]
async fn what_takes_all_away_is_undone_although_the_traffic_names_a_group_that_is_gone() {
    let highlander = r#"{"keepWarm": "0s", "strategy": {"type": "highlander"}}"#;
    for (params, ask) in [("{}", Ask::Stop), (highlander, Ask::Deploy(image("3")))] {
        let world = World::new().await;
        world.configure("{}", "[]", r#"{"keepWarm": "0s"}"#);
        let orchestrator = world.start().await;
        deploy(&orchestrator, "1").await;
        deploy(&orchestrator, "2").await;
        eventually("the first group is gone", async || world.engine.groups().len() == 1).await;
        world.configure("{}", "[]", params);
        let refuse = Fault::Refuse(EngineError::permanent("do it: a bug"));
        world.engine.inject(Operation::RemoveGroup, &refuse, 1);
        let stopped = finish(&orchestrator, ask.clone()).await;
        if stopped.summary.state == Stuck {
            orchestrator.undo(&target(), "bob").await.unwrap();
        }
        let undone = rest(&orchestrator, stopped.summary.id).await;
        assert_eq!(undone.summary.state, Undone, "{ask:?}: {undone:#?}");
        assert_eq!(world.serving(&orchestrator).await, ["hello-prod-web-v002"]);
    }
}
