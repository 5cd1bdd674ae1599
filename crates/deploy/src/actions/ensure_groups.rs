//! `ensure-groups`: new groups exist, without instances and without traffic. The database knows
//! them first, so that none is ever forgotten.

use super::{Act, Action, AwaitGone, Outcome, RemoveGroups, Scene, Touch, names};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use kiln_engine::{EngineError, GroupSpec};
use kiln_names::Span;
use serde::{Deserialize, Serialize};

/// How long the instances of a group that never had traffic may take to stop, beyond their own
/// time.
const STOP_SLACK: u64 = 30;

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
        let times = self
            .specs
            .iter()
            .map(|spec| (spec.params.drain_timeout.get() + spec.run.stop.timeout.get()).as_secs());
        let patience = Span::seconds(times.max().unwrap_or_default() + STOP_SLACK);
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
