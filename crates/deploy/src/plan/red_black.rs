//! Red/black: new groups beside the old ones, then all traffic at once.
//!
//! This is the table of a deployment's actions. Each is explained in its own file.

use super::cast::{Cast, Routed};
use super::parts::{
    begin, bring, finish, hold, hook, make, settle, shift, start, stop_unrouted, watch,
};
use super::sequence::Sequence;
use super::{Phase, PlannedAction};
use crate::actions::AwaitRouted;
use kiln_protocol::configuration::HookPoint;

/// The actions, in order. A rollback to groups that are ready moves the traffic before anything
/// else: people who roll back are in a hurry.
pub(super) fn red_black(cast: &Cast<'_>) -> Vec<PlannedAction> {
    let shares = cast.shares();
    let mut plan = Sequence::default();
    begin(&mut plan, cast);
    if cast.ready {
        shift(&mut plan, cast, cast.in_force.clone(), &shares);
        bring(&mut plan, cast);
        make(&mut plan, cast);
        start(&mut plan, cast);
        settle(&mut plan, cast);
        stop_unrouted(&mut plan, cast);
    } else {
        bring(&mut plan, cast);
        make(&mut plan, cast);
        hold(&mut plan, cast.in_force, &shares);
        start(&mut plan, cast);
        settle(&mut plan, cast);
        plan.add(Phase::Shift, AwaitRouted { groups: cast.expected(Routed::Only) });
        hook(&mut plan, cast, Phase::Shift, HookPoint::BeforeShift);
        if cast.pauses.pause_after_instances_healthy {
            plan.add(Phase::Shift, cast.pause("the traffic moves"));
        }
        stop_unrouted(&mut plan, cast);
        shift(&mut plan, cast, shares.held.clone(), &shares);
        watch(&mut plan, cast);
        if cast.pauses.pause_before_old_removed {
            plan.add(Phase::Watch, cast.pause("the old groups are given up"));
        }
    }
    finish(&mut plan, cast, cast.keep_warm);
    plan.into_actions()
}
