//! How a deployment goes.

use super::{Deployment, DeploymentState, PlannedAction};
use crate::Timestamp;
use crate::status::{Group, Instance};
use kiln_names::ReleaseId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that happened in a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentEvent {
    /// Its place in the journal; what is not journaled carries the place of what came before it.
    /// `?after=SEQ` asks for what comes later.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// It is now in another state.
    State {
        /// The state.
        state: DeploymentState,
        /// Why, when it is not the plain course of things.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A step of the preparation found what it looked for.
    Prepared {
        /// The step.
        step: String,
        /// What it found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// The plan is complete; nothing will be added to it.
    Sealed {
        /// The release it goes to; none when it takes everything away.
        release: Option<ReleaseId>,
        /// How many actions it has.
        actions: usize,
        /// What a person may want to know.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
        /// Its actions, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        plan: Vec<PlannedAction>,
    },
    /// An action began.
    ActionStarted {
        /// Its name.
        action: String,
        /// Its part of the deployment: `create`, `settle`, `shift`, `watch`, `finish`, `undo`.
        phase: String,
        /// What it does, with what.
        summary: String,
        /// Its place, from 1.
        place: usize,
        /// Of how many.
        of: usize,
    },
    /// An action waits; said again when what it waits for changes.
    ActionWaiting {
        /// Its name.
        action: String,
        /// For what.
        note: String,
    },
    /// An action is done.
    ActionDone {
        /// Its name.
        action: String,
        /// What it found or did, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// How long it took.
        milliseconds: u64,
    },
    /// An action failed.
    ActionFailed {
        /// Its name.
        action: String,
        /// Why.
        reason: String,
    },
    /// A person asked for something: `undo`, `abort`, `retry`, `pause`, `resume`; an `undo` may also
    /// follow from a failure, and `kiln` asked then.
    Command {
        /// The verb.
        verb: String,
        /// Who.
        user: String,
        /// The actions that an undo consists of, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        plan: Vec<PlannedAction>,
    },
    /// The groups of the application in the environment are as they are here; told while the
    /// deployment goes on, when something of them changed, a few times a second at most. Not
    /// journaled.
    Groups {
        /// The groups that are not gone, the newest first. What they use of memory is not told.
        groups: Vec<Group>,
        /// Their instances, as far as the engine can tell.
        instances: Vec<Instance>,
    },
    /// It ended, or waits for a person; the last event of a stream.
    Ended {
        /// The whole of it.
        deployment: Box<Deployment>,
    },
}

impl Happening {
    /// As the field `event` has it in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::State { .. } => "state",
            Self::Prepared { .. } => "prepared",
            Self::Sealed { .. } => "sealed",
            Self::ActionStarted { .. } => "action-started",
            Self::ActionWaiting { .. } => "action-waiting",
            Self::ActionDone { .. } => "action-done",
            Self::ActionFailed { .. } => "action-failed",
            Self::Command { .. } => "command",
            Self::Groups { .. } => "groups",
            Self::Ended { .. } => "ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_event_is_what_json_calls_it() {
        let text = String::new;
        let all = [
            Happening::State { state: DeploymentState::Running, reason: None },
            Happening::Prepared { step: text(), note: None },
            Happening::Sealed { release: None, actions: 0, notes: Vec::new(), plan: Vec::new() },
            Happening::ActionStarted {
                action: text(),
                phase: text(),
                summary: text(),
                place: 1,
                of: 1,
            },
            Happening::ActionWaiting { action: text(), note: text() },
            Happening::ActionDone { action: text(), note: None, milliseconds: 0 },
            Happening::ActionFailed { action: text(), reason: text() },
            Happening::Command { verb: text(), user: text(), plan: Vec::new() },
            Happening::Groups { groups: Vec::new(), instances: Vec::new() },
        ];
        for what in all {
            assert_eq!(serde_json::to_value(&what).unwrap()["event"], what.name());
        }
    }

    #[test]
    fn what_an_earlier_kiln_tells_is_understood() {
        let event = r#"{"seq":4,"at":"2026-11-21T12:00:00.000Z","event":"sealed",
            "release":null,"actions":3}"#;
        let event: DeploymentEvent = serde_json::from_str(event).unwrap();
        assert!(
            matches!(event.what, Happening::Sealed { actions: 3, plan, .. } if plan.is_empty())
        );
    }
}
