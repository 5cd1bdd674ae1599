//! What the events of a deployment add up to, for drawing.

use kiln_names::{AppName, DeploymentId, EnvName, ReleaseId};
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::{
    ActionState, Deployment, DeploymentEvent, DeploymentState, Happening, PlannedAction,
};
use kiln_protocol::status::{Group, Instance};

/// The phase of what takes a plan back.
const UNDO: &str = "undo";

/// The action that waits for a person.
const PAUSE: &str = "pause";

/// Which deployment is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) id: DeploymentId,
    pub(crate) app: AppName,
    pub(crate) env: EnvName,
    pub(crate) verb: String,
}

impl From<&Deployment> for Subject {
    fn from(deployment: &Deployment) -> Self {
        let Deployment { id, app, env, verb, .. } = deployment;
        Self { id: *id, app: app.clone(), env: env.clone(), verb: verb.clone() }
    }
}

/// A deployment as far as it was told.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(super) subject: Subject,
    pub(super) state: DeploymentState,
    pub(super) reason: Option<String>,
    pub(super) began: Option<Timestamp>,
    pub(super) sealed: Option<Timestamp>,
    /// Since when it rests or waits for a person.
    pub(super) rests: Option<Timestamp>,
    pub(super) release: Option<ReleaseId>,
    /// The last step of the preparation.
    pub(super) preparing: Option<String>,
    /// What a person may want to know of the plan.
    pub(super) notes: Vec<String>,
    /// The plan, and what takes it back.
    pub(super) forward: Vec<Step>,
    pub(super) back: Vec<Step>,
    pub(super) groups: Vec<Group>,
    pub(super) instances: Vec<Instance>,
    /// Whether the server does not answer.
    pub(super) lost: bool,
}

/// An action in its place.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    pub(super) phase: String,
    pub(super) name: String,
    pub(super) summary: String,
    pub(super) state: StepState,
}

/// Where an action is.
#[derive(Debug, Clone, Default)]
pub(super) enum StepState {
    #[default]
    ToCome,
    /// It is done, or waits as the words say.
    Running {
        since: Timestamp,
        waits: Option<String>,
    },
    Done {
        ended: Timestamp,
        milliseconds: u64,
        note: Option<String>,
    },
    Failed {
        ended: Timestamp,
        milliseconds: u64,
        reason: String,
    },
    /// It was begun and given up.
    Left {
        ended: Timestamp,
        milliseconds: u64,
    },
}

// === impl Course ===

impl Course {
    pub(crate) const fn new(subject: Subject) -> Self {
        Self {
            subject,
            state: DeploymentState::Preparing,
            reason: None,
            began: None,
            sealed: None,
            rests: None,
            release: None,
            preparing: None,
            notes: Vec::new(),
            forward: Vec::new(),
            back: Vec::new(),
            groups: Vec::new(),
            instances: Vec::new(),
            lost: false,
        }
    }

    /// Whether it is over, or a person is needed.
    pub(super) const fn ended(&self) -> bool {
        self.state.exit().is_some()
    }

    /// Whether it is being taken back.
    pub(super) const fn goes_back(&self) -> bool {
        !self.back.is_empty()
    }

    /// Takes what happened.
    pub(crate) fn take(&mut self, event: &DeploymentEvent) {
        let at = event.at;
        self.lost = false;
        self.began.get_or_insert(at);
        match &event.what {
            Happening::State { state, reason } => self.becomes(at, *state, reason.clone()),
            Happening::Prepared { step, .. } => self.preparing = Some(step.clone()),
            Happening::Sealed { release, plan, notes, .. } => {
                (self.sealed, self.release) = (Some(at), *release);
                self.notes.clone_from(notes);
                self.forward = to_come(plan);
            }
            Happening::ActionStarted { action, phase, summary, place, .. } => {
                self.begin(phase, *place, action, summary, at);
            }
            Happening::ActionWaiting { note, .. } => {
                if let Some(StepState::Running { waits, .. }) = self.running() {
                    *waits = Some(note.clone());
                }
            }
            Happening::ActionDone { note, milliseconds, .. } => {
                self.end(StepState::Done {
                    ended: at,
                    milliseconds: *milliseconds,
                    note: note.clone(),
                });
            }
            Happening::ActionFailed { reason, .. } => self.fail(at, reason.clone()),
            Happening::Command { verb, plan, .. } if verb == UNDO => {
                self.give_up(at);
                self.back = to_come(plan);
            }
            Happening::Command { .. } => {}
            Happening::Groups { groups, instances } => {
                self.groups.clone_from(groups);
                self.instances.clone_from(instances);
            }
            Happening::Ended { deployment } => self.conclude(deployment),
        }
    }

    fn becomes(&mut self, at: Timestamp, state: DeploymentState, reason: Option<String>) {
        if self.state == DeploymentState::Paused && state == DeploymentState::Running {
            self.end_pause(at);
        }
        match state {
            DeploymentState::Paused => self.begin_pause(at, reason.as_ref()),
            // Whatever was in flight when somebody aborted it.
            DeploymentState::Stuck => self.give_up(at),
            _ => {}
        }
        let waits = state == DeploymentState::Paused || state.exit().is_some();
        self.rests = waits.then_some(at);
        (self.state, self.reason) = (state, reason);
    }

    /// A pause that the plan asks for is an action that nobody begins or ends.
    fn begin_pause(&mut self, at: Timestamp, reason: Option<&String>) {
        let mut steps = self.steps().iter_mut();
        let next = steps.find(|step| matches!(step.state, StepState::ToCome));
        if let Some(next) = next.filter(|next| next.name == PAUSE) {
            next.state = StepState::Running { since: at, waits: reason.cloned() };
        }
    }

    fn end_pause(&mut self, at: Timestamp) {
        if let Some(StepState::Running { since, .. }) = self.running() {
            let milliseconds = at.since(*since);
            self.end(StepState::Done { ended: at, milliseconds, note: None });
        }
    }

    fn begin(&mut self, phase: &str, place: usize, name: &str, summary: &str, at: Timestamp) {
        let steps = if phase == UNDO { &mut self.back } else { &mut self.forward };
        let index = place.saturating_sub(1);
        // What was not announced is made known by beginning.
        if index == steps.len() {
            steps.push(Step::default());
        }
        let Some(step) = steps.get_mut(index) else { return };
        let state = StepState::Running { since: at, waits: None };
        let (phase, name, summary) = (phase.to_owned(), name.to_owned(), summary.to_owned());
        *step = Step { phase, name, summary, state };
    }

    fn fail(&mut self, at: Timestamp, reason: String) {
        if let Some(StepState::Running { since, .. }) = self.running() {
            let milliseconds = at.since(*since);
            self.end(StepState::Failed { ended: at, milliseconds, reason });
        }
    }

    fn give_up(&mut self, at: Timestamp) {
        if let Some(StepState::Running { since, .. }) = self.running() {
            let milliseconds = at.since(*since);
            self.end(StepState::Left { ended: at, milliseconds });
        }
    }

    fn end(&mut self, state: StepState) {
        if let Some(running) = self.running() {
            *running = state;
        }
    }

    fn running(&mut self) -> Option<&mut StepState> {
        let mut states = self.steps().iter_mut().map(|step| &mut step.state);
        states.find(|state| matches!(state, StepState::Running { .. }))
    }

    const fn steps(&mut self) -> &mut Vec<Step> {
        if self.goes_back() { &mut self.back } else { &mut self.forward }
    }

    fn conclude(&mut self, deployment: &Deployment) {
        self.release = deployment.release;
        self.began = Some(deployment.started);
        (self.state, self.reason) = (deployment.state, deployment.reason.clone());
        if self.forward.is_empty() {
            // It gave up its journal long ago: all that is left is what was done.
            self.sealed = deployment.actions.first().map(|action| action.started);
            let done = deployment.actions.iter().map(Step::remembered);
            (self.back, self.forward) = done.partition(|step| step.phase == UNDO);
        }
    }
}

fn to_come(plan: &[PlannedAction]) -> Vec<Step> {
    let step = |planned: &PlannedAction| Step {
        phase: planned.phase.clone(),
        name: planned.name.clone(),
        summary: planned.description.clone(),
        state: StepState::ToCome,
    };
    plan.iter().map(step).collect()
}

// === impl Step ===

impl Step {
    fn remembered(action: &kiln_protocol::deployment::Action) -> Self {
        let ended = action.ended.unwrap_or(action.started);
        let milliseconds = ended.since(action.started);
        let note = action.note.clone();
        let state = match action.state {
            ActionState::Running => StepState::Left { ended, milliseconds },
            ActionState::Done => StepState::Done { ended, milliseconds, note },
            ActionState::Failed => {
                StepState::Failed { ended, milliseconds, reason: note.unwrap_or_default() }
            }
        };
        let (phase, name) = (action.phase.clone(), action.name.clone());
        Self { phase, name, summary: action.summary.clone(), state }
    }

    /// When it began; none if it did not.
    pub(super) fn began(&self) -> Option<Timestamp> {
        match &self.state {
            StepState::ToCome => None,
            StepState::Running { since, .. } => Some(*since),
            StepState::Done { ended, milliseconds, .. }
            | StepState::Left { ended, milliseconds }
            | StepState::Failed { ended, milliseconds, .. } => {
                Some(Timestamp(ended.0.saturating_sub(*milliseconds)))
            }
        }
    }

    /// When it ended, however it did; none if it did not.
    pub(super) const fn ended(&self) -> Option<Timestamp> {
        match &self.state {
            StepState::Done { ended, .. }
            | StepState::Failed { ended, .. }
            | StepState::Left { ended, .. } => Some(*ended),
            StepState::ToCome | StepState::Running { .. } => None,
        }
    }
}
