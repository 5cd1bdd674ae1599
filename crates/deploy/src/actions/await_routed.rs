//! `await-routed`: whoever carries the requests sees every instance healthy, by checks of its own.

use super::expected::{not_routed, patience, sizes, suspects};
use super::{Act, Expected, Outcome, Scene, Touch};
use crate::place::GroupRef;
use kiln_engine::EngineError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ensures that the groups can take requests now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitRouted {
    /// The groups with the sizes that are waited for.
    pub groups: Vec<Expected>,
}

#[async_trait::async_trait]
impl Act for AwaitRouted {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("healthy for the router: {}", sizes(&self.groups))
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
        let seen = scene.traffic().await?;
        Ok(not_routed(&seen, &self.groups).map_or_else(Outcome::done, Outcome::poll))
    }
}
