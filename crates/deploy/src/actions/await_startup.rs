//! `await-startup`: every instance has passed its start-up check.

use super::expected::{await_instances, patience, sizes, suspects};
use super::{Act, Expected, Outcome, Scene, Touch};
use crate::place::GroupRef;
use kiln_engine::{EngineError, ObservedGroup};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ensures that the instances have become healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitStartup {
    /// The groups with the sizes that are waited for.
    pub groups: Vec<Expected>,
}

#[async_trait::async_trait]
impl Act for AwaitStartup {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("healthy: {}", sizes(&self.groups))
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
        await_instances(scene, &self.groups, "healthy", ObservedGroup::healthy).await
    }
}
