//! Canary: new groups of full size beside the old ones take a growing share of the traffic; each
//! step is watched for its time before the next.
//!
//! What was tried at a small share is what takes all of it in the end: only weights change.

use super::cast::{Cast, Routed};
use super::parts::{
    begin, bring, finish, hold, hook, make, settle, shift, start, stop_unrouted, watch, whole,
};
use super::sequence::Sequence;
use super::{Phase, PlannedAction, Shares};
use crate::actions::{ApplyTraffic, AwaitInForce, AwaitRouted, Watch};
use kiln_engine::TrafficState;
use kiln_protocol::configuration::{CanaryStep, HookPoint};

/// The actions, in order.
pub(super) fn canary(cast: &Cast<'_>, steps: &[CanaryStep]) -> Vec<PlannedAction> {
    let shares = cast.shares();
    let mut plan = Sequence::default();
    begin(&mut plan, cast);
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
    let reached = steps.iter().fold(shares.held.clone(), |from, step| {
        let to = cast.divided(&shares, step.weight);
        take_step(&mut plan, cast, (from, to), step)
    });
    stop_unrouted(&mut plan, cast);
    shift(&mut plan, cast, reached, &shares);
    watch(&mut plan, cast);
    if cast.pauses.pause_before_old_removed {
        plan.add(Phase::Watch, cast.pause("the old groups are given up"));
    }
    finish(&mut plan, cast, cast.keep_warm);
    plan.into_actions()
}

/// One step; answers with the traffic that it leads to.
fn take_step(
    plan: &mut Sequence,
    cast: &Cast<'_>,
    (from, to): (TrafficState, TrafficState),
    CanaryStep { weight, duration }: &CanaryStep,
) -> TrafficState {
    let apply = ApplyTraffic {
        what: format!("send {weight} % to {}", cast.names()),
        back: from.clone(),
        from,
        to: to.clone(),
        needs: cast.expected(Routed::Only),
        back_needs: cast.leaving().into_iter().map(whole).collect(),
        becomes: Vec::new(),
    };
    plan.add(Phase::Shift, apply);
    plan.add(Phase::Shift, AwaitInForce { state: to.clone() });
    plan.add(Phase::Shift, Watch { groups: cast.expected(Routed::Any), period: *duration });
    if let Some(analysis) = cast.analysis() {
        plan.add(Phase::Shift, analysis);
    }
    to
}

impl Cast<'_> {
    /// The traffic with `percent` of every cluster's requests at its new group. A cluster without
    /// an old group, or with routes of its own to come, waits for all of it.
    fn divided(&self, shares: &Shares, percent: u32) -> TrafficState {
        let mut state = shares.held.clone();
        let comes = |group| self.expected(Routed::Only).iter().any(|new| new.group.id == group);
        for cluster in &mut state.clusters {
            let has_old = cluster.shares.iter().any(|share| share.weight > 0);
            let has_new = cluster.shares.iter().any(|share| comes(share.group));
            if !(has_old && has_new) {
                continue;
            }
            for share in &mut cluster.shares {
                share.weight = match (comes(share.group), share.weight) {
                    (true, _) => percent,
                    (false, 0) => 0,
                    (false, _) => 100 - percent,
                };
            }
        }
        state
    }
}
