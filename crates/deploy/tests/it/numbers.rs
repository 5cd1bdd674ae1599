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
        orchestrator.deployments(Some((&app, Some(&env))), 20).await.unwrap();
        orchestrator.deployments(None, 20).await.unwrap();
        orchestrator.status(&target()).await.unwrap();
    }
    assert!(began.elapsed().as_millis() < 1_000, "{:?} for 20 rounds", began.elapsed());
}
