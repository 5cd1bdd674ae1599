//! `await-started`: every instance runs; its check may still fail.

use super::expected::{await_instances, patience, sizes, suspects};
use super::{Act, Expected, Outcome, Scene, Touch};
use crate::place::GroupRef;
use kiln_engine::{EngineError, InstanceState, ObservedGroup};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ensures that the instances have started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitStarted {
    /// The groups with the sizes that are waited for.
    pub groups: Vec<Expected>,
}

#[async_trait::async_trait]
impl Act for AwaitStarted {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("started: {}", sizes(&self.groups))
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    fn deadline(&self) -> Duration {
        patience(&self.groups)
    }

    fn suspects(&self) -> Vec<GroupRef> {
        suspects(&self.groups)
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        await_instances(scene, &self.groups, "started", started).await
    }
}

fn started(group: &ObservedGroup) -> usize {
    use InstanceState::{Healthy, Starting, Unhealthy};
    let runs = |state: InstanceState| matches!(state, Starting | Healthy | Unhealthy);
    group.instances.iter().filter(|instance| runs(instance.state)).count()
}
