//! Plans: what a deployment will do, complete and printable before the first effect.

mod canary;
mod cast;
mod highlander;
mod one_by_one;
mod parts;
mod red_black;
mod rolling;
mod sequence;
mod shares;
mod small;

pub(crate) use cast::Cast;
pub(crate) use one_by_one::{memory_in_turn, unserved};
pub(crate) use rolling::memory_beyond;
pub(crate) use shares::{Shares, introduced, only, same_requests, sorted};
pub(crate) use small::{replace, resize, stop};

use crate::actions::Action;
use crate::{Release, Target};
use kiln_engine::GroupSpec;
use kiln_names::{GroupNumber, ReleaseId};
use kiln_protocol::configuration::Strategy;
use kiln_protocol::deployment::Difference;
use serde::{Deserialize, Serialize};

/// The actions of a deployment that goes to another release, by its strategy.
pub(crate) fn actions(cast: &Cast<'_>) -> Vec<PlannedAction> {
    match &cast.strategy {
        Strategy::RedBlack => red_black::red_black(cast),
        Strategy::Canary { steps } => canary::canary(cast, steps),
        Strategy::Rolling { batch } => rolling::rolling(cast, *batch),
        Strategy::Highlander => highlander::highlander(cast),
        Strategy::OneByOne => one_by_one::one_by_one(cast),
    }
}

/// What a deployment will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What it changes.
    pub target: Target,
    /// The release that is active.
    pub from: Option<ReleaseId>,
    /// The release it goes to; none when it takes everything away.
    pub release: Option<Release>,
    /// The number of its new groups; none when it makes none.
    pub number: Option<GroupNumber>,
    /// How the release it goes to differs from the active one.
    pub differences: Vec<Difference>,
    /// What a person may want to know: what was chosen, what was found changed by others.
    pub notes: Vec<String>,
    /// Whether a failure leaves everything as it is, for a person to decide.
    pub hold: bool,
    /// What it does, in order.
    pub actions: Vec<PlannedAction>,
}

/// An action in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedAction {
    /// The part of the deployment that it belongs to.
    pub phase: Phase,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
}

/// A part of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// New groups come into being.
    Create,
    /// Their instances start and become healthy.
    Settle,
    /// Traffic moves.
    Shift,
    /// The new release is looked at under load.
    Watch,
    /// The old one goes, and everything is written down.
    Finish,
    /// What was done is taken back.
    Undo,
}

// === impl Plan ===

impl Plan {
    /// The groups that it would create.
    pub fn new_groups(&self) -> impl Iterator<Item = &GroupSpec> {
        self.actions.iter().flat_map(|planned| match &planned.action {
            Action::EnsureGroups(ensure) => ensure.specs.as_slice(),
            _ => &[],
        })
    }

    /// The actions that take back the first `reached` of its own: the last one first.
    pub(crate) fn undo(&self, reached: usize) -> Vec<PlannedAction> {
        let reached = self.actions.iter().take(reached).rev();
        let undo = reached.flat_map(|planned| planned.action.undo());
        undo.map(|action| PlannedAction { phase: Phase::Undo, action }).collect()
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, planned) in self.actions.iter().enumerate() {
            let (phase, action) = (planned.phase.as_str(), &planned.action);
            writeln!(f, "{:<2} {phase:<7} {:<18} {}", at + 1, action.name(), action.summary())?;
        }
        Ok(())
    }
}

// === impl Phase ===

impl Phase {
    /// As it stands in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Settle => "settle",
            Self::Shift => "shift",
            Self::Watch => "watch",
            Self::Finish => "finish",
            Self::Undo => "undo",
        }
    }
}
