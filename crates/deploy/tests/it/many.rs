//! Many deployments side by side, with the journal on disk.

use crate::world::{PATIENCE, PlainClock, World, note, why};
use kiln_deploy::{Ask, Deploy, Orchestrator, Request, Target};
use kiln_engine::sim::Pace;
use kiln_names::{DeploymentId, ImageRef};
use kiln_protocol::deployment::DeploymentState::Completed;
use std::sync::Arc;
use std::time::Instant;

/// How many applications there are, each with a deployment of its own.
const APPLICATIONS: usize = 200;

fn deploy(app: usize, version: &str) -> Request {
    let app = format!("app-{app}");
    let image = ImageRef::parse(&format!("{app}:{version}")).unwrap();
    let target = Target { app: app.parse().unwrap(), env: "prod".parse().unwrap() };
    let deploy = Deploy { image: Some(image), ..Deploy::default() };
    Request { target, ask: Ask::Deploy(deploy), why: why() }
}

/// All applications are deployed at once; returns when every deployment is completed.
async fn all(orchestrator: &Orchestrator, version: &str) {
    let mut begun: Vec<DeploymentId> = Vec::new();
    for app in 0..APPLICATIONS {
        begun.push(orchestrator.begin(deploy(app, version)).await.unwrap());
    }
    for id in begun {
        let rests = tokio::time::timeout(PATIENCE * 6, orchestrator.wait(id));
        let deployment = rests.await.expect("it comes to rest").unwrap();
        assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    }
}

/// First releases, then second ones beside them: what the disk, the one writer and the engine take.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_deployments_side_by_side_complete() {
    let world = World::with(Pace::Instant, Arc::new(PlainClock(Instant::now()))).await;
    // Images of no application in particular.
    world.library.images.lock().unwrap().values_mut().for_each(|(_, facts)| facts.app = None);
    let orchestrator = world.start().await;
    for version in ["1", "2"] {
        let began = Instant::now();
        all(&orchestrator, version).await;
        let took = began.elapsed().as_secs_f64();
        note(&format!("{APPLICATIONS} deployments of version {version}: {took:.1} s"));
    }
    assert_eq!(world.engine.groups().len(), 2 * APPLICATIONS, "the old groups are kept warm");
}
