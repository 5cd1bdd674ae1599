//! `cancel-retirement`: a rollback takes warm groups back in the same transaction that seals its
//! plan, so that nobody removes them while they take over.

use super::{Act, Action, RetireGroups, Retiree, Touch, names};
use crate::ledger::{Ledger, LedgerError};
use kiln_protocol::status::GroupState;
use serde::{Deserialize, Serialize};

/// Ensures that the groups do not wait to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRetirement {
    /// The groups, with when they would have been due.
    pub groups: Vec<Retiree>,
}

#[async_trait::async_trait]
impl Act for CancelRetirement {
    fn touch(&self) -> Touch {
        Touch::Records
    }

    fn summary(&self) -> String {
        format!("take {} back", names(self.groups.iter().map(|retiree| &retiree.group)))
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    fn undo(&self) -> Vec<Action> {
        vec![RetireGroups { groups: self.groups.clone(), hasten: false }.into()]
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        for Retiree { group, .. } in &self.groups {
            ledger.cancel_retirement(group.id).await?;
            ledger.group_is(group.id, GroupState::Ready).await?;
        }
        Ok(())
    }
}
