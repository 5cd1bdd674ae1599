//! `await-stable`: every instance is healthy in one and the same look, and none is too many.

use super::expected::{await_instances, patience, sizes, suspects};
use super::{Act, Expected, Outcome, Scene, Touch};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use kiln_engine::{EngineError, InstanceState, ObservedGroup};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ensures that the groups are whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitStable {
    /// The groups with the sizes that are waited for.
    pub groups: Vec<Expected>,
}

#[async_trait::async_trait]
impl Act for AwaitStable {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("stable: {}", sizes(&self.groups))
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
        await_instances(scene, &self.groups, "stable", stable).await
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        for Expected { group, .. } in &self.groups {
            ledger.group_is_ready(group.id).await?;
        }
        Ok(())
    }
}

/// A group with instances beside those that it should have is not stable at any count.
fn stable(group: &ObservedGroup) -> usize {
    let runs = group.instances.iter().filter(|i| i.state != InstanceState::Exited).count();
    let surplus = runs.saturating_sub(group.desired as usize);
    group.healthy().saturating_sub(surplus)
}
