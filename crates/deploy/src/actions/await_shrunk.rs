//! `await-shrunk`: a group has no more instances than it should, however those do.

use super::expected::{patience, sizes};
use super::{Act, Expected, Outcome, Scene, Touch};
use kiln_engine::{EngineError, InstanceState, ObservedGroup};
use kiln_names::Span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Draining takes at most an hour, and stopping comes after it.
const LEAVE: Span = Span::seconds(2 * 3600);

/// Ensures that what was too much of the groups is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitShrunk {
    /// The groups with the sizes that they shrink to.
    pub groups: Vec<Expected>,
}

#[async_trait::async_trait]
impl Act for AwaitShrunk {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("no more than: {}", sizes(&self.groups))
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    fn deadline(&self) -> Duration {
        patience(&self.groups) + LEAVE.get()
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let seen = scene.observe().await?;
        for Expected { group, size, .. } in &self.groups {
            let left = seen.group(group.id).map_or(0, running);
            if left > *size as usize {
                let waiting_for = format!("{group}: {left} instances to be {size}");
                return Ok(Outcome::until_change(waiting_for));
            }
        }
        Ok(Outcome::done())
    }
}

fn running(group: &ObservedGroup) -> usize {
    group.instances.iter().filter(|i| i.state != InstanceState::Exited).count()
}
