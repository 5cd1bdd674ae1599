//! `remove-groups`: instances are taken out of traffic, drained and stopped. In an undo it takes
//! away what a deployment made; in a stop, everything.

use super::{
    Act, Action, AwaitGone, AwaitLeft, AwaitStable, EnsureGroups, Expected, MarkActive, Outcome,
    Resize, ResizeGroups, Scene, Touch, names,
};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use kiln_engine::{EngineError, ErrorKind, GroupSpec};
use kiln_names::Span;
use kiln_protocol::status::GroupState;
use serde::{Deserialize, Serialize};

/// How long groups may take to leave while others come back.
const PATIENCE: Span = Span::seconds(3600);

/// Ensures that the groups are on their way out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoveGroups {
    /// The groups.
    pub groups: Vec<GroupRef>,
    /// What an undo brings back.
    pub restore: Vec<Restore>,
}

/// A group that an undo makes again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restore {
    /// Everything that its instances need.
    pub spec: GroupSpec,
    /// How many it had.
    pub size: u32,
}

#[async_trait::async_trait]
impl Act for RemoveGroups {
    fn touch(&self) -> Touch {
        Touch::Changes
    }

    fn summary(&self) -> String {
        format!("remove {}", names(&self.groups))
    }

    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        for group in &self.groups {
            match scene.provider.engine.remove_group(scene.call, group.id).await {
                Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(Outcome::done())
    }

    /// What is to come back waits until it has left, if it ever began to; what is not to come back
    /// goes on leaving.
    fn undo(&self) -> Vec<Action> {
        if self.restore.is_empty() {
            return Vec::new();
        }
        let specs: Vec<GroupSpec> = self.restore.iter().map(|old| old.spec.clone()).collect();
        let back: Vec<GroupRef> = specs.iter().map(GroupRef::from).collect();
        let rest = self.groups.iter().filter(|group| !back.contains(group));
        let rest: Vec<GroupRef> = rest.cloned().collect();
        let resize = |old: &Restore| Resize {
            group: (&old.spec).into(),
            from: Some(old.size),
            to: old.size,
            top: None,
        };
        let expected = self.restore.iter().map(|old| Expected::of(&old.spec, old.size)).collect();
        vec![
            AwaitLeft { groups: back.clone() }.into(),
            EnsureGroups { specs }.into(),
            ResizeGroups { groups: self.restore.iter().map(resize).collect() }.into(),
            AwaitStable { groups: expected }.into(),
            MarkActive { groups: back }.into(),
            Self { groups: rest.clone(), restore: Vec::new() }.into(),
            AwaitGone { groups: rest, patience: PATIENCE }.into(),
        ]
    }

    async fn intended(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        for group in &self.groups {
            ledger.group_is(group.id, GroupState::Draining).await?;
        }
        Ok(())
    }
}
