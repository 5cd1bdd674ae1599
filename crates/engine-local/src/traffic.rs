//! The [`Traffic`] trait, by the router on this machine.

use crate::LocalEngine;
use crate::engine::store;
use crate::model::{AskedTraffic, Model};
use kiln_engine::{
    Call, ClusterTraffic, EngineError, GroupTraffic, Traffic, TrafficObservation, TrafficState,
    TrafficVersion,
};
use kiln_names::{AppName, EnvName, GroupId};
use kiln_store::local;
use std::time::Duration;

/// How long a table may take to be in force before the caller is told to try again.
const IN_FORCE: Duration = Duration::from_secs(5);

#[async_trait::async_trait]
impl Traffic for LocalEngine {
    async fn apply(
        &self,
        call: Call,
        desired: &TrafficState,
        expected: TrafficVersion,
    ) -> Result<TrafficVersion, EngineError> {
        let mut db = self.begin(call, &desired.app, &desired.env).await?;
        self.know_all_groups(desired)?;
        let key = (desired.app.clone(), desired.env.clone());
        let asked = self.inner.model().traffic.get(&key).cloned();
        let version = asked.as_ref().map(|asked| asked.version).unwrap_or_default();
        if asked.is_some_and(|asked| asked.state == *desired) {
            // The epoch was seen, whatever else is already so.
            db.commit().await.map_err(store)?;
            return self.await_in_force(version).await;
        }
        if version != expected {
            return Err(EngineError::stale(format!(
                "the traffic of {} in {} is at version {}, not {}",
                desired.app, desired.env, version.0, expected.0
            )));
        }
        let next = TrafficVersion(version.0 + 1);
        local::put_traffic(&mut db, &row(desired, next)).await.map_err(store)?;
        db.commit().await.map_err(store)?;
        let asked = AskedTraffic { version: next, state: desired.clone() };
        self.inner.model().traffic.insert(key, asked);
        self.await_in_force(next).await
    }

    async fn observe(
        &self,
        app: &AppName,
        env: &EnvName,
    ) -> Result<TrafficObservation, EngineError> {
        let model = self.inner.model();
        let asked = model.traffic.get(&(app.clone(), env.clone())).cloned();
        let asked = asked.unwrap_or_else(|| AskedTraffic {
            version: TrafficVersion::default(),
            state: TrafficState { app: app.clone(), env: env.clone(), clusters: Vec::new() },
        });
        let shares =
            asked.state.clusters.iter().flat_map(|cluster: &ClusterTraffic| &cluster.shares);
        let groups = shares.map(|share| seen(&model, share.group)).collect();
        Ok(TrafficObservation { version: asked.version, state: asked.state, groups })
    }
}

impl LocalEngine {
    /// Refuses shares of groups that are not there: a weight would send requests to nobody.
    fn know_all_groups(&self, desired: &TrafficState) -> Result<(), EngineError> {
        let model = self.inner.model();
        let mut shares = desired.clusters.iter().flat_map(|cluster| &cluster.shares);
        match shares.find(|share| !model.groups.contains_key(&share.group)) {
            Some(share) => {
                Err(EngineError::not_found(format!("there is no group {}", share.group)))
            }
            None => Ok(()),
        }
    }

    /// Waits until the router carries what is known now.
    async fn await_in_force(&self, version: TrafficVersion) -> Result<TrafficVersion, EngineError> {
        let table = self.inner.link.touch();
        let in_force = tokio::time::timeout(IN_FORCE, self.inner.link.in_force(table)).await;
        in_force.map(|()| version).map_err(|_| {
            EngineError::retry(format!("the router did not take a table within {IN_FORCE:?}"))
        })
    }
}

fn seen(model: &Model, group: GroupId) -> GroupTraffic {
    let of_group = || model.router.instances.values().filter(|said| said.group == group);
    let healthy = of_group().filter(|said| said.health.takes_traffic() && !said.draining).count();
    GroupTraffic {
        group,
        healthy: u32::try_from(healthy).unwrap_or(u32::MAX),
        in_flight: Some(of_group().map(|said| said.in_flight).sum()),
    }
}

fn row(desired: &TrafficState, version: TrafficVersion) -> local::TrafficRow {
    local::TrafficRow {
        app: desired.app.clone(),
        env: desired.env.clone(),
        version: version.0,
        state: serde_json::to_string(desired).expect("a traffic state is plain data"),
    }
}
