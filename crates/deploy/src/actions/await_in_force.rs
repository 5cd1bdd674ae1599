//! `await-in-force`: whoever carries the requests says that it goes by the new routes and weights.

use super::{Act, Outcome, Scene, Touch};
use crate::plan::sorted;
use kiln_engine::{EngineError, TrafficState};
use serde::{Deserialize, Serialize};

/// Ensures that the state is in force everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitInForce {
    /// The state.
    pub state: TrafficState,
}

#[async_trait::async_trait]
impl Act for AwaitInForce {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        "routes and weights in force".to_owned()
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let seen = scene.traffic().await?;
        let version = seen.version.0;
        if sorted(&seen.state) != sorted(&self.state) {
            return Ok(Outcome::poll(format!(
                "the new routes and weights: version {version} is there"
            )));
        }
        match seen.awaits {
            None => Ok(Outcome::noted(format!("version {version}"))),
            Some(who) => Ok(Outcome::poll(format!("version {version} to reach {who}"))),
        }
    }
}
