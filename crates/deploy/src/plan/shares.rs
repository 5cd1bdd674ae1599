//! Which group takes which share of the traffic, before, while and after it moves.

use crate::Target;
use crate::place::{Place, routed};
use kiln_engine::{ClusterTraffic, GroupSpec, Share, TrafficState};
use kiln_names::{GroupId, ProcessName};
use kiln_protocol::status::GroupState;

/// The weight of a group that takes all of its cluster's requests.
const ALL: u32 = 100;

/// The traffic at each stage of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shares {
    /// As the database has it: active groups take all, warm ones are checked.
    pub(crate) before: TrafficState,
    /// New groups are checked beside them.
    pub(crate) held: TrafficState,
    /// New groups take all; those they replace are checked.
    pub(crate) after: TrafficState,
}

impl Shares {
    /// The stages of a deployment that brings the given groups, some of which may be warm ones.
    pub(crate) fn plan(target: &Target, place: &Place, incoming: &[&GroupSpec]) -> Self {
        let comes = |id: GroupId| incoming.iter().any(|spec| spec.id == id);
        let mut before = Draft::default();
        for group in place.in_state(GroupState::Active).filter(|group| group.routed()) {
            before.take_all(&group.spec);
        }
        for group in place.in_state(GroupState::Warm).filter(|group| group.routed()) {
            before.check(&group.spec);
        }
        let mut held = before.clone();
        let mut after = Draft::default();
        for spec in incoming.iter().filter(|spec| routed(spec)) {
            held.check(spec);
            after.take_all(spec);
        }
        // What was warm before goes at once; what was active is kept to take over again.
        for group in place.in_state(GroupState::Active).filter(|group| group.routed()) {
            if !comes(group.spec.id) {
                after.check(&group.spec);
            }
        }
        Self {
            before: before.finish(target),
            held: held.finish(target),
            after: after.finish(target),
        }
    }
}

impl Shares {
    /// What is held, with other weights for some of the groups.
    pub(super) fn weighted(&self, weight: impl Fn(GroupId) -> Option<u32>) -> TrafficState {
        let mut state = self.held.clone();
        for share in state.clusters.iter_mut().flat_map(|cluster| &mut cluster.shares) {
            share.weight = weight(share.group).unwrap_or(share.weight);
        }
        state
    }
}

#[derive(Debug, Clone, Default)]
struct Draft(Vec<ClusterTraffic>);

impl Draft {
    fn cluster(&mut self, spec: &GroupSpec) -> &mut ClusterTraffic {
        let known = self.0.iter().position(|cluster| cluster.process == spec.process);
        let at = known.unwrap_or_else(|| {
            let process = spec.process.clone();
            self.0.push(unrouted(process));
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    fn take_all(&mut self, spec: &GroupSpec) {
        let cluster = self.cluster(spec);
        cluster.routes.clone_from(&spec.params.routes);
        cluster.external.clone_from(&spec.params.external);
        cluster.shares.push(Share { group: spec.id, weight: ALL });
    }

    /// Known to the traffic, so that it is checked, and without requests.
    fn check(&mut self, spec: &GroupSpec) {
        let shares = &mut self.cluster(spec).shares;
        if !shares.iter().any(|share| share.group == spec.id) {
            shares.push(Share { group: spec.id, weight: 0 });
        }
    }

    fn finish(self, target: &Target) -> TrafficState {
        let state =
            TrafficState { app: target.app.clone(), env: target.env.clone(), clusters: self.0 };
        sorted(&state)
    }
}

/// A cluster that no request reaches.
const fn unrouted(process: ProcessName) -> ClusterTraffic {
    ClusterTraffic { process, routes: Vec::new(), shares: Vec::new(), external: None }
}

/// The same state in an order that does not depend on who wrote it.
pub(crate) fn sorted(state: &TrafficState) -> TrafficState {
    let mut state = state.clone();
    for cluster in &mut state.clusters {
        cluster.routes.sort();
        cluster.shares.sort_by_key(|share| share.group);
    }
    state.clusters.sort_by(|a, b| a.process.cmp(&b.process));
    state
}

/// What is in force, with every group of `to` known to the traffic: those that it did not know are
/// checked from then on, and get no requests.
pub(crate) fn introduced(in_force: &TrafficState, to: &TrafficState) -> TrafficState {
    let mut state = in_force.clone();
    for wanted in &to.clusters {
        let at = state.clusters.iter().position(|known| known.process == wanted.process);
        let at = at.unwrap_or_else(|| {
            let process = wanted.process.clone();
            state.clusters.push(unrouted(process));
            state.clusters.len() - 1
        });
        let shares = &mut state.clusters[at].shares;
        for share in &wanted.shares {
            if !shares.iter().any(|known| known.group == share.group) {
                shares.push(Share { group: share.group, weight: 0 });
            }
        }
    }
    sorted(&state)
}

/// The same without groups that are not among the given ones: nobody can give traffic to what is gone,
/// and what is in force may name, without weight, groups that went long ago.
pub(crate) fn only(state: &TrafficState, groups: &[GroupId]) -> TrafficState {
    let mut state = state.clone();
    for cluster in &mut state.clusters {
        cluster.shares.retain(|share| groups.contains(&share.group));
    }
    state.clusters.retain(|cluster| !cluster.shares.is_empty());
    state
}

/// Whether requests go the same ways in both: groups that are only checked do not matter.
pub(crate) fn same_requests(one: &TrafficState, other: &TrafficState) -> bool {
    let ways = |state: &TrafficState| {
        let mut state = sorted(state);
        for cluster in &mut state.clusters {
            cluster.shares.retain(|share| share.weight > 0);
        }
        state.clusters.retain(|cluster| !cluster.shares.is_empty());
        state
    };
    ways(one) == ways(other)
}
