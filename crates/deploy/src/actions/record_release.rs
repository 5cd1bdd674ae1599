//! `record-release`: which release is active, and which one a rollback returns to.

use super::{Act, Touch, names};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use kiln_names::ReleaseId;
use kiln_protocol::configuration::DeploymentSettings;
use kiln_protocol::status::GroupState;
use serde::{Deserialize, Serialize};

/// Ensures that the release counts as the active one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRelease {
    /// The release; none when it was stopped.
    pub release: Option<ReleaseId>,
    /// The activation that a rollback returns to.
    pub back: Option<u64>,
    /// The settings it was deployed with.
    pub settings: DeploymentSettings,
    /// Its groups.
    pub groups: Vec<GroupRef>,
}

#[async_trait::async_trait]
impl Act for RecordRelease {
    fn touch(&self) -> Touch {
        Touch::Records
    }

    fn summary(&self) -> String {
        match self.release {
            Some(release) => format!("{} is active: {}", release.short(), names(&self.groups)),
            None => "nothing is active".to_owned(),
        }
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        ledger.activate(self.release, self.back, &self.settings).await?;
        for group in &self.groups {
            ledger.group_is(group.id, GroupState::Active).await?;
        }
        Ok(())
    }
}
