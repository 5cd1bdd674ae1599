//! `mark-active`: groups that an undo brought back count as active again.

use super::{Act, Touch, names};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use kiln_protocol::status::GroupState;
use serde::{Deserialize, Serialize};

/// Ensures that the groups count as active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkActive {
    /// The groups.
    pub groups: Vec<GroupRef>,
}

#[async_trait::async_trait]
impl Act for MarkActive {
    fn touch(&self) -> Touch {
        Touch::Records
    }

    fn summary(&self) -> String {
        format!("{} active again", names(&self.groups))
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        for group in &self.groups {
            ledger.group_is(group.id, GroupState::Active).await?;
        }
        Ok(())
    }
}
