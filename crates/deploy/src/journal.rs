//! What is recorded of a deployment: events in the past tense, appended and never changed.
//!
//! What they add up to is its [`Status`](crate::Status).

use crate::actions::Action;
use crate::plan::{Plan, PlannedAction};
use crate::ports::ProblemKind;
use crate::{Failure, Request};
use kiln_store::journal::JournalRow;
use serde::{Deserialize, Serialize};

/// An event in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its place in the journal, from 0.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub event: Event,
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Somebody asked for the deployment, and it took the lock.
    Requested {
        /// What was asked for.
        request: Request,
    },
    /// A step of the preparation found what it looked for.
    PrepareStepDone {
        /// Its name.
        step: String,
        /// What it found.
        note: Option<String>,
    },
    /// A step of the preparation said no. The lock is free, nothing has changed.
    Refused {
        /// Its name.
        step: String,
        /// What kind of no.
        kind: ProblemKind,
        /// Why.
        reason: String,
    },
    /// The plan is complete; nothing will be added to it.
    Sealed {
        /// All of it.
        plan: Box<Plan>,
    },
    /// An action is about to begin.
    Intended {
        /// Its place in the plan, or in the undo.
        index: usize,
        /// Its name.
        action: String,
    },
    /// An action is done.
    Finished {
        /// Its place.
        index: usize,
        /// Its name.
        action: String,
        /// What it found or did.
        note: Option<String>,
        /// How long it took.
        took_ms: u64,
    },
    /// An action failed.
    Failed {
        /// Its place.
        index: usize,
        /// Its name.
        action: String,
        /// Why.
        failure: Box<Failure>,
    },
    /// Nothing goes on without a person.
    Stuck {
        /// Why.
        reason: String,
    },
    /// A person asked for everything to stop where it is.
    AbortAsked {
        /// Who.
        by: String,
    },
    /// What was done is to be taken back: a new chapter begins.
    UndoAsked {
        /// Who asked; none when a failure did.
        by: Option<String>,
        /// Why.
        reason: String,
        /// The actions that take it back, in order.
        actions: Vec<PlannedAction>,
    },
    /// The plan asks for a person's look before it goes on.
    Paused {
        /// The place of the pause in the plan.
        index: usize,
        /// Before what, and what to look at.
        reason: String,
    },
    /// A person asked for a pause after the action in flight.
    PauseAsked {
        /// Who.
        by: String,
    },
    /// A person asked to go on after a pause.
    ResumeAsked {
        /// Who.
        by: String,
    },
    /// A person asked to go on from the action that failed or was stopped.
    RetryAsked {
        /// Who.
        by: String,
    },
    /// Everything was done. The lock is free.
    Completed,
    /// Everything was taken back. The lock is free.
    Undone,
}

/// A record that this Kiln cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read record {seq} of the journal: {reason}")]
pub struct UnreadableRecord {
    /// Its place.
    pub seq: u64,
    /// What is wrong with it.
    pub reason: String,
}

// === impl Record ===

impl Record {
    pub(crate) fn to_row(&self) -> JournalRow {
        let event = serde_json::to_string(&self.event);
        let event = event.expect("plain data with text keys becomes JSON");
        JournalRow { seq: self.seq, at_ms: self.at_ms, event }
    }

    pub(crate) fn from_row(row: &JournalRow) -> Result<Self, UnreadableRecord> {
        let unreadable =
            |e: serde_json::Error| UnreadableRecord { seq: row.seq, reason: e.to_string() };
        let event = serde_json::from_str(&row.event).map_err(unreadable)?;
        Ok(Self { seq: row.seq, at_ms: row.at_ms, event })
    }
}

// === impl Event ===

impl Event {
    pub(crate) fn intended(index: usize, action: &Action) -> Self {
        Self::Intended { index, action: action.name().to_owned() }
    }

    /// Its name, as it stands in the journal.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::PrepareStepDone { .. } => "prepare-step-done",
            Self::Refused { .. } => "refused",
            Self::Sealed { .. } => "sealed",
            Self::Intended { .. } => "intended",
            Self::Finished { .. } => "finished",
            Self::Failed { .. } => "failed",
            Self::Stuck { .. } => "stuck",
            Self::AbortAsked { .. } => "abort-asked",
            Self::UndoAsked { .. } => "undo-asked",
            Self::Paused { .. } => "paused",
            Self::PauseAsked { .. } => "pause-asked",
            Self::ResumeAsked { .. } => "resume-asked",
            Self::RetryAsked { .. } => "retry-asked",
            Self::Completed => "completed",
            Self::Undone => "undone",
        }
    }
}
