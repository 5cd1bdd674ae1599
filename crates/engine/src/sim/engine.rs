//! The simulated engine as an [`Engine`].

use super::{Called, Operation, SimEngine};
use crate::{
    Call, Capabilities, Capacity, Depth, Drift, EndedInstance, Engine, EngineError, GroupSpec,
    LogLine, LogQuery, LogStream, MemoryPeak, Observation, Slots, without_settings,
};
use kiln_names::{AppName, Digest, EnvName, GroupId, InstanceId};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;

#[async_trait::async_trait]
impl Engine for SimEngine {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_switch: true,
            weights: true,
            host_network: true,
            secrets: true,
            volumes: true,
        }
    }

    fn accept(&self, settings: &Map<String, Value>) -> Result<(), String> {
        without_settings(settings)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Self::changes(self)
    }

    async fn capacity(&self) -> Result<Capacity, EngineError> {
        self.call(Called::looking(Operation::Capacity), |world| Ok(world.capacity)).await
    }

    async fn ensure_image(&self, image: &Digest) -> Result<String, EngineError> {
        self.call(Called::looking(Operation::EnsureImage), |_| Ok(format!("sim/{}", image.short())))
            .await
    }

    async fn ensure_group(&self, call: Call, spec: &GroupSpec) -> Result<(), EngineError> {
        self.call(Called::changing(Operation::EnsureGroup, call), |world| {
            world.ensure_group(call, spec)
        })
        .await
    }

    async fn resize_group(
        &self,
        call: Call,
        group: GroupId,
        slots: Slots,
    ) -> Result<(), EngineError> {
        self.call(Called::changing(Operation::ResizeGroup, call), |world| {
            world.resize(call, group, slots)
        })
        .await
    }

    async fn observe(
        &self,
        scope: Option<(&AppName, &EnvName)>,
    ) -> Result<Observation, EngineError> {
        self.call(Called::looking(Operation::Observe), |world| {
            Ok(Observation { groups: world.seen(scope), age: Duration::ZERO })
        })
        .await
    }

    async fn replace_instance(&self, call: Call, instance: InstanceId) -> Result<(), EngineError> {
        self.call(Called::changing(Operation::ReplaceInstance, call), |world| {
            world.replace(call, instance)
        })
        .await
    }

    async fn remove_group(&self, call: Call, group: GroupId) -> Result<(), EngineError> {
        self.call(Called::changing(Operation::RemoveGroup, call), |world| world.remove(call, group))
            .await
    }

    async fn ended(&self, app: &AppName, env: &EnvName) -> Result<Vec<EndedInstance>, EngineError> {
        self.call(Called::looking(Operation::Ended), |world| {
            let own = world.ended.iter().filter(|(a, e, _)| a == app && e == env);
            Ok(own.map(|(.., ended)| ended.clone()).collect())
        })
        .await
    }

    async fn peaks(&self, app: &AppName, env: &EnvName) -> Result<Vec<MemoryPeak>, EngineError> {
        self.call(Called::looking(Operation::Peaks), |world| {
            Ok(world.peaks.get(&(app.clone(), env.clone())).cloned().unwrap_or_default())
        })
        .await
    }

    async fn drift(&self, _depth: Depth) -> Result<Vec<Drift>, EngineError> {
        self.call(Called::looking(Operation::Drift), |world| Ok(world.drift.clone())).await
    }

    async fn logs(&self, query: LogQuery) -> Result<LogStream, EngineError> {
        let lines = self
            .call(Called::looking(Operation::Logs), |world| Ok(select(&world.lines, &query)))
            .await?;
        Ok(Box::pin(futures_util::stream::iter(lines)))
    }
}

/// The last lines of every instance that is asked for, in their order.
fn select(lines: &[LogLine], query: &LogQuery) -> Vec<LogLine> {
    let stem = format!("{}-{}-", query.app, query.env);
    let mut left: HashMap<InstanceId, usize> = HashMap::new();
    let mut kept: Vec<LogLine> = lines
        .iter()
        .rev()
        .filter(|line| line.group.as_str().starts_with(&stem))
        .filter(|line| query.group.as_ref().is_none_or(|group| line.group == *group))
        .filter(|line| query.instance.is_none_or(|instance| line.instance == instance))
        .filter(|line| {
            let left = left.entry(line.instance).or_insert(query.tail);
            *left > 0 && {
                *left -= 1;
                true
            }
        })
        .cloned()
        .collect();
    kept.reverse();
    kept
}
