//! `move-slots`: instances of one group make room for those of another, or take it. As a resize, but an
//! undo takes one step after the other as well.

use super::resize_groups::sizes;
use super::{
    Act, Action, AwaitShrunk, AwaitStable, Expected, Outcome, Resize, ResizeGroups, Scene, Touch,
};
use crate::ledger::{Ledger, LedgerError};
use kiln_engine::EngineError;
use serde::{Deserialize, Serialize};

/// Ensures the slots that groups should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveSlots {
    /// The groups, all of which grow, or all of which shrink.
    pub groups: Vec<Resize>,
}

impl MoveSlots {
    fn resize(&self) -> ResizeGroups {
        ResizeGroups { groups: self.groups.clone() }
    }

    /// What was before, of the groups that then had more instances, or fewer.
    fn before(&self, more: bool) -> Vec<Expected> {
        let of = |resize: &&Resize| (resize.from.unwrap_or(0) > resize.to) == more;
        let groups = self.groups.iter().filter(of);
        groups.map(|it| Expected::again(&it.group, it.from.unwrap_or(0))).collect()
    }
}

#[async_trait::async_trait]
impl Act for MoveSlots {
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
        self.resize().run(scene).await
    }

    fn undo(&self) -> Vec<Action> {
        let mut undo = self.resize().undo();
        undo.push(AwaitShrunk { groups: self.before(false) }.into());
        undo.push(AwaitStable { groups: self.before(true) }.into());
        undo
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        self.resize().finished(ledger).await
    }
}
