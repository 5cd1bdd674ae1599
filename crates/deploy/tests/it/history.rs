//! Long histories: what stays of a deployment that ended long ago.

use crate::world::{World, deploy, image, request, rest};
use futures_util::StreamExt as _;
use kiln_deploy::{Ask, Progress};
use kiln_protocol::deployment::DeploymentState::Completed;

/// Deployments that keep their journals, of one application in one environment.
const KEPT: usize = 50;

#[tokio::test]
async fn an_old_deployment_gives_its_journal_away_and_still_tells_what_it_did() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let first = deploy(&orchestrator, "1").await;
    let refused = orchestrator.begin(request(Ask::Deploy(image("99")))).await.unwrap();
    let refused = rest(&orchestrator, refused).await;
    for n in 0..KEPT {
        deploy(&orchestrator, if n % 2 == 0 { "2" } else { "1" }).await;
    }
    assert_eq!(orchestrator.compact().await.unwrap(), 2);
    assert_eq!(orchestrator.compact().await.unwrap(), 0, "once is enough");

    let now = orchestrator.deployment(first.summary.id).await.unwrap();
    assert!(now.journal.is_empty() && now.plan.is_none());
    assert_eq!((&now.summary, &now.actions), (&first.summary, &first.actions));
    assert_eq!((now.from, &now.differences, now.seq), (first.from, &first.differences, first.seq));
    let now = orchestrator.deployment(refused.summary.id).await.unwrap();
    assert_eq!((now.summary, now.failure), (refused.summary, refused.failure));

    let told = orchestrator.subscribe(first.summary.id, 0).await.unwrap();
    let told: Vec<_> = told.map(|event| event.what).collect().await;
    assert_eq!(told, [Progress::State { state: Completed, reason: None }]);
}

#[tokio::test]
async fn deployments_are_listed_page_by_page() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let mut ids = Vec::new();
    for version in ["1", "2", "1"] {
        ids.insert(0, deploy(&orchestrator, version).await.summary.id);
    }
    let first = orchestrator.deployments(None, None, 2).await.unwrap();
    assert_eq!(first.iter().map(|it| it.id).collect::<Vec<_>>(), ids[..2]);
    let rest = orchestrator.deployments(None, Some(ids[1]), 2).await.unwrap();
    assert_eq!(rest.iter().map(|it| it.id).collect::<Vec<_>>(), ids[2..]);
}
