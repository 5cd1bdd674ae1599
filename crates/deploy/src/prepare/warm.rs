//! Going back to groups that are still there.
//!
//! Everything they need was frozen when they were made, so that neither the image nor the
//! configuration is read again.

use super::release::Incoming;
use super::surroundings::Surroundings;
use crate::kit::Kit;
use crate::place::{KnownGroup, routed};
use crate::{Problem, Release};
use kiln_engine::GroupSpec;
use kiln_names::{GroupName, GroupNumber};
use kiln_protocol::configuration::DeploymentSettings;
use kiln_protocol::status::GroupState;
use kiln_store::activations::ActivationRow;
use kiln_store::groups;

/// The warm groups of a release, with new ones for its processes without routes, which are not
/// kept warm. None unless every routed process has its warm group.
pub(super) async fn incoming(
    kit: &Kit,
    around: &Surroundings,
    activation: &ActivationRow,
    release: &Release,
) -> Result<Option<Incoming>, Problem> {
    let (app, env, id) = (&release.app, &release.env, release.id());
    let rows = groups::newest_of(&mut *kit.db.read().await?, app, env, id).await?;
    let Ok(settings) = serde_json::from_str::<DeploymentSettings>(&activation.settings) else {
        return Ok(None);
    };
    let number = GroupNumber(around.place.last_number + 1);
    let (mut new, mut reused, mut ready) = (Vec::new(), Vec::new(), true);
    for row in &rows {
        let Ok(spec) = serde_json::from_str::<GroupSpec>(&row.spec) else { return Ok(None) };
        if !routed(&spec) {
            new.push(renewed(kit, spec, number));
            continue;
        }
        let Some(warm) = warm_group(around, &spec) else { return Ok(None) };
        let size = size_needed(around, warm);
        ready &= size == warm.size && healthy(around, warm);
        reused.push((warm.clone(), size));
    }
    if reused.is_empty() {
        return Ok(None);
    }
    let number = (!new.is_empty()).then_some(number);
    Ok(Some(Incoming { release: release.clone(), new, reused, ready, settings, number }))
}

/// The same as a group that was, in a group of its own.
fn renewed(kit: &Kit, spec: GroupSpec, number: GroupNumber) -> GroupSpec {
    let name = GroupName::new(&spec.app, &spec.env, &spec.process, number);
    GroupSpec { id: kit.ports.ids.group(), name, number, ..spec }
}

fn warm_group<'a>(around: &'a Surroundings, spec: &GroupSpec) -> Option<&'a KnownGroup> {
    let mut warm = around.place.in_state(GroupState::Warm);
    let group = warm.find(|group| group.spec.id == spec.id)?;
    let kept = group.retirement.as_ref().is_some_and(|row| !row.removing);
    let sound = around.seen.group(spec.id).is_some_and(|seen| seen.crash_loop.is_none());
    (kept && sound).then_some(group)
}

/// As many instances as it should have, and as many as take the traffic now.
fn size_needed(around: &Surroundings, warm: &KnownGroup) -> u32 {
    let same = |group: &&KnownGroup| group.spec.process == warm.spec.process;
    let active = around.place.in_state(GroupState::Active).find(same);
    let needed = active.map_or(0, |active| active.size).max(warm.spec.params.desired);
    needed.max(warm.size)
}

fn healthy(around: &Surroundings, warm: &KnownGroup) -> bool {
    let seen = around.seen.group(warm.spec.id).map_or(0, kiln_engine::ObservedGroup::healthy);
    let for_router = around.traffic.groups.iter().find(|known| known.group == warm.spec.id);
    seen >= warm.size as usize && for_router.is_some_and(|known| known.healthy >= warm.size)
}
