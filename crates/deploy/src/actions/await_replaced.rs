//! `await-replaced`: the replaced instance is gone, and its group is whole.

use super::expected::{await_instances, patience, suspects};
use super::{Act, Expected, Outcome, Scene, Touch};
use crate::place::GroupRef;
use kiln_engine::{EngineError, ObservedGroup};
use kiln_names::InstanceId;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What draining and stopping the old instance may take.
const DRAIN_AND_STOP: Duration = Duration::from_secs(600);

/// Ensures that the group is whole without the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitReplaced {
    /// The instance.
    pub instance: InstanceId,
    /// Its group with its size.
    pub expected: Expected,
}

#[async_trait::async_trait]
impl Act for AwaitReplaced {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("{} whole without {}", self.expected.group, self.instance)
    }

    fn deadline(&self) -> Duration {
        patience(std::slice::from_ref(&self.expected)) + DRAIN_AND_STOP
    }

    fn suspects(&self) -> Vec<GroupRef> {
        suspects(std::slice::from_ref(&self.expected))
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let old = self.instance;
        let whole = move |group: &ObservedGroup| {
            let left = group.instances.iter().any(|instance| instance.id == old);
            if left { 0 } else { group.healthy() }
        };
        let groups = std::slice::from_ref(&self.expected);
        await_instances(scene, groups, "healthy without the old one", whole).await
    }
}
