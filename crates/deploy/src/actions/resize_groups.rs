//! `resize-groups`: how many instances groups should have. The engine starts and stops them.

use super::{Act, Action, Outcome, Scene, Touch};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use kiln_engine::{EngineError, Slots};
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
    /// The slot that its highest instance lies below, where it takes slots over from the top; else they
    /// begin with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<u32>,
}

impl Resize {
    /// The slots that it should have.
    fn slots(&self) -> Slots {
        Slots { first: self.top.map_or(0, |top| top.saturating_sub(self.to)), count: self.to }
    }
}

impl ResizeGroups {
    fn back(&self) -> Self {
        let back = |resize: &Resize| {
            let from = resize.from?;
            let (group, top) = (resize.group.clone(), resize.top);
            Some(Resize { group, from: Some(resize.to), to: from, top })
        };
        Self { groups: self.groups.iter().filter_map(back).collect() }
    }
}

/// "a from 1 to 2", for people.
pub(super) fn sizes(groups: &[Resize]) -> String {
    let words = groups.iter().map(|resize| match resize {
        Resize { group, to, top: Some(_), .. } if *to > 0 => {
            format!("{group} to {to}, down to slot {}", resize.slots().first)
        }
        Resize { group, from: Some(from), to, .. } if from != to => {
            format!("{group} from {from} to {to}")
        }
        Resize { group, to, .. } => format!("{group} to {to}"),
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
        for resize in &self.groups {
            let (group, slots) = (resize.group.id, resize.slots());
            scene.provider.engine.resize_group(scene.call, group, slots).await?;
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
