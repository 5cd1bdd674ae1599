//! Taking one instance down: out of the table, requests in flight to their end, then the signal.

use crate::Birth;
use crate::inner::Inner;
use crate::model::Phase;
use kiln_names::InstanceId;
use std::sync::Arc;
use std::time::Duration;

/// Drains and stops an instance; its life's own task sees it end.
pub(crate) async fn drain(inner: Arc<Inner>, id: InstanceId, stopped_for: Option<String>) {
    let Some(timeout) = mark(&inner, id, stopped_for) else { return };
    let without = inner.link.touch();
    inner.changed();
    inner.in_force(without).await;
    let drained = in_flight_gone(&inner, id, without);
    if tokio::time::timeout(timeout, drained).await.is_err() {
        tracing::warn!(instance = %id, "requests were still in flight at the drain deadline");
    }
    stop(&inner, id).await;
}

/// Marks it as draining, once; answers how long its requests may take.
fn mark(inner: &Inner, id: InstanceId, stopped_for: Option<String>) -> Option<Duration> {
    let mut model = inner.model();
    let (spec, instance) = model.live(id)?;
    if instance.phase == Phase::Draining {
        return None;
    }
    instance.phase = Phase::Draining;
    instance.healthy_since = None;
    instance.stopped_for = stopped_for;
    Some(spec.params.drain_timeout.get())
}

/// Waits until the router, carrying a table without the instance, has no request for it any more.
async fn in_flight_gone(inner: &Inner, id: InstanceId, without: u64) {
    let mut changes = inner.subscribe();
    let number = inner.link.number(without);
    loop {
        changes.borrow_and_update();
        {
            let model = inner.model();
            let in_flight = model.router.instances.get(&id).is_some_and(|said| said.in_flight > 0);
            if model.router.number >= number && !in_flight {
                return;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Asks the runtime to stop it.
async fn stop(inner: &Inner, id: InstanceId) {
    if let Some(birth) = started(inner, id).await {
        inner.runtime.stop(&birth).await;
    }
}

/// Waits until it runs, however long its launch takes: nobody else would stop it. None once it has
/// ended.
async fn started(inner: &Inner, id: InstanceId) -> Option<Birth> {
    let mut changes = inner.subscribe();
    loop {
        changes.borrow_and_update();
        let (birth, started) = inner.model().birth(id)?;
        if started {
            return Some(birth);
        }
        changes.changed().await.ok()?;
    }
}
