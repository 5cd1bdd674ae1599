//! What watchers are told: the same, whether they came early or late.

use crate::world::{World, image, request, rest};
use futures_util::StreamExt;
use kiln_deploy::{Ask, Progress, ProgressEvent};
use kiln_protocol::deployment::DeploymentState;

#[tokio::test]
async fn a_late_watcher_hears_what_an_early_one_heard() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let id = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    let early: Vec<ProgressEvent> = orchestrator.subscribe(id, 0).await.unwrap().collect().await;
    rest(&orchestrator, id).await;
    let late: Vec<ProgressEvent> = orchestrator.subscribe(id, 0).await.unwrap().collect().await;
    let journaled = |event: &ProgressEvent| !matches!(event.what, Progress::ActionWaiting { .. });
    let early: Vec<ProgressEvent> = early.into_iter().filter(journaled).collect();
    assert_eq!(early, late);
    let last = late.last().unwrap();
    let state = DeploymentState::Completed;
    assert_eq!(last.what, Progress::State { state, reason: None });
    let middle = late[late.len() / 2].seq;
    let rest: Vec<ProgressEvent> =
        orchestrator.subscribe(id, middle).await.unwrap().collect().await;
    assert!(rest.iter().all(|event| event.seq >= middle));
    assert_eq!(rest.last(), late.last());
}

#[tokio::test]
async fn every_step_and_action_is_told_in_order() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let id = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    rest(&orchestrator, id).await;
    let events: Vec<ProgressEvent> = orchestrator.subscribe(id, 0).await.unwrap().collect().await;
    let words: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.what {
            Progress::Prepared { step, .. } => Some(step.clone()),
            Progress::ActionDone { action, .. } => Some(action.clone()),
            Progress::State { state, .. } => Some(state.to_string().to_uppercase()),
            _ => None,
        })
        .collect();
    expect_test::expect![[r#"
        PREPARING
        validate request
        read metadata
        check not blocked
        read groups
        choose release
        pin commit
        read configuration
        resolve image
        verify image
        check image
        check embargo
        check architecture
        check configuration
        pin secrets
        check hooks
        choose names
        render specs
        claim routes
        check strategy
        check capacity
        compute differences
        seal plan
        RUNNING
        claim-routes
        announce
        ensure-image
        ensure-groups
        apply-traffic
        resize-groups
        await-exist
        await-started
        await-startup
        await-stable
        await-routed
        apply-traffic
        await-in-force
        retire-groups
        record-release
        free-routes
        announce
        COMPLETED"#]]
    .assert_eq(&words.join("\n"));
}
