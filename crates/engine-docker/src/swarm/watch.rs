//! Keeps looking at the tasks of a Swarm, which tells of no changes to them.

use super::{nodes, read, services, tasks};
use crate::inner::Inner;
use crate::single;
use crate::trouble::Trouble;
use bollard::models::ContainerSummaryStateEnum as ContainerState;
use kiln_names::InstanceId;
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How often is looked at least while something starts or stops.
const MOVING: Duration = Duration::from_millis(15);
/// A look that takes its time is followed by so many times that, so that looking stays cheap.
const REST: u32 = 4;
/// How often is looked otherwise.
const RESTING: Duration = Duration::from_secs(1);

/// Watches for as long as somebody else holds the runtime.
pub(crate) async fn watch(inner: Weak<Inner>) {
    let mut down = false;
    while let Some(inner) = inner.upgrade() {
        let began = Instant::now();
        let mut looked = look(&inner).await;
        let took = began.elapsed();
        if down && looked.is_ok() {
            looked = super::tidy(&inner).await;
        }
        match &looked {
            Ok(()) if std::mem::take(&mut down) => {
                tracing::info!(env = %inner.owner.env, "the Swarm answers again");
            }
            Err(trouble) if !down => {
                tracing::warn!(env = %inner.owner.env, error = trouble.words(), "lost a Swarm");
                down = true;
            }
            Ok(()) | Err(_) => {}
        }
        rest(inner, looked.is_ok(), MOVING.max(took * REST)).await;
    }
}

async fn rest(inner: Arc<Inner>, well: bool, moving: Duration) {
    if well && inner.is_moving() {
        return tokio::time::sleep(moving).await;
    }
    tokio::select! {
        () = inner.look.notified() => tokio::time::sleep(moving).await,
        () = tokio::time::sleep(RESTING) => {}
    }
}

/// The instances whose containers run on the node that is asked here. A node tells the Swarm of them up
/// to half a second later.
async fn started(inner: &Inner) -> Result<HashSet<InstanceId>, Trouble> {
    let containers = single::list(inner).await?.into_iter();
    let running = containers.filter(|found| found.state == Some(ContainerState::RUNNING));
    Ok(running.filter_map(|found| inner.owner.instance(found.labels.as_ref())).collect())
}

/// One look at everything.
pub(crate) async fn look(inner: &Inner) -> Result<(), Trouble> {
    let began = inner.sight.begin();
    let services = services(inner).await?;
    let tasks = if services.is_empty() { Vec::new() } else { tasks(inner).await? };
    let places = if tasks.is_empty() { read::Places::new() } else { nodes::places(inner).await? };
    let running =
        if tasks.iter().any(read::starts) { started(inner).await? } else { HashSet::new() };
    inner.looked(began, read::all(&inner.owner, &services, &tasks, &places, &running));
    if let Some(known) = inner.unswept() {
        let swept = super::sweep(inner, &known).await;
        if swept.is_err() {
            inner.sweep_later(known);
        }
        swept?;
    }
    Ok(())
}
