//! One by one: each instance in turn makes room for its successor in the same slot, the highest first,
//! and hands its volumes over. In between its slot serves nobody; the others do.
//!
//! Nothing is ever started beside what it replaces, so that two instances never write to one volume,
//! and a service of several members loses one at a time.

use super::cast::Cast;
use super::parts::{begin, bring, finish, hold, hook, make, watch};
use super::sequence::Sequence;
use super::{Phase, PlannedAction, Shares};
use crate::actions::{
    ApplyTraffic, AwaitInForce, AwaitRouted, AwaitShrunk, AwaitStable, Expected, MoveSlots, Resize,
};
use crate::place::{KnownGroup, Place, routed};
use kiln_engine::{GroupSpec, TrafficState};
use kiln_names::{ByteSize, ProcessName, Span};
use kiln_protocol::configuration::HookPoint;
use kiln_protocol::status::GroupState;

/// A process on its way from its old group to its new one. Rounds count from 1.
#[derive(Debug, Clone, Copy)]
struct Lane<'a> {
    new: &'a GroupSpec,
    old: Option<&'a KnownGroup>,
}

/// The actions, in order.
pub(super) fn one_by_one(cast: &Cast<'_>) -> Vec<PlannedAction> {
    let shares = cast.shares();
    let lanes = lanes(cast.place, &cast.new);
    let rounds = rounds(&lanes);
    let mut plan = Sequence::default();
    begin(&mut plan, cast);
    bring(&mut plan, cast);
    make(&mut plan, cast);
    hold(&mut plan, cast.in_force, &shares);
    let mut from = shares.held.clone();
    for round in 1..=rounds {
        if round == rounds && cast.pauses.pause_before_old_removed {
            plan.add(Phase::Shift, cast.pause("the last old instances go"));
        }
        from = part(&mut plan, &lanes, (from, &shares), round);
        leave(&mut plan, &lanes, round);
        arrive(&mut plan, &lanes, round);
        if round == 1 {
            hook(&mut plan, cast, Phase::Shift, HookPoint::BeforeShift);
            if cast.pauses.pause_after_instances_healthy {
                plan.add(Phase::Shift, cast.pause("more instances make room"));
            }
        }
    }
    take_all(&mut plan, cast, from, &shares);
    watch(&mut plan, cast);
    // Nothing is left of the old groups that could be kept warm.
    finish(&mut plan, cast, Span::ZERO);
    plan.into_actions()
}

/// What it needs at its height beyond what runs: successors may have more memory.
pub(crate) fn memory_in_turn(place: &Place, new: &[GroupSpec]) -> ByteSize {
    let lanes = lanes(place, new);
    let bytes = |spec: &GroupSpec, count: u32| spec.params.memory.0.saturating_mul(count.into());
    let at = |round: u32| {
        let each = lanes.iter().map(|lane| {
            let old = lane.old.map_or(0, |old| bytes(&old.spec, lane.stays(round)));
            bytes(lane.new, lane.there(round)).saturating_add(old)
        });
        each.fold(0, u64::saturating_add)
    };
    let height = (0..=rounds(&lanes)).map(at).max().unwrap_or(0);
    ByteSize(height.saturating_sub(at(0)))
}

/// The processes that nobody serves for a while: of which only one instance is there to be replaced.
pub(crate) fn unserved<'a>(place: &'a Place, new: &'a [GroupSpec]) -> Vec<&'a ProcessName> {
    let nobody = |lane: &Lane<'_>| {
        let rounds = 1..=lane.top();
        rounds.into_iter().any(|round| lane.there(round - 1) + lane.stays(round) == 0)
    };
    let lanes = lanes(place, new).into_iter();
    let replaced = lanes.filter(|lane| routed(lane.new) && lane.old.is_some());
    replaced.filter(nobody).map(|lane| &lane.new.process).collect()
}

fn lanes<'a>(place: &'a Place, new: &'a [GroupSpec]) -> Vec<Lane<'a>> {
    let old = |spec: &GroupSpec| {
        place.in_state(GroupState::Active).find(|group| group.spec.process == spec.process)
    };
    new.iter().map(|new| Lane { new, old: old(new) }).collect()
}

fn rounds(lanes: &[Lane<'_>]) -> u32 {
    lanes.iter().map(|lane| lane.top()).max().unwrap_or(0)
}

/// The traffic leaves the instances that go, and goes to those that came: each has the same share.
fn part(
    plan: &mut Sequence,
    lanes: &[Lane<'_>],
    (from, shares): (TrafficState, &Shares),
    round: u32,
) -> TrafficState {
    let to = divided(shares, lanes, round);
    if to == from {
        return from;
    }
    let olds = lanes.iter().filter_map(|lane| Some((lane, lane.old.filter(|old| old.routed())?)));
    let apply = ApplyTraffic {
        what: format!("share the traffic, with {} of {} replaced", round - 1, rounds(lanes)),
        back: from.clone(),
        from,
        to: to.clone(),
        needs: expected(lanes, round - 1, true),
        back_needs: olds
            .map(|(lane, old)| Expected::of(&old.spec, lane.stays(round - 1)))
            .collect(),
        becomes: Vec::new(),
    };
    plan.add(Phase::Shift, apply);
    plan.add(Phase::Shift, AwaitInForce { state: to.clone() });
    to
}

/// The weights of a round. A cluster of which nobody would be left keeps the one that goes: its
/// requests wait for nobody else.
fn divided(shares: &Shares, lanes: &[Lane<'_>], round: u32) -> TrafficState {
    let of = |lane: &Lane<'_>, group| {
        let old = lane.old?;
        let (there, stays) = (lane.there(round - 1), lane.stays(round));
        let stays = if there + stays == 0 { 1 } else { stays };
        let known = [(lane.new.id, there), (old.spec.id, stays)];
        known.into_iter().find(|(id, _)| *id == group).map(|(_, weight)| weight)
    };
    shares.weighted(|group| lanes.iter().find_map(|lane| of(lane, group)))
}

/// The old instance of a slot goes, and has gone.
fn leave(plan: &mut Sequence, lanes: &[Lane<'_>], round: u32) {
    let (mut groups, mut left) = (Vec::new(), Vec::new());
    for lane in lanes {
        let (from, to) = (lane.stays(round - 1), lane.stays(round));
        if let Some(old) = lane.old.filter(|_| from != to) {
            groups.push(Resize { group: old.group(), from: Some(from), to, top: None });
            left.push(Expected::of(&old.spec, to));
        }
    }
    plan.add(Phase::Shift, MoveSlots { groups });
    // However they do: what is to be replaced may be ill.
    plan.add(Phase::Shift, AwaitShrunk { groups: left });
}

/// Its successor starts in that slot, and is healthy.
fn arrive(plan: &mut Sequence, lanes: &[Lane<'_>], round: u32) {
    let comes = |lane: &Lane<'_>| {
        let (from, to) = (lane.there(round - 1), lane.there(round));
        let top = Some(lane.new.params.desired);
        (from != to).then(|| Resize { group: lane.new.into(), from: Some(from), to, top })
    };
    plan.add(Phase::Shift, MoveSlots { groups: lanes.iter().filter_map(comes).collect() });
    plan.add(Phase::Shift, AwaitStable { groups: expected(lanes, round, false) });
    plan.add(Phase::Shift, AwaitRouted { groups: expected(lanes, round, true) });
}

fn take_all(plan: &mut Sequence, cast: &Cast<'_>, from: TrafficState, shares: &Shares) {
    let apply = ApplyTraffic {
        what: format!("move all traffic to {}", cast.names()),
        back: from.clone(),
        from,
        to: shares.after.clone(),
        needs: cast.expected(super::cast::Routed::Only),
        back_needs: Vec::new(),
        becomes: cast.becomes(),
    };
    plan.add(Phase::Shift, apply);
    plan.add(Phase::Shift, AwaitInForce { state: shares.after.clone() });
}

fn expected(lanes: &[Lane<'_>], round: u32, only_routed: bool) -> Vec<Expected> {
    let meant = lanes.iter().filter(|lane| !only_routed || routed(lane.new));
    let meant = meant.filter(|lane| lane.there(round) > 0);
    meant.map(|lane| Expected::of(lane.new, lane.there(round))).collect()
}

impl Lane<'_> {
    /// The highest slot lies below it.
    fn top(&self) -> u32 {
        self.old.map_or(0, |old| old.size).max(self.new.params.desired)
    }

    /// How many old instances are left after a round: slots 0 up to there.
    fn stays(&self, round: u32) -> u32 {
        self.old.map_or(0, |old| old.size).min(self.top().saturating_sub(round))
    }

    /// How many new ones there are: the slots from there on.
    fn there(&self, round: u32) -> u32 {
        self.new.params.desired.saturating_sub(self.top().saturating_sub(round))
    }
}
