//! Highlander: the old groups go before the new ones come, because there can be only one. In
//! between nobody serves, and the router says so; that is what was asked for.

use super::cast::{Cast, Routed};
use super::parts::{begin, bring, finish, hold, hook, make, settle, shift, start, watch};
use super::sequence::Sequence;
use super::{Phase, PlannedAction, only};
use crate::actions::{ApplyTraffic, AwaitInForce, AwaitRouted, Expected};
use kiln_engine::TrafficState;
use kiln_names::Span;
use kiln_protocol::configuration::HookPoint;

/// The actions, in order. All groups there are make room; an undo brings the active ones back.
pub(super) fn highlander(cast: &Cast<'_>) -> Vec<PlannedAction> {
    let nothing = TrafficState { clusters: Vec::new(), ..cast.in_force.clone() };
    let shares = cast.shares();
    let mut plan = Sequence::default();
    begin(&mut plan, cast);
    bring(&mut plan, cast);
    leave(&mut plan, cast, &nothing);
    make(&mut plan, cast);
    hold(&mut plan, &nothing, &shares);
    start(&mut plan, cast);
    settle(&mut plan, cast);
    plan.add(Phase::Shift, AwaitRouted { groups: cast.expected(Routed::Only) });
    hook(&mut plan, cast, Phase::Shift, HookPoint::BeforeShift);
    if cast.pauses.pause_after_instances_healthy {
        plan.add(Phase::Shift, cast.pause("the traffic comes back"));
    }
    shift(&mut plan, cast, shares.held.clone(), &shares);
    watch(&mut plan, cast);
    finish(&mut plan, cast, Span::ZERO);
    plan.into_actions()
}

fn leave(plan: &mut Sequence, cast: &Cast<'_>, nothing: &TrafficState) {
    let whole = cast.restore.iter().filter(|old| !old.spec.params.routes.is_empty());
    let restored: Vec<_> = cast.restore.iter().map(|old| old.spec.id).collect();
    let apply = ApplyTraffic {
        what: "take all traffic away".to_owned(),
        from: cast.in_force.clone(),
        to: nothing.clone(),
        back: only(cast.in_force, &restored),
        needs: Vec::new(),
        back_needs: whole.map(|old| Expected::of(&old.spec, old.size)).collect(),
        becomes: Vec::new(),
    };
    plan.add(Phase::Create, apply);
    plan.add(Phase::Create, AwaitInForce { state: nothing.clone() });
}
