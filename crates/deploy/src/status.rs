//! What the events of a deployment add up to.
//!
//! [`Status::after`] holds every transition there is. What it refuses cannot have happened: a
//! journal that says otherwise was not written by this Kiln, and its deployment waits for a person
//! while all others go on.

use crate::Request;
use crate::actions::Action;
use crate::journal::{Event, Record, UnreadableRecord};
use crate::plan::{Plan, PlannedAction};
use kiln_protocol::deployment::DeploymentState;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where a deployment is in its life.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The state, in the words for people.
    pub state: DeploymentState,
    /// Why it is in that state, when it is not the plain course of things.
    pub reason: Option<String>,
    /// What was asked for.
    pub request: Option<Arc<Request>>,
    /// The sealed plan.
    pub plan: Option<Arc<Plan>>,
    /// Whether the plan is carried out or taken back.
    pub direction: Direction,
    /// What takes it back.
    pub(crate) undo: Arc<Vec<PlannedAction>>,
    /// Why it is taken back.
    pub(crate) undo_reason: Option<String>,
    /// The action that is next, or in flight.
    pub(crate) next: usize,
    /// When the action that is next was intended, if it was.
    pub(crate) in_flight_ms: Option<u64>,
    /// Who asked for a pause after the action in flight.
    pub(crate) pause: Option<String>,
    /// How many actions of the plan were ever intended: what an undo takes back.
    pub(crate) reached: usize,
    /// How many records there are.
    pub seq: u64,
}

/// Whether a plan is carried out or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// It is carried out.
    Forward,
    /// It is taken back.
    Undo,
}

/// An event that cannot follow what was before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq}: {event} cannot follow {state}, action {next}")]
pub struct IllegalTransition {
    /// The place of the record.
    pub seq: u64,
    /// The event.
    pub event: &'static str,
    /// The state before it.
    pub state: &'static str,
    /// The action that was next.
    pub next: usize,
}

/// Why a journal adds up to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokenJournal {
    #[error(transparent)]
    Unreadable(#[from] UnreadableRecord),
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
}

// === impl Status ===

impl Status {
    /// Before anything happened.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: DeploymentState::Preparing,
            reason: None,
            request: None,
            plan: None,
            direction: Direction::Forward,
            undo: Arc::default(),
            undo_reason: None,
            next: 0,
            in_flight_ms: None,
            pause: None,
            reached: 0,
            seq: 0,
        }
    }

    /// Adds up a whole journal.
    pub(crate) fn of<'a>(
        rows: impl IntoIterator<Item = &'a kiln_store::journal::JournalRow>,
    ) -> Result<Self, BrokenJournal> {
        rows.into_iter()
            .try_fold(Self::new(), |status, row| Ok(status.after(&Record::from_row(row)?)?))
    }

    /// The status after one more record: every transition of a deployment.
    ///
    /// # Errors
    /// When the event cannot follow what was before.
    pub fn after(mut self, record: &Record) -> Result<Self, IllegalTransition> {
        use DeploymentState::{Completed, Invalid, Paused, Preparing, Running, Stuck, Undone};
        let illegal = self.illegal(record);
        let (state, begun) = (self.state, self.request.is_some());
        match (&record.event, state) {
            (Event::Requested { request }, Preparing) if !begun => {
                self.request = Some(Arc::new(request.clone()));
            }
            (Event::PrepareStepDone { .. }, Preparing) if begun => {}
            (Event::Refused { reason, .. }, Preparing) if begun => {
                self.becomes(Invalid, Some(reason.clone()));
            }
            (Event::Sealed { plan }, Preparing) if begun => {
                self.plan = Some(Arc::new((**plan).clone()));
                self.becomes(Running, None);
            }
            (Event::Intended { index, .. }, Running) if self.may_begin(*index) => {
                self.in_flight_ms = Some(record.at_ms);
                if self.direction == Direction::Forward {
                    self.reached = self.reached.max(index + 1);
                }
            }
            (Event::Finished { index, .. }, Running) if self.flies(*index) => {
                self.next += 1;
                self.in_flight_ms = None;
                self.pause_if_asked();
            }
            (Event::Paused { index, reason }, Running) if self.may_begin(*index) => {
                self.next += 1;
                self.pause = None;
                self.becomes(Paused, Some(reason.clone()));
            }
            (Event::PauseAsked { by }, Running) => {
                self.pause = Some(by.clone());
                self.pause_if_asked();
            }
            (Event::ResumeAsked { .. }, Running | Paused) => self.goes_on(),
            (Event::Failed { index, .. }, Running) if self.flies(*index) => {
                self.in_flight_ms = None;
            }
            (Event::Stuck { reason }, Running) => {
                self.pause = None;
                self.becomes(Stuck, Some(reason.clone()));
            }
            (Event::AbortAsked { by }, Preparing) if begun => {
                self.becomes(Invalid, Some(format!("aborted by {by}")));
            }
            (Event::AbortAsked { by }, Running | Paused) => {
                self.in_flight_ms = None;
                self.becomes(Stuck, Some(format!("aborted by {by}")));
            }
            (Event::UndoAsked { reason, actions, .. }, Running | Paused | Stuck) => {
                self.undo = Arc::new(actions.clone());
                self.undo_reason = Some(reason.clone());
                (self.direction, self.next, self.in_flight_ms) = (Direction::Undo, 0, None);
                self.goes_on();
            }
            (Event::RetryAsked { .. }, Stuck) => self.goes_on(),
            (Event::Completed, Running) if self.ends(Direction::Forward) => {
                self.becomes(Completed, None);
            }
            (Event::Undone, Running) if self.ends(Direction::Undo) => {
                let reason = self.undo_reason.clone();
                self.becomes(Undone, reason);
            }
            _ => return Err(illegal),
        }
        self.seq = record.seq + 1;
        Ok(self)
    }

    /// The actions of the chapter that is being written.
    #[must_use]
    pub fn actions(&self) -> &[PlannedAction] {
        match self.direction {
            Direction::Forward => self.plan.as_ref().map_or(&[], |plan| &plan.actions),
            Direction::Undo => &self.undo,
        }
    }

    /// The action that is in flight or next.
    #[must_use]
    pub fn action(&self) -> Option<&PlannedAction> {
        self.actions().get(self.next)
    }

    /// Whether nothing happens until somebody asks for something, if ever.
    #[must_use]
    pub const fn rests(&self) -> bool {
        self.state.exit().is_some()
    }

    /// Whether nothing happens until somebody asks for something: it rests or is paused.
    pub(crate) fn is_idle(&self) -> bool {
        self.rests() || self.state == DeploymentState::Paused
    }

    /// Whether others must wait for it.
    #[must_use]
    pub fn locks(&self) -> bool {
        use DeploymentState::{Completed, Invalid, Undone};
        !matches!(self.state, Completed | Invalid | Undone)
    }

    /// Whether its release counts as the active one already: what is left is no reason to go back, and
    /// the old groups are given up.
    pub(crate) fn stands(&self) -> bool {
        let recorded = |planned: &PlannedAction| matches!(planned.action, Action::RecordRelease(_));
        self.direction == Direction::Forward && self.actions()[..self.next].iter().any(recorded)
    }

    fn becomes(&mut self, state: DeploymentState, reason: Option<String>) {
        self.state = state;
        self.reason = reason;
    }

    fn pause_if_asked(&mut self) {
        if self.in_flight_ms.is_some() || self.action().is_none() {
            return;
        }
        if let Some(by) = self.pause.take() {
            self.becomes(DeploymentState::Paused, Some(format!("paused by {by}")));
        }
    }

    fn goes_on(&mut self) {
        self.pause = None;
        let reason = self.undo_reason.clone();
        self.becomes(DeploymentState::Running, reason);
    }

    fn may_begin(&self, index: usize) -> bool {
        index == self.next && self.in_flight_ms.is_none() && index < self.actions().len()
    }

    fn flies(&self, index: usize) -> bool {
        index == self.next && self.in_flight_ms.is_some()
    }

    fn ends(&self, direction: Direction) -> bool {
        self.direction == direction && self.next == self.actions().len()
    }

    fn illegal(&self, record: &Record) -> IllegalTransition {
        IllegalTransition {
            seq: record.seq,
            event: record.event.name(),
            state: self.state.as_str(),
            next: self.next,
        }
    }
}

impl Default for Status {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
