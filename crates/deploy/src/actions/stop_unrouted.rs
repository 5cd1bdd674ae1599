//! `stop-unrouted`: old groups that take no requests stop before traffic moves, so that old and
//! new workers do not go on side by side. They are not waited for: what they had begun they end.

use super::resize_groups::sizes;
use super::{Act, Action, AwaitStable, Expected, Outcome, Resize, ResizeGroups, Scene, Touch};
use crate::ledger::{Ledger, LedgerError};
use kiln_engine::EngineError;
use serde::{Deserialize, Serialize};

/// Ensures that the groups should have no instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopUnrouted {
    /// The groups, with the sizes they had.
    pub groups: Vec<Resize>,
}

#[async_trait::async_trait]
impl Act for StopUnrouted {
    fn touch(&self) -> Touch {
        Touch::Changes
    }

    fn summary(&self) -> String {
        format!("stop {}", sizes(&self.groups))
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        ResizeGroups { groups: self.groups.clone() }.run(scene).await
    }

    fn undo(&self) -> Vec<Action> {
        let before = |it: &Resize| Expected::again(&it.group, it.from.unwrap_or_default());
        let groups = self.groups.iter().map(before).collect();
        let mut undo = ResizeGroups { groups: self.groups.clone() }.undo();
        undo.push(AwaitStable { groups }.into());
        undo
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        ResizeGroups { groups: self.groups.clone() }.finished(ledger).await
    }
}
