//! Preparing what goes to no other release: stop, resize, replace.

use super::Draft;
use super::surroundings::{Surroundings, memory};
use crate::actions::RecordRelease;
use crate::decide::Refusal;
use crate::difference::differences;
use crate::place::KnownGroup;
use crate::plan::{self, Plan, PlannedAction};
use crate::{Problem, Request, Target};
use kiln_names::{InstanceId, ProcessName};
use kiln_protocol::configuration::DeploymentSettings;
use kiln_protocol::status::GroupState;

pub(super) fn stop(
    draft: &mut Draft<'_>,
    request: &Request,
    around: &Surroundings,
) -> Result<Plan, Refusal> {
    let (target, place) = (&request.target, &around.place);
    let groups = place.groups.len() + place.leaving.len();
    let nothing = groups == 0 && place.release().is_none();
    let runs =
        if nothing { Err(Problem::invalid(format!("nothing of {target} runs"))) } else { Ok(()) };
    draft.decide("choose groups", runs)?;
    let current = place.current.as_ref();
    let record = RecordRelease {
        release: None,
        back: current.and_then(|now| now.release.map_or(now.back, |_| Some(now.number))),
        settings: DeploymentSettings::default(),
        groups: Vec::new(),
    };
    let actions = plan::stop(target, place, &around.traffic.state, record);
    let old: Vec<_> = place.in_state(GroupState::Active).map(|g| (&g.spec, g.size)).collect();
    let mut plan = unchanged(draft, request, around, actions);
    plan.differences = differences(&old, &[]);
    draft.decide("seal plan", Ok(plan))
}

pub(super) async fn resize(
    draft: &mut Draft<'_>,
    request: &Request,
    around: &Surroundings,
    process: Option<&ProcessName>,
    size: u32,
) -> Result<Plan, Refusal> {
    let group = draft.decide("choose groups", to_resize(&request.target, around, process, size))?;
    let more = [(&group.spec, size.saturating_sub(group.size))];
    draft.step("check capacity", around.fit(&more, memory(&more), &[])).await?;
    let mut plan = unchanged(draft, request, around, plan::resize(group, size));
    plan.differences = differences(&[(&group.spec, group.size)], &[(&group.spec, size)]);
    draft.decide("seal plan", Ok(plan))
}

fn to_resize<'a>(
    target: &Target,
    around: &'a Surroundings,
    process: Option<&ProcessName>,
    size: u32,
) -> Result<&'a KnownGroup, Problem> {
    let active: Vec<&KnownGroup> = around.place.in_state(GroupState::Active).collect();
    let names = || {
        let names: Vec<&str> = active.iter().map(|group| group.spec.process.as_str()).collect();
        names.join(", ")
    };
    let group = match (process, active.as_slice()) {
        (_, []) => return Err(Problem::invalid(format!("nothing of {target} runs"))),
        (None, [only]) => *only,
        (None, _) => {
            return Err(Problem::invalid(format!("say which process: it has {}", names())));
        }
        (Some(process), _) => {
            let missing = || {
                let message = format!("{target} runs no process {process}: it has {}", names());
                Problem::not_found(message)
            };
            *active.iter().find(|g| g.spec.process == *process).ok_or_else(missing)?
        }
    };
    if size == 0 && group.routed() {
        let (process, Target { app, env }) = (&group.spec.process, target);
        let message = format!(
            "{process} has routes, and requests would fail: kiln stop {app} {env} takes them away"
        );
        return Err(Problem::invalid(message));
    }
    Ok(group)
}

pub(super) fn replace(
    draft: &mut Draft<'_>,
    request: &Request,
    around: &Surroundings,
    instance: InstanceId,
) -> Result<Plan, Refusal> {
    let holds = |group: &&KnownGroup| {
        let observed = around.seen.group(group.spec.id);
        observed.is_some_and(|group| group.instances.iter().any(|i| i.id == instance))
    };
    let missing = || Problem::not_found(format!("there is no instance {instance}"));
    let found = around.place.groups.iter().find(holds).ok_or_else(missing);
    let group = draft.decide("choose groups", found)?;
    let plan = unchanged(draft, request, around, plan::replace(group, instance));
    draft.decide("seal plan", Ok(plan))
}

/// A plan that goes to no other release.
fn unchanged(
    draft: &Draft<'_>,
    request: &Request,
    around: &Surroundings,
    actions: Vec<PlannedAction>,
) -> Plan {
    Plan {
        target: request.target.clone(),
        from: around.place.release(),
        release: None,
        number: None,
        differences: Vec::new(),
        notes: draft.notes.clone(),
        hold: request.ask.holds(),
        actions,
    }
}
