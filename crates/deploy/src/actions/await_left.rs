//! `await-left`: a group that has begun to leave cannot come back before it has left. One that has
//! not begun may stay.

use super::{Act, Outcome, Scene, Touch, names};
use crate::place::GroupRef;
use kiln_engine::EngineError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Draining takes at most an hour, and stopping comes after it.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);

/// Ensures that none of the groups is on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitLeft {
    /// The groups.
    pub groups: Vec<GroupRef>,
}

#[async_trait::async_trait]
impl Act for AwaitLeft {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("{} there or gone", names(&self.groups))
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    fn deadline(&self) -> Duration {
        PATIENCE
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let seen = scene.observe().await?;
        let leaving = |group: &&GroupRef| seen.group(group.id).is_some_and(|seen| seen.removing);
        let left = self.groups.iter().find(leaving);
        let wait = |group: &GroupRef| Outcome::until_change(format!("{group} to have left"));
        Ok(left.map_or_else(Outcome::done, wait))
    }
}
