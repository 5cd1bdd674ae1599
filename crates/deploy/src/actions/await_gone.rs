//! `await-gone`: nothing is left of removed groups.

use super::{Act, Outcome, Scene, Touch, names};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use kiln_engine::EngineError;
use kiln_names::Span;
use kiln_protocol::status::GroupState;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ensures that the groups are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitGone {
    /// The groups.
    pub groups: Vec<GroupRef>,
    /// How long draining and stopping may take.
    pub patience: Span,
}

/// What an engine may take beyond draining and stopping.
const SLACK: Duration = Duration::from_secs(60);

#[async_trait::async_trait]
impl Act for AwaitGone {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("{} gone", names(&self.groups))
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    fn deadline(&self) -> Duration {
        self.patience.get() + SLACK
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let seen = scene.observe().await?;
        let left = self.groups.iter().find_map(|group| Some((group, seen.group(group.id)?)));
        Ok(match left {
            None => Outcome::done(),
            Some((group, observed)) => {
                let count = observed.instances.len();
                Outcome::until_change(format!("{group} to be gone, {count} instances are left"))
            }
        })
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        for group in &self.groups {
            ledger.cancel_retirement(group.id).await?;
            ledger.group_is(group.id, GroupState::Gone).await?;
        }
        Ok(())
    }
}
