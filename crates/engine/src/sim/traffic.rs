//! The simulated engine as a [`Traffic`].

use super::world::World;
use super::{Called, Operation, SimEngine};
use crate::{
    Call, EngineError, Figures, GroupTraffic, Traffic, TrafficObservation, TrafficState,
    TrafficVersion,
};
use kiln_names::{AppName, EnvName};

#[async_trait::async_trait]
impl Traffic for SimEngine {
    async fn apply(
        &self,
        call: Call,
        desired: &TrafficState,
        expected: TrafficVersion,
    ) -> Result<TrafficVersion, EngineError> {
        let called = Called::changing(Operation::ApplyTraffic, call);
        self.call(called, |world| world.apply(call, desired, expected)).await
    }

    async fn figures(&self, app: &AppName, env: &EnvName) -> Result<Vec<Figures>, EngineError> {
        self.call(Called::looking(Operation::Figures), |world| Ok(world.figures(app, env))).await
    }

    async fn observe(
        &self,
        app: &AppName,
        env: &EnvName,
    ) -> Result<TrafficObservation, EngineError> {
        let called = Called::looking(Operation::ObserveTraffic);
        self.call(called, |world| Ok(world.observe_traffic(app, env))).await
    }
}

// === impl World ===

impl World {
    fn apply(
        &mut self,
        call: Call,
        desired: &TrafficState,
        expected: TrafficVersion,
    ) -> Result<TrafficVersion, EngineError> {
        let TrafficState { app, env, clusters } = desired;
        self.admit(call, app, env)?;
        for share in clusters.iter().flat_map(|cluster| &cluster.shares) {
            if self.groups.get(&share.group).is_none_or(|group| group.removing) {
                let message = format!("give traffic to group {}: it is not there", share.group);
                return Err(EngineError::not_found(message));
            }
        }
        let in_force = self.in_force(app, env);
        if in_force.1 == *desired {
            return Ok(in_force.0);
        }
        if in_force.0 != expected {
            let (found, expected) = (in_force.0.0, expected.0);
            let message =
                format!("change the traffic of {app} in {env}: version {found}, not {expected}");
            return Err(EngineError::stale(message));
        }
        let version = TrafficVersion(expected.0 + 1);
        self.traffic.insert((app.clone(), env.clone()), (version, desired.clone()));
        Ok(version)
    }

    pub(super) fn in_force(&self, app: &AppName, env: &EnvName) -> (TrafficVersion, TrafficState) {
        let key = (app.clone(), env.clone());
        self.traffic.get(&key).cloned().unwrap_or_else(|| {
            let nothing = TrafficState { app: app.clone(), env: env.clone(), clusters: Vec::new() };
            (TrafficVersion::default(), nothing)
        })
    }

    fn figures(&self, app: &AppName, env: &EnvName) -> Vec<Figures> {
        let groups = self.groups.values();
        let ours = groups.filter(|group| group.spec.app == *app && group.spec.env == *env);
        let counted = |group: &super::world::SimGroup| {
            let counted = self.counted.get(&group.spec.image)?.clone();
            Some(Figures { group: group.spec.id, ..counted })
        };
        ours.filter_map(counted).collect()
    }

    fn observe_traffic(&self, app: &AppName, env: &EnvName) -> TrafficObservation {
        let (version, state) = self.in_force(app, env);
        let seen = self.seen(Some((app, env)));
        let shares = state.clusters.iter().flat_map(|cluster| &cluster.shares);
        let known = shares.filter_map(|share| seen.iter().find(|group| group.id == share.group));
        let groups = known.map(|group| {
            let healthy = u32::try_from(group.healthy()).unwrap_or(u32::MAX);
            GroupTraffic { group: group.id, healthy, in_flight: Some(0) }
        });
        let groups = groups.collect();
        TrafficObservation { awaits: None, version, state, groups, external: Vec::new() }
    }
}
