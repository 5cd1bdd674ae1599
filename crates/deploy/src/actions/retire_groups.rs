//! `retire-groups`: old groups leave the deployment's hands. They are kept warm for a while, then
//! drained, stopped and removed, whatever becomes of the deployment that retired them.

use super::{Act, Touch, names};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use crate::ports::millis;
use kiln_names::Span;
use kiln_protocol::status::GroupState;
use serde::{Deserialize, Serialize};

/// Ensures that the groups wait to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireGroups {
    /// The groups, with when they are due.
    pub groups: Vec<Retiree>,
    /// Whether what waits already goes at once: at most one release is kept warm.
    pub hasten: bool,
}

/// A group and when it is due to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retiree {
    /// The group.
    pub group: GroupRef,
    /// When.
    pub due: Due,
}

/// When a group is due to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Due {
    /// This long from when it is written down.
    After(Span),
    /// At this time, in milliseconds since 1970.
    At(u64),
}

#[async_trait::async_trait]
impl Act for RetireGroups {
    fn touch(&self) -> Touch {
        Touch::Records
    }

    fn summary(&self) -> String {
        if self.groups.is_empty() {
            return "remove what was kept warm".to_owned();
        }
        let keep = self.groups.iter().map(|retiree| match retiree.due {
            Due::After(keep) if keep > Span::ZERO => format!("keep {} {keep}", retiree.group),
            Due::After(_) => format!("remove {}", retiree.group),
            Due::At(_) => format!("keep {} as before", names([&retiree.group])),
        });
        keep.collect::<Vec<_>>().join(", ")
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty() && !self.hasten
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        if self.hasten {
            ledger.hasten_retirements().await?;
        }
        for Retiree { group, due } in &self.groups {
            let (due_ms, state) = match due {
                Due::At(due_ms) => (*due_ms, GroupState::Warm),
                Due::After(Span::ZERO) => (ledger.now_ms, GroupState::Draining),
                Due::After(keep) => {
                    (ledger.now_ms.saturating_add(millis(keep.get())), GroupState::Warm)
                }
            };
            ledger.retire(group.id, due_ms).await?;
            ledger.group_is(group.id, state).await?;
        }
        Ok(())
    }
}
