//! The [`Traffic`] trait, by the router.

use crate::engine::store;
use crate::model::{AskedTraffic, Model};
use crate::{FIRST_TABLE, Keeper, chain, external};
use kiln_engine::{
    Call, ClusterTraffic, EngineError, Figures, GroupTraffic, Traffic, TrafficObservation,
    TrafficState, TrafficVersion,
};
use kiln_names::{AppName, EnvName, GroupId};
use kiln_router::GroupStatus;
use kiln_store::local;
use std::time::Duration;

/// How long a table may take to be in force before the caller is told to try again.
const IN_FORCE: Duration = Duration::from_secs(5);

#[async_trait::async_trait]
impl Traffic for Keeper {
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
        let table = asked.as_ref().map_or(FIRST_TABLE, |asked| asked.table);
        if asked.is_some_and(|asked| asked.state == *desired) {
            // The epoch was seen, whatever else is already so.
            db.commit().await.map_err(store)?;
            return self.await_in_force(version, table).await;
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
        let asked = AskedTraffic { version: next, state: desired.clone(), table: u64::MAX };
        self.inner.model().traffic.insert(key.clone(), asked);
        let table = self.inner.link.touch();
        if let Some(asked) = self.inner.model().traffic.get_mut(&key) {
            asked.table = table;
        }
        self.await_in_force(next, table).await
    }

    async fn figures(&self, app: &AppName, env: &EnvName) -> Result<Vec<Figures>, EngineError> {
        let counted = self.inner.link.counted().await;
        let (counted, by) = counted.map_err(|error| EngineError::retry(chain(&error)))?;
        let model = self.inner.model();
        let ours = |group: &GroupStatus| {
            let spec = &model.groups.get(&group.id)?.spec;
            (spec.app == *app && spec.env == *env).then(|| figures(group, by))
        };
        Ok(counted.iter().filter_map(ours).collect())
    }

    async fn observe(
        &self,
        app: &AppName,
        env: &EnvName,
    ) -> Result<TrafficObservation, EngineError> {
        let asked = self.inner.model().traffic.get(&(app.clone(), env.clone())).cloned();
        let asked = asked.unwrap_or_else(|| AskedTraffic {
            version: TrafficVersion::default(),
            state: TrafficState { app: app.clone(), env: env.clone(), clusters: Vec::new() },
            table: FIRST_TABLE,
        });
        // Not while the model is held: who hears of routers takes that second.
        let awaits = self.inner.awaits(asked.table);
        let model = self.inner.model();
        let shares =
            asked.state.clusters.iter().flat_map(|cluster: &ClusterTraffic| &cluster.shares);
        let groups = shares.map(|share| seen(&model, share.group)).collect();
        let external = external::seen(&model, &asked.state).collect();
        let AskedTraffic { version, state, .. } = asked;
        Ok(TrafficObservation { awaits, version, state, groups, external })
    }
}

impl Keeper {
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

    /// Waits until the routers carry a table.
    async fn await_in_force(
        &self,
        version: TrafficVersion,
        table: u64,
    ) -> Result<TrafficVersion, EngineError> {
        let in_force = tokio::time::timeout(IN_FORCE, self.inner.in_force(table)).await;
        in_force.map(|()| version).map_err(|_| {
            let who = self.inner.awaits(table).unwrap_or_else(|| "the router".to_owned());
            EngineError::retry(format!("bring a table to {who} within {IN_FORCE:?}"))
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

/// Whatever the router answered for an instance that did not counts as its failure.
fn figures(counted: &GroupStatus, by: u64) -> Figures {
    let [.., server_errors] = counted.statuses;
    // An error that broke off as well is one request.
    let failed = server_errors.saturating_add(counted.broken).min(counted.requests);
    Figures {
        group: counted.id,
        by,
        requests: counted.requests,
        failed,
        times: counted.latency.buckets().collect(),
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
