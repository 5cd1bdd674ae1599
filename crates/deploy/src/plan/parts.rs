//! The parts that plans are made of: runs of actions that several strategies share.

use super::cast::{Cast, Routed};
use super::sequence::Sequence;
use super::{Phase, Shares};
use crate::actions::{
    Announce, ApplyTraffic, AwaitExist, AwaitGone, AwaitInForce, AwaitStable, AwaitStarted,
    AwaitStartup, CancelRetirement, ClaimRoutes, Due, EnsureGroups, Expected, FreeRoutes,
    RemoveGroups, Resize, ResizeGroups, RetireGroups, Retiree, StopUnrouted, Watch,
};
use crate::place::{GroupRef, KnownGroup};
use kiln_engine::TrafficState;
use kiln_names::Span;
use kiln_protocol::configuration::HookPoint;

/// The routes are taken, and warm groups taken back.
pub(super) fn begin(plan: &mut Sequence, cast: &Cast<'_>) {
    let before = cast.place.claims.clone();
    plan.add(Phase::Create, ClaimRoutes { claims: cast.claims.clone(), before });
    plan.add(Phase::Create, CancelRetirement { groups: cast.reclaimed() });
    plan.add(Phase::Create, Announce { text: format!("{} begins", cast.title) });
}

/// A command of the configuration's, if there is one for that point.
pub(super) fn hook(plan: &mut Sequence, cast: &Cast<'_>, phase: Phase, point: HookPoint) {
    if let Some(hook) = cast.hook(point) {
        plan.add(phase, hook);
    }
}

/// The image is brought before anything stops, so that nobody waits for it.
pub(super) fn bring(plan: &mut Sequence, cast: &Cast<'_>) {
    plan.add(Phase::Create, cast.image());
    hook(plan, cast, Phase::Create, HookPoint::BeforeCreate);
}

/// The new groups come into being, empty; what makes room for them goes first.
pub(super) fn make(plan: &mut Sequence, cast: &Cast<'_>) {
    let groups: Vec<GroupRef> = cast.room.iter().map(KnownGroup::group).collect();
    let patience = cast.room.iter().map(KnownGroup::time_to_leave).max().unwrap_or_default();
    let restore = cast.restore.clone();
    plan.add(Phase::Create, RemoveGroups { groups: groups.clone(), restore });
    plan.add(Phase::Create, AwaitGone { groups, patience });
    plan.add(Phase::Create, EnsureGroups { specs: cast.new.clone() });
}

/// The traffic gets to know the new groups, which take no requests yet.
pub(super) fn hold(plan: &mut Sequence, from: &TrafficState, shares: &Shares) {
    let hold = ApplyTraffic {
        what: "check the new groups, without traffic".to_owned(),
        from: from.clone(),
        to: shares.held.clone(),
        back: shares.before.clone(),
        needs: Vec::new(),
        back_needs: Vec::new(),
        becomes: Vec::new(),
    };
    plan.add(Phase::Create, hold);
}

/// The groups get their instances.
pub(super) fn start(plan: &mut Sequence, cast: &Cast<'_>) {
    plan.add(Phase::Create, ResizeGroups { groups: cast.resizes() });
}

/// The new instances start and become healthy.
pub(super) fn settle(plan: &mut Sequence, cast: &Cast<'_>) {
    let groups =
        || if cast.ready { cast.expected(Routed::Not) } else { cast.expected(Routed::Any) };
    plan.add(Phase::Settle, AwaitExist { groups: groups() });
    plan.add(Phase::Settle, AwaitStarted { groups: groups() });
    plan.add(Phase::Settle, AwaitStartup { groups: groups() });
    plan.add(Phase::Settle, AwaitStable { groups: groups() });
}

/// Old groups that take no requests stop.
pub(super) fn stop_unrouted(plan: &mut Sequence, cast: &Cast<'_>) {
    let old = cast.outgoing().filter(|group| !group.routed());
    let groups =
        old.map(|old| Resize { group: old.group(), from: Some(old.size), to: 0, top: None });
    plan.add(Phase::Shift, StopUnrouted { groups: groups.collect() });
}

/// All traffic that is not there yet moves in one step.
pub(super) fn shift(plan: &mut Sequence, cast: &Cast<'_>, from: TrafficState, shares: &Shares) {
    let apply = ApplyTraffic {
        what: format!("move all traffic to {}", cast.names()),
        back: if cast.ready { shares.before.clone() } else { from.clone() },
        from,
        to: shares.after.clone(),
        needs: cast.expected(Routed::Only),
        back_needs: cast.leaving().into_iter().map(whole).collect(),
        becomes: cast.becomes(),
    };
    plan.add(Phase::Shift, apply);
    plan.add(Phase::Shift, AwaitInForce { state: shares.after.clone() });
}

/// The new groups are looked at under load.
pub(super) fn watch(plan: &mut Sequence, cast: &Cast<'_>) {
    hook(plan, cast, Phase::Watch, HookPoint::AfterShift);
    let groups = cast.expected(Routed::Any);
    plan.add(Phase::Watch, Watch { groups, period: cast.settings.watch });
    if let Some(analysis) = cast.analysis().filter(|_| cast.settings.watch > Span::ZERO) {
        plan.add(Phase::Watch, analysis);
    }
}

/// The old groups are kept warm for a while, or go; everything is written down.
pub(super) fn finish(plan: &mut Sequence, cast: &Cast<'_>, keep_warm: Span) {
    let retire = |group: &KnownGroup| {
        // What holds volumes is in the way of whoever wants them next.
        let waits = group.routed() && group.spec.params.volumes.is_empty();
        let keep = if waits { keep_warm } else { Span::ZERO };
        Retiree { group: group.group(), due: Due::After(keep) }
    };
    let groups = cast.outgoing().map(retire).collect();
    plan.add(Phase::Finish, RetireGroups { groups, hasten: true });
    record(plan, cast);
}

/// Everything is written down.
pub(super) fn record(plan: &mut Sequence, cast: &Cast<'_>) {
    plan.add(Phase::Finish, cast.record.clone());
    plan.add(Phase::Finish, FreeRoutes { keep: cast.claims.clone() });
    hook(plan, cast, Phase::Finish, HookPoint::AfterFinish);
    plan.add(Phase::Finish, Announce { text: format!("{} is done", cast.title) });
}

/// A group with all of its instances.
pub(super) fn whole(group: &KnownGroup) -> Expected {
    Expected::of(&group.spec, group.size)
}
