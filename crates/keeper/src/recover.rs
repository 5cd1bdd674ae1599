//! Taking over from the server before: what ran goes on running, what ended is recorded, what was
//! lost comes back from its frozen spec.

use crate::inner::Inner;
use crate::model::{AskedTraffic, Group, Instance, Model, Phase};
use crate::{Birth, FIRST_TABLE, KeeperError, Scope, exits, keep, life};
use futures_util::future::join_all;
use kiln_engine::{GroupSpec, Slots, TrafficState, TrafficVersion};
use kiln_store::{Database, local};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long the start of a server waits for a provider to say what runs.
const ANSWER: Duration = Duration::from_secs(3);

/// The groups and the traffic as they should be.
pub(crate) async fn model(db: &Database, scope: &Scope) -> Result<Model, KeeperError> {
    let mut db = db.read().await?;
    let held = scope.read(&mut db).await?;
    let mut model = Model::default();
    for row in local::groups(&mut db).await?.into_iter().filter(|row| held.holds(&row.env)) {
        let spec: GroupSpec = serde_json::from_str(&row.spec)
            .map_err(|source| KeeperError::Spec { group: row.id, source })?;
        let slots = Slots { first: row.first, count: row.size };
        model.groups.insert(row.id, Group::new(Arc::new(spec), slots, row.removing));
    }
    for row in local::traffic(&mut db).await?.into_iter().filter(|row| held.holds(&row.env)) {
        let state: TrafficState = serde_json::from_str(&row.state)
            .map_err(|source| KeeperError::Traffic { app: row.app.clone(), source })?;
        let asked =
            AskedTraffic { version: TrafficVersion(row.version), state, table: FIRST_TABLE };
        model.traffic.insert((row.app, row.env), asked);
    }
    Ok(model)
}

/// Adopts what runs and begins to keep all groups.
pub(crate) async fn take_over(inner: &Arc<Inner>) -> Result<(), KeeperError> {
    let mut db = inner.db.read().await?;
    let held = inner.scope.read(&mut db).await?;
    let mut rows = local::live_instances(&mut db).await?;
    drop(db);
    rows.retain(|row| held.holds(&row.env));
    inner.runtime.sweep(&rows.iter().map(|row| row.id).collect()).await;
    let mut births = Vec::new();
    for row in rows {
        let Some(address) = row.address else { continue };
        inner.runtime.retake(address);
        match readmit(inner, &row, address) {
            Some(birth) => births.push(birth),
            None => inner.spawn(lay_to_rest(inner.clone(), row, address)),
        }
    }
    join_all(births.into_iter().map(|birth| resume(inner, birth))).await;
    let groups: Vec<_> = inner.model().groups.keys().copied().collect();
    for group in groups {
        inner.spawn(keep::keep(inner.clone(), group));
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
    let (spec, size) = (group.spec.clone(), group.slots.count);
    Some(Birth { spec, id: row.id, slot: row.slot, address, size })
}

/// A provider that is away is not waited for: what ran is presumed to run, so that the router keeps
/// it, and an instance that nobody knows the address of is looked for on the side.
async fn resume(inner: &Arc<Inner>, birth: Birth) {
    let found = tokio::time::timeout(ANSWER, inner.runtime.find(&birth)).await;
    match found {
        Ok(found) => adopt(inner, birth, found),
        Err(_) if !birth.address.ip().is_unspecified() => {
            let address = birth.address;
            adopt(inner, birth, Some(address));
        }
        Err(_) => {
            let taken = inner.clone();
            inner.spawn(async move {
                let found = taken.runtime.find(&birth).await;
                adopt(&taken, birth, found);
            });
        }
    }
}

fn adopt(inner: &Arc<Inner>, birth: Birth, found: Option<SocketAddr>) {
    if let Some(address) = found {
        life::runs(inner, &birth, address);
        inner.spawn(life::follow(inner.clone(), birth));
        return;
    }
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

/// Of a forgotten group nothing can run: its row is closed and its address comes back.
async fn lay_to_rest(inner: Arc<Inner>, row: local::InstanceRow, address: SocketAddr) {
    inner.note_leaving(row.id, true);
    let exit = exits::read_forgotten(&inner, row.id).await;
    let record = life::Record::new(&inner, row.id, &exit, None).await;
    life::bury(&inner, record, address).await;
}
