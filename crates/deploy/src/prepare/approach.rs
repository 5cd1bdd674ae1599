//! How the new groups take over: the strategy, what it needs, where it waits, what it keeps.

use super::release::Incoming;
use super::surroundings::{Surroundings, memory};
use crate::actions::Restore;
use crate::place::KnownGroup;
use crate::plan::{memory_beyond, memory_in_turn};
use crate::{Ask, Problem, Request};
use kiln_engine::{Capabilities, GroupSpec};
use kiln_names::{ByteSize, Span};
use kiln_protocol::configuration::{DeploymentSettings, Pauses, Strategy};
use kiln_protocol::status::GroupState;
use kiln_store::activations::ActivationRow;

/// What an undo needs to make a group again.
pub(super) fn restore(group: &KnownGroup) -> Restore {
    Restore { spec: group.spec.clone(), size: group.size }
}

/// The strategy of the configuration, unless there is nothing that it could replace, or the groups
/// to go to are there already. Who goes back is in a hurry: no canary on the way.
pub(super) fn strategy(request: &Request, around: &Surroundings, incoming: &Incoming) -> Strategy {
    let replaces = around.place.in_state(GroupState::Active).next().is_some();
    let back = matches!(request.ask, Ask::Rollback { .. });
    match &incoming.settings.strategy {
        _ if !replaces || !incoming.reused.is_empty() => Strategy::RedBlack,
        Strategy::Canary { .. } if back => Strategy::RedBlack,
        chosen => chosen.clone(),
    }
}

/// What the deployment goes by. Who goes back is not measured by what he flees from.
pub(super) fn settings(request: &Request, incoming: &Incoming) -> DeploymentSettings {
    let back = matches!(request.ask, Ask::Rollback { .. });
    let settings = incoming.settings.clone();
    DeploymentSettings { analysis: settings.analysis.filter(|_| !back), ..settings }
}

/// The memory that is needed at the height of the deployment beyond what runs.
pub(super) fn needed(strategy: &Strategy, around: &Surroundings, incoming: &Incoming) -> ByteSize {
    let more: Vec<(&GroupSpec, u32)> = incoming.more().collect();
    match strategy {
        Strategy::RedBlack | Strategy::Canary { .. } => memory(&more),
        Strategy::Rolling { batch } => memory_beyond(&around.place, &incoming.new, *batch),
        Strategy::OneByOne => memory_in_turn(&around.place, &incoming.new),
        Strategy::Highlander => {
            let goes = around.place.groups.iter().map(|group| (&group.spec, group.size));
            let goes = memory(&goes.collect::<Vec<_>>());
            ByteSize(memory(&more).0.saturating_sub(goes.0))
        }
    }
}

/// Who goes back is in a hurry, and has judged already.
pub(super) fn pauses(request: &Request, settings: &DeploymentSettings) -> Pauses {
    match request.ask {
        Ask::Rollback { .. } => Pauses::default(),
        _ => settings.pauses,
    }
}

/// How long the groups that are left stay warm: as the newer configuration says, which in a rollback
/// is the one that goes.
pub(super) fn keep_warm(
    request: &Request,
    current: Option<&ActivationRow>,
    new: &DeploymentSettings,
) -> Span {
    let goes = current
        .filter(|_| matches!(request.ask, Ask::Rollback { .. }))
        .and_then(|current| serde_json::from_str::<DeploymentSettings>(&current.settings).ok());
    goes.as_ref().unwrap_or(new).keep_warm
}

/// Refuses a strategy that the engine cannot carry.
pub(super) fn check(strategy: &Strategy, able: Capabilities) -> Result<(), Problem> {
    let (name, needs_weights) = match strategy {
        Strategy::RedBlack => ("red-black", false),
        Strategy::Canary { .. } => ("canary", true),
        Strategy::Rolling { .. } => ("rolling", true),
        Strategy::Highlander => ("highlander", false),
        Strategy::OneByOne => ("one-by-one", true),
    };
    if !able.atomic_switch {
        let message = format!("{name} needs an engine that moves all traffic in one step");
        return Err(Problem::invalid(message));
    }
    if needs_weights && !able.weights {
        return Err(Problem::invalid(format!("{name} needs an engine that divides traffic")));
    }
    Ok(())
}
