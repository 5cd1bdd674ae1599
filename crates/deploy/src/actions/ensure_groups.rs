//! `ensure-groups`: new groups exist, without instances and without traffic. The database knows
//! them first, so that none is ever forgotten.

use super::{Act, Action, AwaitGone, Outcome, RemoveGroups, Scene, Touch, names};
use crate::ledger::{Ledger, LedgerError};
use crate::place::{GroupRef, time_to_leave};
use kiln_engine::{EngineError, GroupSpec};
use serde::{Deserialize, Serialize};

/// Ensures that the groups exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnsureGroups {
    /// Everything that their instances need.
    pub specs: Vec<GroupSpec>,
}

impl EnsureGroups {
    fn groups(&self) -> Vec<GroupRef> {
        self.specs.iter().map(GroupRef::from).collect()
    }
}

#[async_trait::async_trait]
impl Act for EnsureGroups {
    fn touch(&self) -> Touch {
        Touch::Changes
    }

    fn summary(&self) -> String {
        format!("make {}", names(&self.groups()))
    }

    fn is_idle(&self) -> bool {
        self.specs.is_empty()
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        for spec in &self.specs {
            scene.provider.engine.ensure_group(scene.call, spec).await?;
        }
        Ok(Outcome::done())
    }

    fn undo(&self) -> Vec<Action> {
        let patience = self.specs.iter().map(time_to_leave).max().unwrap_or_default();
        let groups = self.groups();
        vec![
            RemoveGroups { groups: groups.clone(), restore: Vec::new() }.into(),
            AwaitGone { groups, patience }.into(),
        ]
    }

    async fn intended(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        for spec in &self.specs {
            ledger.add_group(spec).await?;
        }
        Ok(())
    }
}
