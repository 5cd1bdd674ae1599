//! The keeper: one task per group, the only one that starts and stops its instances.

mod decide;

use crate::drain::drain;
use crate::inner::Inner;
use crate::life;
use crate::link::FIRST_TABLE;
use crate::model::Instance;
use crate::{Birth, exits};
use decide::{Seen, Step, View, decide};
use kiln_engine::{EngineError, GroupSpec};
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
    let mut said = String::new();
    loop {
        changes.borrow_and_update();
        let Some((view, pause)) = look(&inner, id) else { return };
        let wait = match act(&inner, id, decide(&view)).await {
            Ok(Progress::Forgotten) => return,
            Ok(Progress::Keeping) => {
                said.clear();
                pause.unwrap_or(LOOK_AGAIN)
            }
            Err(error) => {
                // Worth a line, and one line: a provider may be away for hours.
                let error = exits::chain(&error);
                if error != said {
                    tracing::error!(group = %id, error, "failed to keep a group");
                    said = error;
                }
                START_RETRY
            }
        };
        // A change and the passing of the pause lead to the same: another look.
        drop(tokio::time::timeout(wait, changes.changed()).await);
    }
}

/// Why a group could not be kept for the moment. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("record what is done")]
    Store(#[from] StoreError),
    #[error("prepare or place an instance")]
    Runtime(#[from] EngineError),
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
    let check = &group.spec.params.health_check;
    let grace = check.interval.get() + check.timeout.get();
    let doubts: Vec<_> = group.instances.iter().filter_map(|i| i.doubt(grace, now)).collect();
    let pause = pause.into_iter().chain(doubts).min();
    let seen = |i: &Instance| Seen {
        id: i.id,
        slot: i.slot,
        state: model.state(group, i, now),
        replacing: i.replacing,
        passed: i.passed,
        doubted: i.doubt(grace, now).is_some(),
    };
    let view = View {
        slots: group.slots,
        exclusive: !group.spec.params.volumes.is_empty(),
        removing: group.removing,
        paused: pauses.into_keys().chain(model.held_elsewhere(group)).collect(),
        instances: group.instances.iter().map(seen).collect(),
    };
    Some((view, pause))
}

/// Starts come last: what they lack, an address perhaps, the drains may set free.
async fn act(inner: &Arc<Inner>, id: GroupId, steps: Vec<Step>) -> Result<Progress, KeepError> {
    let mut starts = Vec::new();
    for step in steps {
        match step {
            Step::Start(slot) => starts.push(slot),
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
    if !starts.is_empty() {
        start(inner, id, &starts).await?;
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
///
/// Until the router has taken this server's first table it may still send requests to addresses
/// that the server before gave back: none is given out before.
async fn start(inner: &Arc<Inner>, id: GroupId, slots: &[u32]) -> Result<(), KeepError> {
    let group = inner.model().groups.get(&id).map(|group| (group.spec.clone(), group.slots.count));
    let Some((spec, size)) = group else { return Ok(()) };
    inner.runtime.prepare(&spec).await?;
    inner.in_force(FIRST_TABLE).await;
    let mut births = Vec::new();
    if let Err(error) = conceive_all(inner, (&spec, size), slots, &mut births).await {
        let release = |birth: &Birth| inner.runtime.release(birth.address);
        births.iter().for_each(release);
        return Err(error);
    }
    for birth in births {
        if admit(inner, &birth) {
            inner.spawn(life::begin(inner.clone(), birth));
        } else {
            inner.spawn(life::give_up(inner.clone(), birth));
        }
    }
    inner.changed();
    Ok(())
}

/// As many as there are addresses for, and at least one.
async fn conceive_all(
    inner: &Inner,
    (spec, size): (&Arc<GroupSpec>, u32),
    slots: &[u32],
    births: &mut Vec<Birth>,
) -> Result<(), KeepError> {
    let mut db = inner.db.write().await?;
    for slot in slots {
        match inner.runtime.reserve(&mut db, spec).await {
            Ok(address) => {
                let (id, spec) = (inner.new_instance_id(), spec.clone());
                births.push(Birth { spec, id, slot: *slot, address, size });
            }
            Err(error) if births.is_empty() => return Err(error.into()),
            Err(_) => break,
        }
    }
    for birth in births.iter() {
        local::add_instance(&mut db, &row(birth, inner.now_ms())).await?;
    }
    Ok(db.commit().await?)
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
        replacing: false,
    }
}

/// Takes an instance in, if there is still a place for it.
fn admit(inner: &Inner, birth: &Birth) -> bool {
    let created_ms = inner.now_ms();
    let mut model = inner.model();
    let has_place = model.has_place(birth);
    if let Some(group) = model.groups.get_mut(&birth.spec.id).filter(|_| has_place) {
        group.add(Instance::new(birth.id, birth.slot, birth.address, created_ms));
    }
    has_place
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
    let known = model.groups.get(&group);
    let known =
        known.and_then(|group| Some((group, group.instances.iter().find(|it| it.id == instance)?)));
    let said =
        known.and_then(|(group, instance)| model.said(group, instance)).map(|(_, said)| said);
    format!(
        "the start-up check did not pass within {}: {}",
        within.unwrap_or_default(),
        said.unwrap_or("no answer")
    )
}
