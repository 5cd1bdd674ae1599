//! Rolling: new instances take the place of old ones batch by batch, for when two full groups do
//! not fit. Each batch is healthy and has its share of the traffic before as many old ones go.

use super::cast::Cast;
use super::parts::{begin, bring, finish, hold, hook, make, watch};
use super::sequence::Sequence;
use super::{Phase, PlannedAction, Shares};
use crate::actions::{
    ApplyTraffic, AwaitInForce, AwaitRouted, AwaitStable, Expected, Resize, ResizeGroups,
};
use crate::place::{KnownGroup, Place, routed};
use kiln_engine::{GroupSpec, TrafficState};
use kiln_names::{ByteSize, Span};
use kiln_protocol::configuration::HookPoint;
use kiln_protocol::status::GroupState;

/// A process on its way from its old group to its new one.
#[derive(Debug, Clone, Copy)]
struct Lane<'a> {
    new: &'a GroupSpec,
    old: Option<&'a KnownGroup>,
    batch: u32,
}

/// The actions, in order.
pub(super) fn rolling(cast: &Cast<'_>, batch: u32) -> Vec<PlannedAction> {
    let shares = cast.shares();
    let lanes = lanes(cast.place, &cast.new, batch);
    let rounds = rounds(&lanes);
    let mut plan = Sequence::default();
    begin(&mut plan, cast);
    bring(&mut plan, cast);
    make(&mut plan, cast);
    hold(&mut plan, cast.in_force, &shares);
    let mut from = shares.held.clone();
    for round in 1..=rounds {
        arrive(&mut plan, &lanes, round);
        if round == 1 {
            hook(&mut plan, cast, Phase::Shift, HookPoint::BeforeShift);
        }
        if round == 1 && cast.pauses.pause_after_instances_healthy {
            plan.add(Phase::Shift, cast.pause("the traffic moves"));
        }
        from = shift(&mut plan, cast, &lanes, (from, &shares), round, rounds);
        if round == rounds && cast.pauses.pause_before_old_removed {
            plan.add(Phase::Shift, cast.pause("the last old instances go"));
        }
        plan.add(Phase::Shift, ResizeGroups { groups: shrinks(&lanes, round) });
    }
    watch(&mut plan, cast);
    // Nothing is left of the old groups that could be kept warm.
    finish(&mut plan, cast, Span::ZERO);
    plan.into_actions()
}

/// What a rolling deployment needs at its height beyond what runs.
pub(crate) fn memory_beyond(place: &Place, new: &[GroupSpec], batch: u32) -> ByteSize {
    let lanes = lanes(place, new, batch);
    let bytes = |spec: &GroupSpec, count: u32| spec.params.memory.0.saturating_mul(count.into());
    let at = |round: u32| {
        let each = lanes.iter().map(|lane| {
            let old = lane.old.map_or(0, |old| bytes(&old.spec, lane.stays(round - 1)));
            bytes(lane.new, lane.there(round)).saturating_add(old)
        });
        each.fold(0, u64::saturating_add)
    };
    let height = (1..=rounds(&lanes)).map(at).max().unwrap_or(0);
    let runs = lanes.iter().filter_map(|lane| lane.old).map(|old| bytes(&old.spec, old.size));
    ByteSize(height.saturating_sub(runs.fold(0, u64::saturating_add)))
}

fn lanes<'a>(place: &'a Place, new: &'a [GroupSpec], batch: u32) -> Vec<Lane<'a>> {
    let old = |spec: &GroupSpec| {
        place.in_state(GroupState::Active).find(|group| group.spec.process == spec.process)
    };
    new.iter().map(|new| Lane { new, old: old(new), batch: batch.max(1) }).collect()
}

fn rounds(lanes: &[Lane<'_>]) -> u32 {
    let rounds = lanes.iter().map(|lane| lane.new.params.desired.div_ceil(lane.batch));
    rounds.max().unwrap_or(1).max(1)
}

/// The next batch starts and becomes healthy.
fn arrive(plan: &mut Sequence, lanes: &[Lane<'_>], round: u32) {
    let grow = |lane: &Lane<'_>| Resize {
        group: lane.new.into(),
        from: (round > 1).then(|| lane.there(round - 1)),
        to: lane.there(round),
        top: None,
    };
    let grown = lanes.iter().filter(|lane| round == 1 || lane.there(round) > lane.there(round - 1));
    plan.add(Phase::Shift, ResizeGroups { groups: grown.map(grow).collect() });
    plan.add(Phase::Shift, AwaitStable { groups: expected(lanes, round, false) });
    plan.add(Phase::Shift, AwaitRouted { groups: expected(lanes, round, true) });
}

/// Every instance, old or new, has the same share; after the last round the new ones have all.
fn shift(
    plan: &mut Sequence,
    cast: &Cast<'_>,
    lanes: &[Lane<'_>],
    (from, shares): (TrafficState, &Shares),
    round: u32,
    rounds: u32,
) -> TrafficState {
    let last = round == rounds;
    let to = if last { shares.after.clone() } else { divided(shares, lanes, round) };
    let olds = lanes.iter().filter_map(|lane| Some((lane, lane.old.filter(|old| old.routed())?)));
    let apply = ApplyTraffic {
        what: match last {
            true => format!("move all traffic to {}", cast.names()),
            false => format!("share the traffic with batch {round} of {rounds}"),
        },
        back: from.clone(),
        from,
        to: to.clone(),
        needs: expected(lanes, round, true),
        back_needs: olds
            .map(|(lane, old)| Expected::of(&old.spec, lane.stays(round - 1)))
            .collect(),
        becomes: if last { cast.becomes() } else { Vec::new() },
    };
    plan.add(Phase::Shift, apply);
    plan.add(Phase::Shift, AwaitInForce { state: to.clone() });
    to
}

fn divided(shares: &Shares, lanes: &[Lane<'_>], round: u32) -> TrafficState {
    let of = |lane: &Lane<'_>, group| {
        let old = lane.old?;
        let known = [(lane.new.id, lane.there(round)), (old.spec.id, lane.stays(round))];
        known.into_iter().find(|(id, _)| *id == group).map(|(_, weight)| weight)
    };
    shares.weighted(|group| lanes.iter().find_map(|lane| of(lane, group)))
}

/// As many old instances go as new ones came.
fn shrinks(lanes: &[Lane<'_>], round: u32) -> Vec<Resize> {
    let shrink = |lane: &Lane<'_>| {
        let (from, to) = (lane.stays(round - 1), lane.stays(round));
        let old = lane.old.filter(|_| from != to)?;
        Some(Resize { group: old.group(), from: Some(from), to, top: None })
    };
    lanes.iter().filter_map(shrink).collect()
}

fn expected(lanes: &[Lane<'_>], round: u32, only_routed: bool) -> Vec<Expected> {
    let meant = lanes.iter().filter(|lane| !only_routed || routed(lane.new));
    meant.map(|lane| Expected::of(lane.new, lane.there(round))).collect()
}

impl Lane<'_> {
    /// How many new instances there are in a round.
    fn there(&self, round: u32) -> u32 {
        self.new.params.desired.min(self.batch.saturating_mul(round))
    }

    /// How many old ones are left after a round: the same part that is missing of the new ones,
    /// rounded up, so that there are never fewer in all than the smaller of the two sizes.
    fn stays(&self, round: u32) -> u32 {
        let size = self.old.map_or(0, |old| old.size);
        let (there, wanted) = (self.there(round), self.new.params.desired);
        if round == 0 {
            return size;
        }
        let gone = u64::from(size) * u64::from(there);
        let gone = gone.checked_div(u64::from(wanted)).unwrap_or(u64::from(size));
        size - u32::try_from(gone).expect("it is at most the size")
    }
}
