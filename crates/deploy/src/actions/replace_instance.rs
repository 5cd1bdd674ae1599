//! `replace-instance`: an identical instance first, then this one is drained and stopped.

use super::{Act, Outcome, Scene, Touch};
use crate::place::GroupRef;
use kiln_engine::EngineError;
use kiln_names::InstanceId;
use serde::{Deserialize, Serialize};

/// Ensures that the instance is being replaced. An instance is like any other of its group: there
/// is nothing to undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceInstance {
    /// The instance.
    pub instance: InstanceId,
    /// Its group.
    pub group: GroupRef,
}

#[async_trait::async_trait]
impl Act for ReplaceInstance {
    fn touch(&self) -> Touch {
        Touch::Changes
    }

    fn summary(&self) -> String {
        format!("replace {} of {}", self.instance, self.group)
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let seen = scene.observe().await?;
        let there = seen.group(self.group.id).is_some_and(|group| {
            group.instances.iter().any(|instance| instance.id == self.instance)
        });
        if !there {
            return Ok(Outcome::already_so());
        }
        scene.provider.engine.replace_instance(scene.call, self.instance).await?;
        Ok(Outcome::done())
    }
}
