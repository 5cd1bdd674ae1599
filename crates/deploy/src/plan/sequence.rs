//! Collecting actions into a plan.

use crate::actions::Action;
use crate::plan::{Phase, PlannedAction};

/// Actions in the making; those with nothing to do are left out.
#[derive(Debug, Default)]
pub(super) struct Sequence(Vec<PlannedAction>);

impl Sequence {
    pub(super) fn add(&mut self, phase: Phase, action: impl Into<Action>) {
        let action = action.into();
        if !action.is_idle() {
            self.0.push(PlannedAction { phase, action });
        }
    }

    pub(super) fn into_actions(self) -> Vec<PlannedAction> {
        self.0
    }
}
