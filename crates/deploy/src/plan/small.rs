//! The plans of what is less than a deployment: stop, resize, replace.

use super::sequence::Sequence;
use super::{Phase, PlannedAction, only};
use crate::Target;
use crate::actions::{
    Announce, ApplyTraffic, AwaitExist, AwaitGone, AwaitInForce, AwaitReplaced, AwaitStable,
    AwaitStarted, AwaitStartup, Expected, FreeRoutes, RecordRelease, RemoveGroups, ReplaceInstance,
    Resize, ResizeGroups, Restore,
};
use crate::place::{KnownGroup, Place};
use kiln_engine::TrafficState;
use kiln_names::InstanceId;
use kiln_protocol::status::GroupState;

/// Everything goes: traffic first, then the groups, warm ones included, then the routes. It is done
/// when those are gone, too, that were on their way out before.
pub(crate) fn stop(
    target: &Target,
    place: &Place,
    in_force: &TrafficState,
    record: RecordRelease,
) -> Vec<PlannedAction> {
    let mut plan = Sequence::default();
    let (app, env) = (target.app.clone(), target.env.clone());
    let nothing = TrafficState { app, env, clusters: Vec::new() };
    plan.add(Phase::Create, Announce { text: format!("stop {target} begins") });
    if *in_force != nothing {
        let active = || place.in_state(GroupState::Active).filter(|group| group.routed());
        let restored: Vec<_> = active().map(|group| group.spec.id).collect();
        let apply = ApplyTraffic {
            what: "take all traffic away".to_owned(),
            from: in_force.clone(),
            to: nothing.clone(),
            back: only(in_force, &restored),
            needs: Vec::new(),
            back_needs: active().map(|group| Expected::of(&group.spec, group.size)).collect(),
            becomes: Vec::new(),
        };
        plan.add(Phase::Shift, apply);
        plan.add(Phase::Shift, AwaitInForce { state: nothing });
    }
    let restore = |group: &KnownGroup| Restore { spec: group.spec.clone(), size: group.size };
    let restore = place.in_state(GroupState::Active).map(restore).collect();
    let all = || place.groups.iter().chain(&place.leaving);
    let patience = all().map(KnownGroup::time_to_leave).max().unwrap_or_default();
    let groups = place.groups.iter().map(KnownGroup::group).collect();
    plan.add(Phase::Finish, RemoveGroups { groups, restore });
    plan.add(Phase::Finish, AwaitGone { groups: all().map(KnownGroup::group).collect(), patience });
    plan.add(Phase::Finish, record);
    plan.add(Phase::Finish, FreeRoutes { keep: Vec::new() });
    plan.add(Phase::Finish, Announce { text: format!("stop {target} is done") });
    plan.into_actions()
}

/// An active group gets another size.
pub(crate) fn resize(group: &KnownGroup, size: u32) -> Vec<PlannedAction> {
    let mut plan = Sequence::default();
    let change = Resize { group: group.group(), from: Some(group.size), to: size, top: None };
    let expected = || vec![Expected::of(&group.spec, size)];
    plan.add(Phase::Create, ResizeGroups { groups: vec![change] });
    plan.add(Phase::Settle, AwaitExist { groups: expected() });
    plan.add(Phase::Settle, AwaitStarted { groups: expected() });
    plan.add(Phase::Settle, AwaitStartup { groups: expected() });
    plan.add(Phase::Settle, AwaitStable { groups: expected() });
    plan.into_actions()
}

/// An instance makes room for an identical one.
pub(crate) fn replace(group: &KnownGroup, instance: InstanceId) -> Vec<PlannedAction> {
    let mut plan = Sequence::default();
    let expected = Expected::of(&group.spec, group.size);
    plan.add(Phase::Create, ReplaceInstance { instance, group: group.group() });
    plan.add(Phase::Settle, AwaitReplaced { instance, expected });
    plan.into_actions()
}
