//! `resize-groups`: how many instances groups should have. The engine starts and stops them.

use super::{Act, Action, Outcome, Scene, Touch};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use kiln_engine::EngineError;
use serde::{Deserialize, Serialize};

/// Ensures the sizes that groups should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResizeGroups {
    /// The groups with their sizes.
    pub groups: Vec<Resize>,
}

/// A group and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// The group.
    pub group: GroupRef,
    /// The size it had; none for a new group, whose undo is to go.
    pub from: Option<u32>,
    /// The size it should have.
    pub to: u32,
}

impl ResizeGroups {
    fn back(&self) -> Self {
        let back = |resize: &Resize| {
            let from = resize.from?;
            Some(Resize { group: resize.group.clone(), from: Some(resize.to), to: from })
        };
        Self { groups: self.groups.iter().filter_map(back).collect() }
    }
}

/// "a from 1 to 2", for people.
pub(super) fn sizes(groups: &[Resize]) -> String {
    let words = groups.iter().map(|Resize { group, from, to }| match from {
        Some(from) if from != to => format!("{group} from {from} to {to}"),
        _ => format!("{group} to {to}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[async_trait::async_trait]
impl Act for ResizeGroups {
    fn touch(&self) -> Touch {
        Touch::Changes
    }

    fn summary(&self) -> String {
        format!("resize {}", sizes(&self.groups))
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        for Resize { group, to, .. } in &self.groups {
            scene.provider.engine.resize_group(scene.call, group.id, *to).await?;
        }
        Ok(Outcome::done())
    }

    fn undo(&self) -> Vec<Action> {
        vec![self.back().into()]
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        for Resize { group, to, .. } in &self.groups {
            ledger.group_has(group.id, *to).await?;
        }
        Ok(())
    }
}
