//! Taking over from the server before: what ran goes on running, what ended is recorded, what was
//! lost comes back from its frozen spec.

use crate::inner::Inner;
use crate::life::{self, Birth};
use crate::model::{AskedTraffic, Group, Instance, Model, Phase};
use crate::{LocalError, exits, keeper};
use kiln_container::{Adopted, ProcessIdent};
use kiln_engine::{GroupSpec, TrafficState, TrafficVersion};
use kiln_names::InstanceId;
use kiln_store::{Database, local};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long the shim of a stray instance may take to end once it was asked to kill.
const STRAY_ENDS: Duration = Duration::from_secs(5);

/// The groups and the traffic as they should be.
pub(crate) async fn model(db: &Database) -> Result<Model, LocalError> {
    let mut db = db.read().await?;
    let mut model = Model::default();
    for row in local::groups(&mut db).await? {
        let spec: GroupSpec = serde_json::from_str(&row.spec)
            .map_err(|source| LocalError::Spec { group: row.id, source })?;
        model.groups.insert(row.id, Group::new(Arc::new(spec), row.size, row.removing));
    }
    for row in local::traffic(&mut db).await? {
        let state: TrafficState = serde_json::from_str(&row.state)
            .map_err(|source| LocalError::Traffic { app: row.app.clone(), source })?;
        let asked = AskedTraffic { version: TrafficVersion(row.version), state };
        model.traffic.insert((row.app, row.env), asked);
    }
    Ok(model)
}

/// What became of an instance that an earlier server started.
enum Found {
    Runs(ProcessIdent),
    Ended,
}

/// Adopts what runs and begins to keep all groups.
pub(crate) async fn take_over(inner: &Arc<Inner>) -> Result<(), LocalError> {
    let rows = local::live_instances(&mut *inner.db.read().await?).await?;
    sweep(inner, &rows.iter().map(|row| row.id).collect()).await;
    for row in rows {
        let Some(address) = row.address else { continue };
        inner.machine.addresses.retake(address);
        let Some(birth) = readmit(inner, &row, address) else {
            inner.spawn(lay_to_rest(inner.clone(), row, address));
            continue;
        };
        resume(inner, birth).await;
    }
    let groups: Vec<_> = inner.model().groups.keys().copied().collect();
    for group in groups {
        inner.spawn(keeper::keep(inner.clone(), group));
    }
    Ok(())
}

/// Two in one slot: the server before was replacing the older one, and this one goes on with that.
fn readmit(inner: &Inner, row: &local::InstanceRow, address: SocketAddr) -> Option<Birth> {
    let mut model = inner.model();
    let group = model.groups.get_mut(&row.group)?;
    for older in group.instances.iter_mut().filter(|older| older.slot == row.slot) {
        older.replacing = true;
    }
    let instance = Instance::new(row.id, row.slot, address, row.created_ms);
    group.add(Instance { replacing: row.replacing, ..instance });
    Some(Birth { spec: group.spec.clone(), id: row.id, slot: row.slot, address })
}

async fn resume(inner: &Arc<Inner>, birth: Birth) {
    match find(inner, birth.id).await {
        Found::Runs(shim) => {
            life::runs(inner, &birth, shim.clone());
            inner.spawn(life::follow(inner.clone(), birth, shim));
        }
        Found::Ended => {
            // Whatever ended it, it ended while nobody looked: no reason to hesitate with the next.
            if let Some((_, instance)) = inner.model().live(birth.id) {
                instance.phase = Phase::Draining;
            }
            let taken = inner.clone();
            inner.spawn(async move {
                let exit = exits::read(&taken, &birth).await;
                life::ended(&taken, &birth, exit).await;
            });
        }
    }
}

async fn find(inner: &Arc<Inner>, id: InstanceId) -> Found {
    let inner = inner.clone();
    let adopt = move || {
        let dir = inner.machine.instance_dir(id);
        match kiln_container::Instance::adopt(&dir, &inner.machine.boot) {
            Ok(Adopted::Running(instance)) => Found::Runs(instance.shim),
            Ok(_) => Found::Ended,
            Err(error) => {
                tracing::warn!(instance = %id, %error, "failed to adopt an instance");
                Found::Ended
            }
        }
    };
    tokio::task::spawn_blocking(adopt).await.unwrap_or(Found::Ended)
}

/// Of a forgotten group nothing can run: its row is closed and its address comes back.
async fn lay_to_rest(inner: Arc<Inner>, row: local::InstanceRow, address: SocketAddr) {
    inner.note_leaving(row.id, true);
    let exit = exits::read_forgotten(&inner, row.id).await;
    let record = life::Record::new(&inner, row.id, &exit, None).await;
    life::bury(&inner, record, address).await;
}

/// Removes what no row of the database answers for: runs and steps of bakes that the server before
/// was watching, and what a crash between two steps of a launch or of a cleaning leaves.
async fn sweep(inner: &Arc<Inner>, known: &HashSet<InstanceId>) {
    let machine = &inner.machine;
    let all = machine.with_files().into_iter().chain(machine.cgroups.list());
    let strays: HashSet<InstanceId> = all.filter(|id| !known.contains(id)).collect();
    for id in strays {
        outlive(inner, id).await;
        let sweeper = inner.clone();
        let swept = tokio::task::spawn_blocking(move || sweeper.machine.sweep(id)).await;
        if let Ok(Err(error)) = swept {
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
