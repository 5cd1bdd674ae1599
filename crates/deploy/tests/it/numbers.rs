//! What a deployment may cost.

use crate::harness::CASES;
use crate::world::{World, deploy, finish, target};
use kiln_deploy::Fuse;
use kiln_deploy::ports::Ids;
use kiln_protocol::deployment::DeploymentState::Completed;
use kiln_store::deployments::{NewDeployment, StateChange, begin, set_state};
use std::time::Instant;

/// Far more than any deployment burns.
const LONG: i64 = 1_000_000;

#[tokio::test]
async fn no_deployment_commits_more_than_thirty_times() {
    for case in CASES {
        let world = case.world().await;
        let fuse = Fuse::at(LONG);
        let orchestrator = world.start_with(fuse.clone()).await;
        finish(&orchestrator, case.ask()).await;
        // Two notches a commit; the request itself is one more commit, without a notch.
        let commits = (LONG - fuse.left().unwrap()) / 2 + 1;
        assert!((3..=30).contains(&commits), "{case:?}: {commits} commits");
    }
}

#[tokio::test]
async fn lists_and_status_stay_quick_with_many_deployments() {
    let world = World::new().await;
    let mut write = world.db.write().await.unwrap();
    for at_ms in 0..20_000 {
        let new = NewDeployment {
            id: world.library.deployment(),
            app: target().app,
            env: target().env,
            verb: "deploy".to_owned(),
            who: "ann".to_owned(),
            message: String::new(),
            state: "running".to_owned(),
            started_ms: at_ms,
        };
        let number = begin(&mut write, &new).await.unwrap();
        let ended =
            StateChange { state: "completed", reason: None, locks: false, ended: true, at_ms };
        set_state(&mut write, number, ended).await.unwrap();
    }
    write.commit().await.unwrap();
    let orchestrator = world.start().await;
    assert_eq!(deploy(&orchestrator, "1").await.summary.state, Completed);
    let began = Instant::now();
    for _ in 0..20 {
        let app = target().app;
        let env = target().env;
        orchestrator.deployments(Some((&app, Some(&env))), None, 20).await.unwrap();
        orchestrator.deployments(None, None, 20).await.unwrap();
        orchestrator.status(&target()).await.unwrap();
    }
    assert!(began.elapsed().as_millis() < 1_000, "{:?} for 20 rounds", began.elapsed());
}

/// The overhead that is Kiln's own: nothing here takes time but deciding and writing. The bound is
/// ten times what a disk that syncs in a millisecond needs, so that only a wait that should not be
/// there breaks it.
#[tokio::test]
async fn a_deployment_waits_for_nothing_but_its_instances() {
    let clock = std::sync::Arc::new(crate::world::PlainClock(Instant::now()));
    let world = World::with(kiln_engine::sim::Pace::Instant, clock).await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let mut times = Vec::new();
    for version in ["2", "3", "2", "3", "2"] {
        let began = Instant::now();
        assert_eq!(deploy(&orchestrator, version).await.summary.state, Completed);
        let deployed = began.elapsed();
        let began = Instant::now();
        let back = finish(&orchestrator, kiln_deploy::Ask::Rollback { to: None }).await;
        assert_eq!(back.summary.state, Completed);
        times.push((deployed, began.elapsed()));
    }
    let fastest = times.iter().map(|(deploy, _)| deploy).min().unwrap();
    assert!(fastest.as_millis() < 200, "deployments took {times:?}");
    let fastest = times.iter().map(|(_, back)| back).min().unwrap();
    assert!(fastest.as_millis() < 100, "rollbacks took {times:?}");
}
