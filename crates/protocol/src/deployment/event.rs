//! How a deployment goes.

use super::{Deployment, DeploymentState};
use crate::Timestamp;
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
    },
    /// An action began.
    ActionStarted {
        /// Its name.
        action: String,
        /// Its part of the deployment: `create`, `settle`, `shift`, `watch`, `finish`.
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
    /// A person asked for something: `undo`, `abort`, `retry`.
    Command {
        /// The verb.
        verb: String,
        /// Who.
        user: String,
    },
    /// It ended, or waits for a person; the last event of a stream.
    Ended {
        /// The whole of it.
        deployment: Box<Deployment>,
    },
}
