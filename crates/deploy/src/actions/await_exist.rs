//! `await-exist`: the engine has taken up every instance that was asked for.

use super::expected::{await_instances, patience, sizes, suspects};
use super::{Act, Expected, Outcome, Scene, Touch};
use crate::place::GroupRef;
use kiln_engine::EngineError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ensures that the instances are there, started or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitExist {
    /// The groups with the sizes that are waited for.
    pub groups: Vec<Expected>,
}

#[async_trait::async_trait]
impl Act for AwaitExist {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("there: {}", sizes(&self.groups))
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
        await_instances(scene, &self.groups, "there", |group| group.instances.len()).await
    }
}
