//! The number of instances follows the load, or the clock.

use crate::world::{World, deploy, eventually, target};
use kiln_deploy::{ManualClock, Orchestrator};
use kiln_engine::Figures;
use kiln_engine::sim::{Fault, Operation, Pace};
use kiln_names::{Digest, GroupId};
use kiln_protocol::deployment::DeploymentState::Completed;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Requests that come at a rate which may change.
#[derive(Default)]
struct Load {
    requests: AtomicU64,
    counted_ms: AtomicU64,
}

impl Load {
    /// So many came in each second since this was last asked.
    fn comes(&self, world: &World, image: Digest, per_second: u64) {
        let now_ms = world.clock.now_ms();
        let since = now_ms - self.counted_ms.swap(now_ms, Ordering::Relaxed).min(now_ms);
        let more = if since > 60_000 { 0 } else { since * per_second };
        let requests = self.requests.fetch_add(more, Ordering::Relaxed) / 1000;
        let group = GroupId::from_random([0; 4]);
        world.engine.count(image, Figures { group, by: 0, requests, failed: 0, times: Vec::new() });
    }
}

async fn size(orchestrator: &Orchestrator) -> u32 {
    let groups = orchestrator.status(&target()).await.unwrap().groups;
    groups.iter().find(|group| group.weight == Some(100)).map_or(0, |group| group.size)
}

#[tokio::test]
async fn more_requests_bring_more_instances_which_the_next_release_has_too() {
    let world = World::new().await;
    let params = r#"{"max": 6, "scale": {"requests": 10, "scaleInAfter": "30s"}}"#;
    world.configure("{}", "[]", params);
    let (first, second) = (world.bake("one", &["web"]), world.bake("two", &["web"]));
    let orchestrator = world.start().await;
    deploy(&orchestrator, "one").await;
    assert_eq!(size(&orchestrator).await, 2);
    let load = Load::default();
    // A machine that is busy lets requests come in heaps: there may be more for a while.
    eventually("there are four or more", async || {
        load.comes(&world, first, 40);
        size(&orchestrator).await >= 4
    })
    .await;
    let newest = &orchestrator.deployments(None, None, 1).await.unwrap()[0];
    assert_eq!((newest.verb.as_str(), newest.who.as_str()), ("resize", "kiln"));
    assert!(newest.message.contains("requests a second, and 10 is the target"), "{newest:?}");
    let mut deployment = deploy(&orchestrator, "two").await;
    while deployment.summary.state != Completed {
        deployment = deploy(&orchestrator, "two").await;
    }
    assert!(size(&orchestrator).await >= 4, "the next release has as many");
    let load = Load::default();
    eventually("two are enough", async || {
        load.comes(&world, second, 5);
        size(&orchestrator).await == 2
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_never_answered_is_asked_for_the_load_again() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"max": 6, "scale": {"requests": 10}}"#);
    let image = world.bake("one", &["web"]);
    let orchestrator = world.start().await;
    world.engine.inject(Operation::Figures, &Fault::Hang, 1);
    deploy(&orchestrator, "one").await;
    let load = Load::default();
    eventually("there are four or more", async || {
        load.comes(&world, image, 40);
        size(&orchestrator).await >= 4
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_measured_changes_nothing() {
    let world = World::new().await;
    let params = r#"{"max": 6, "scale": {"cpu": 50}}"#;
    world.configure("{}", "[]", params);
    world.bake("one", &["web"]);
    let orchestrator = world.start().await;
    deploy(&orchestrator, "one").await;
    // Ten looks: this engine tells nothing of processors.
    world.clock.sleep(Duration::from_secs(50)).await;
    assert_eq!(size(&orchestrator).await, 2);
    assert_eq!(orchestrator.deployments(None, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_size_follows_the_clock() {
    // Monday the 4th of January 2027, a minute before seven.
    let clock = Arc::new(ManualClock::at(1_799_020_800_000 + 419 * 60_000));
    let world = World::with(Pace::Instant, clock.clone()).await;
    let schedule =
        r#"{"schedule": [{"at": "mon-fri 07:00", "min": 6}, {"at": "20:00", "min": 3}]}"#;
    world.configure("{}", "[]", schedule);
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    assert_eq!(size(&orchestrator).await, 3, "as many as by that time");
    clock.advance(Duration::from_secs(61));
    eventually("the day has begun", async || {
        clock.advance(Duration::from_secs(6));
        size(&orchestrator).await == 6
    })
    .await;
    let newest = &orchestrator.deployments(None, None, 1).await.unwrap()[0];
    assert_eq!(newest.message, "web to 6: the schedule asks for 6 from mon-fri 07:00 on");
    deploy(&orchestrator, "2").await;
    assert_eq!(size(&orchestrator).await, 6, "the next release has as many");
}
