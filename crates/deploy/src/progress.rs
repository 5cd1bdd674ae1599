//! How a deployment goes, for whoever watches: first what the journal holds, then what comes.

use crate::journal::{Event, Record};
use crate::kit::Kit;
use crate::plan::{Phase, PlannedAction};
use crate::status::Status;
use crate::view::Summary;
use crate::{Error, Failure};
use futures_util::Stream;
use futures_util::stream::unfold;
use kiln_names::{DeploymentId, GroupNumber, ReleaseId};
use kiln_protocol::deployment::DeploymentState;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;

/// How many events a watcher may fall behind; one that does reads the journal again.
const BEHIND: usize = 1024;

/// One thing that happened in a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressEvent {
    /// Which deployment.
    pub deployment: DeploymentId,
    /// Its place in the journal; what is not journaled carries the place of what comes next.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whether the journal has all of it, and all that happened by the same record has been told:
    /// nothing is missed by going on after its place.
    #[serde(default)]
    pub whole: bool,
    /// What.
    #[serde(flatten)]
    pub what: Progress,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "progress", rename_all = "kebab-case")]
pub enum Progress {
    /// It is in another state.
    State {
        /// The state.
        state: DeploymentState,
        /// Why, when it is not the plain course of things.
        reason: Option<String>,
    },
    /// A step of the preparation found what it looked for.
    Prepared {
        /// The step.
        step: String,
        /// What it found.
        note: Option<String>,
    },
    /// The plan is complete.
    Sealed {
        /// The release it goes to.
        release: Option<ReleaseId>,
        /// The number of its new groups.
        number: Option<GroupNumber>,
        /// What a person may want to know.
        notes: Vec<String>,
        /// Its actions, in order.
        actions: Vec<Step>,
    },
    /// An action began.
    ActionStarted {
        /// Its name.
        action: String,
        /// Its part of the deployment.
        phase: Phase,
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
        /// What it found or did.
        note: Option<String>,
        /// How long it took.
        milliseconds: u64,
    },
    /// An action failed.
    ActionFailed {
        /// Its name.
        action: String,
        /// Why.
        failure: Failure,
    },
    /// A person asked for something, or a failure did.
    Command {
        /// The verb.
        verb: String,
        /// Who.
        who: String,
        /// What an undo will do, in order.
        actions: Vec<Step>,
    },
}

/// An action that is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its part of the deployment.
    pub phase: Phase,
    /// Its name.
    pub name: String,
    /// What it will do, with what.
    pub summary: String,
}

/// Events of one deployment; ends when it rests.
pub type ProgressStream = Pin<Box<dyn Stream<Item = ProgressEvent> + Send>>;

/// Where events are told.
#[derive(Debug)]
pub(crate) struct Hub {
    events: broadcast::Sender<Arc<ProgressEvent>>,
    /// What deployments wait for now: in no journal, and whoever comes later is told all the same.
    waits: Mutex<HashMap<DeploymentId, Arc<ProgressEvent>>>,
}

// === impl Hub ===

impl Hub {
    pub(crate) fn new() -> Self {
        Self { events: broadcast::Sender::new(BEHIND), waits: Mutex::default() }
    }

    /// What is told from now on, of all deployments.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<ProgressEvent>> {
        self.events.subscribe()
    }

    /// Tells whoever listens; nobody is no fault.
    pub(crate) fn tell(&self, event: ProgressEvent) {
        let event = Arc::new(event);
        match event.what {
            Progress::ActionWaiting { .. } => {
                self.waits().insert(event.deployment, event.clone());
            }
            _ => {
                self.waits().remove(&event.deployment);
            }
        }
        drop(self.events.send(event));
    }

    /// What a deployment waits for.
    fn wait_of(&self, deployment: DeploymentId) -> Option<ProgressEvent> {
        self.waits().get(&deployment).map(|event| (**event).clone())
    }

    fn waits(&self) -> std::sync::MutexGuard<'_, HashMap<DeploymentId, Arc<ProgressEvent>>> {
        self.waits.lock().expect("no holder of this lock panics")
    }
}

// === impl Progress ===

impl Progress {
    /// What a record means to a watcher; `before` and `after` are the statuses around it.
    pub(crate) fn of(before: &Status, record: &Record, after: &Status) -> Vec<Self> {
        let mut told: Vec<Self> = Self::of_event(before, &record.event).into_iter().collect();
        if (before.state, &before.reason) != (after.state, &after.reason) || record.seq == 0 {
            let (state, reason) = (after.state, after.reason.clone());
            told.push(Self::State { state, reason });
        }
        told
    }

    fn of_event(before: &Status, event: &Event) -> Option<Self> {
        Some(match event.clone() {
            Event::PrepareStepDone { step, note } => Self::Prepared { step, note },
            Event::Sealed { plan } => Self::Sealed {
                release: plan.release.as_ref().map(crate::Release::id),
                number: plan.number,
                actions: steps(&plan.actions),
                notes: plan.notes,
            },
            Event::Intended { index, action } => {
                let planned = before.actions().get(index)?;
                let (phase, summary) = (planned.phase, planned.action.summary());
                let (place, of) = (index + 1, before.actions().len());
                Self::ActionStarted { action, phase, summary, place, of }
            }
            Event::Finished { action, note, took_ms, .. } => {
                Self::ActionDone { action, note, milliseconds: took_ms }
            }
            Event::Failed { action, failure, .. } => {
                Self::ActionFailed { action, failure: *failure }
            }
            Event::AbortAsked { by } => Self::command("abort", by),
            Event::UndoAsked { by, actions, .. } => {
                let who = by.unwrap_or_else(|| "kiln".to_owned());
                Self::Command { verb: "undo".to_owned(), who, actions: steps(&actions) }
            }
            Event::RetryAsked { by } => Self::command("retry", by),
            Event::PauseAsked { by } => Self::command("pause", by),
            Event::ResumeAsked { by } => Self::command("resume", by),
            Event::Requested { .. }
            | Event::Paused { .. }
            | Event::Refused { .. }
            | Event::Stuck { .. }
            | Event::Completed
            | Event::Undone => return None,
        })
    }

    fn command(verb: &str, who: String) -> Self {
        Self::Command { verb: verb.to_owned(), who, actions: Vec::new() }
    }

    /// Whether the deployment rests with it.
    const fn rests(&self) -> bool {
        matches!(self, Self::State { state, .. } if state.exit().is_some())
    }
}

fn steps(actions: &[PlannedAction]) -> Vec<Step> {
    let step = |planned: &PlannedAction| Step {
        phase: planned.phase,
        name: planned.action.name().to_owned(),
        summary: planned.action.summary(),
    };
    actions.iter().map(step).collect()
}

// === impl ProgressEvent ===

impl ProgressEvent {
    /// What happened by one record.
    pub(crate) fn journaled(
        deployment: DeploymentId,
        record: &Record,
        told: Vec<Progress>,
    ) -> impl Iterator<Item = Self> + use<> {
        let (seq, at_ms, last) = (record.seq, record.at_ms, told.len());
        told.into_iter().enumerate().map(move |(at, what)| Self {
            deployment,
            seq,
            at_ms,
            whole: at + 1 == last,
            what,
        })
    }
}

/// What a watcher still has to be told, and where the rest comes from.
struct Watcher {
    kit: Arc<Kit>,
    deployment: DeploymentId,
    live: broadcast::Receiver<Arc<ProgressEvent>>,
    ready: VecDeque<ProgressEvent>,
    /// What the journal held when it was last read has been told up to here.
    told: u64,
    rests: bool,
}

/// Everything that happened in a deployment after the given place, then what comes.
pub(crate) async fn watch(
    kit: Arc<Kit>,
    deployment: DeploymentId,
    after: u64,
) -> Result<ProgressStream, Error> {
    let live = kit.hub.listen();
    let ready = VecDeque::new();
    let mut watcher = Watcher { kit, deployment, live, ready, told: after, rests: false };
    watcher.catch_up().await?;
    if !watcher.rests {
        let wait = watcher.kit.hub.wait_of(deployment);
        watcher.ready.extend(wait);
    }
    Ok(Box::pin(unfold(watcher, |mut watcher| async {
        let event = watcher.next().await?;
        Some((event, watcher))
    })))
}

// === impl Watcher ===

impl Watcher {
    /// Reads what the journal holds and was not told yet.
    async fn catch_up(&mut self) -> Result<(), Error> {
        let journal = crate::view::journal(&self.kit, self.deployment).await?;
        if journal.is_empty() {
            return self.tell_the_end().await;
        }
        let mut status = Status::new();
        for record in journal {
            let seq = record.seq;
            let after = status.clone().after(&record).map_err(|illegal| Error::Journal {
                deployment: self.deployment,
                reason: illegal.to_string(),
            })?;
            if seq >= self.told {
                let told = Progress::of(&status, &record, &after);
                self.ready.extend(ProgressEvent::journaled(self.deployment, &record, told));
            }
            status = after;
        }
        self.told = self.told.max(status.seq);
        self.rests = status.rests();
        Ok(())
    }

    /// Of a deployment that gave up its journal, how it ended is all there is to tell.
    async fn tell_the_end(&mut self) -> Result<(), Error> {
        let deployment = crate::view::deployment(&self.kit, self.deployment).await?;
        let Summary { state, reason, since_ms, .. } = deployment.summary;
        self.ready.push_back(ProgressEvent {
            deployment: self.deployment,
            seq: deployment.seq,
            at_ms: since_ms,
            whole: true,
            what: Progress::State { state, reason },
        });
        self.rests = true;
        Ok(())
    }

    async fn next(&mut self) -> Option<ProgressEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.rests {
                return None;
            }
            match self.live.recv().await {
                Ok(event) if event.deployment == self.deployment && event.seq >= self.told => {
                    self.rests = event.what.rests();
                    return Some((*event).clone());
                }
                Ok(_) => {}
                // Too slow: the journal has all that was missed but what was only waited for.
                Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await.ok()?,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
