//! The keeper: one task per group, the only one that starts and stops its instances.

mod decide;

use crate::drain::drain;
use crate::inner::Inner;
use crate::life::{self, Birth};
use crate::model::Instance;
use decide::{Seen, Step, View, decide};
use kiln_engine::GroupSpec;
use kiln_names::{GroupId, InstanceId};
use kiln_store::{StoreError, local};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a group is left alone when nothing changes: a safety net, not a clock.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How long to wait when the database or the network refused a start.
const START_RETRY: Duration = Duration::from_secs(1);

/// Keeps a group until it is forgotten.
pub(crate) async fn keep(inner: Arc<Inner>, id: GroupId) {
    let mut changes = inner.subscribe();
    loop {
        changes.borrow_and_update();
        let Some((view, pause)) = look(&inner, id) else { return };
        let wait = match act(&inner, id, decide(&view)).await {
            Ok(Progress::Forgotten) => return,
            Ok(Progress::Keeping) => pause.unwrap_or(LOOK_AGAIN),
            Err(error) => {
                tracing::error!(group = %id, %error, "failed to keep a group");
                START_RETRY
            }
        };
        // A change and the passing of the pause lead to the same: another look.
        drop(tokio::time::timeout(wait, changes.changed()).await);
    }
}

enum Progress {
    Keeping,
    Forgotten,
}

/// What there is now, and how long starts must still wait.
fn look(inner: &Inner, id: GroupId) -> Option<(View, Option<Duration>)> {
    let model = inner.model();
    let group = model.groups.get(&id)?;
    let now = Instant::now();
    let pauses = group.failures.pauses(now);
    let pause = pauses.values().min().copied();
    let seen = |i: &Instance| Seen {
        id: i.id,
        slot: i.slot,
        state: model.state(group, i, now),
        replacing: i.replacing,
        passed: i.passed,
    };
    let view = View {
        size: group.size,
        removing: group.removing,
        paused: pauses.into_keys().collect(),
        instances: group.instances.iter().map(seen).collect(),
    };
    Some((view, pause))
}

async fn act(inner: &Arc<Inner>, id: GroupId, steps: Vec<Step>) -> Result<Progress, StoreError> {
    let starts: Vec<u32> = steps
        .iter()
        .filter_map(|step| if let Step::Start(slot) = step { Some(*slot) } else { None })
        .collect();
    if !starts.is_empty() {
        start(inner, id, &starts).await?;
    }
    for step in steps {
        match step {
            Step::Start(_) => {}
            Step::Drain(instance) => {
                inner.spawn(drain(inner.clone(), instance, None));
            }
            Step::GiveUp(instance) => {
                let reason = Some(never_passed(inner, id, instance));
                inner.spawn(drain(inner.clone(), instance, reason));
            }
            Step::Replace(instance) => replace(inner, instance),
            Step::Forget => {
                forget(inner, id).await?;
                return Ok(Progress::Forgotten);
            }
        }
    }
    Ok(Progress::Keeping)
}

/// Marks an instance for replacement by an identical one.
pub(crate) fn replace(inner: &Inner, id: InstanceId) {
    if let Some((_, instance)) = inner.model().live(id) {
        instance.replacing = true;
    }
    inner.changed();
}

/// Records the new instances in one transaction, then begins their lives.
async fn start(inner: &Arc<Inner>, id: GroupId, slots: &[u32]) -> Result<(), StoreError> {
    let Some(spec) = inner.model().groups.get(&id).map(|group| group.spec.clone()) else {
        return Ok(());
    };
    let mut db = inner.db.write().await?;
    let place = local::network_place(&mut db, &spec.env).await?;
    let mut births = Vec::new();
    for slot in slots {
        let Some(birth) = conceive(inner, &spec, *slot, place) else { break };
        local::add_instance(&mut db, &row(&birth, inner.machine.now_ms())).await?;
        births.push(birth);
    }
    db.commit().await?;
    for birth in births {
        admit(inner, &birth);
        inner.spawn(life::begin(inner.clone(), birth));
    }
    inner.changed();
    Ok(())
}

fn conceive(inner: &Inner, spec: &Arc<GroupSpec>, slot: u32, place: u32) -> Option<Birth> {
    let id = inner.machine.new_instance_id();
    match inner.machine.addresses.take(spec, place) {
        Ok(address) => Some(Birth { spec: spec.clone(), id, slot, address }),
        Err(error) => {
            tracing::error!(group = %spec.name, %error, "failed to find an address");
            None
        }
    }
}

fn row(birth: &Birth, now_ms: u64) -> local::InstanceRow {
    local::InstanceRow {
        id: birth.id,
        group: birth.spec.id,
        group_name: birth.spec.name.clone(),
        app: birth.spec.app.clone(),
        env: birth.spec.env.clone(),
        slot: birth.slot,
        address: Some(birth.address),
        created_ms: now_ms,
    }
}

fn admit(inner: &Inner, birth: &Birth) {
    let created_ms = inner.machine.now_ms();
    if let Some(group) = inner.model().groups.get_mut(&birth.spec.id) {
        group.add(Instance::new(birth.id, birth.slot, birth.address, created_ms));
    }
}

async fn forget(inner: &Inner, id: GroupId) -> Result<(), StoreError> {
    let mut db = inner.db.write().await?;
    local::delete_group(&mut db, id).await?;
    db.commit().await?;
    inner.model().groups.remove(&id);
    inner.link.touch();
    inner.changed();
    Ok(())
}

fn never_passed(inner: &Inner, group: GroupId, instance: InstanceId) -> String {
    let model = inner.model();
    let within = model.groups.get(&group).map(|g| g.spec.params.startup_check.timeout);
    let said = model.router.instances.get(&instance).map(|said| said.last_check.as_str());
    format!(
        "the start-up check did not pass within {}: {}",
        within.unwrap_or_default(),
        said.unwrap_or("no answer")
    )
}
