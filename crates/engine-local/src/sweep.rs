//! Removing what no row of the database answers for.

use crate::inner::Inner;
use crate::runtime::blocking;
use kiln_container::Adopted;
use kiln_names::InstanceId;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How long the shim of a stray instance may take to end once it was asked to kill.
const STRAY_ENDS: Duration = Duration::from_secs(5);

/// Removes runs and steps of bakes that the server before was watching, and what a crash between two
/// steps of a launch or of a cleaning leaves.
pub(crate) async fn all(inner: &Arc<Inner>, known: &HashSet<InstanceId>) {
    let machine = &inner.machine;
    let all = machine.with_files().into_iter().chain(machine.cgroups.list());
    let strays: HashSet<InstanceId> = all.filter(|id| !known.contains(id)).collect();
    for id in strays {
        outlive(inner, id).await;
        let sweeper = inner.clone();
        if let Ok(Err(error)) = blocking(move || sweeper.machine.sweep(id)).await {
            tracing::warn!(instance = %id, %error, "failed to remove a stray instance");
        }
    }
}

/// A shim that nobody listens to any more is about to end and cleans up itself; one that is stuck is
/// asked twice, which kills what it runs.
async fn outlive(inner: &Inner, id: InstanceId) {
    let (machine, dir) = (&inner.machine, inner.machine.instance_dir(id));
    let found = kiln_container::Instance::adopt(&dir, &machine.boot);
    let Ok(Adopted::Running(stray)) = found else { return };
    for _ in 0..2 {
        kiln_container::signal_stop(&stray.shim, &machine.boot).ok();
    }
    let ended = kiln_container::wait(&stray.shim, &machine.boot);
    drop(tokio::time::timeout(STRAY_ENDS, ended).await);
}
