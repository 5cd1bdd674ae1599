//! What follows from what: the pure half of the executor.
//!
//! Everything that can happen to a deployment is an [`Input`]; [`decide`] answers with the events
//! that it means, and [`advance`] with those that follow without anybody's doing.

use crate::actions::Touch;
use crate::error::NotNow;
use crate::journal::Event;
use crate::place::GroupRef;
use crate::plan::Plan;
use crate::ports::ProblemKind;
use crate::status::{Direction, Status};
use crate::{Failure, Request};
use kiln_names::InstanceId;
use kiln_protocol::deployment::DeploymentState;

/// Everything that can happen to a deployment.
#[derive(Debug)]
pub(crate) enum Input {
    /// A task took the deployment up: at its beginning, or after a crash.
    TakenUp,
    /// The preparation ended.
    Prepared(Result<Box<Plan>, Refusal>),
    /// The action in flight is done.
    Done { note: Option<String>, took_ms: u64 },
    /// The action in flight failed.
    Failed { failure: Box<Failure>, stale: bool },
    /// A person asked for something.
    Asked(Command),
}

/// What people ask of a deployment in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Abort { by: String },
    Undo { by: String },
    Retry { by: String },
    Pause { by: String },
    Resume { by: String },
}

/// Why a preparation ended without a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) step: &'static str,
    pub(crate) kind: ProblemKind,
    pub(crate) reason: String,
}

/// The events that an input means.
pub(crate) fn decide(status: &Status, input: Input) -> Result<Vec<Event>, NotNow> {
    match input {
        Input::TakenUp => Ok(Vec::new()),
        Input::Prepared(Ok(plan)) => Ok(vec![Event::Sealed { plan }]),
        Input::Prepared(Err(Refusal { step, kind, reason })) => {
            Ok(vec![Event::Refused { step: step.to_owned(), kind, reason }])
        }
        Input::Done { note, took_ms } => {
            let (index, action) = in_flight(status);
            Ok(vec![Event::Finished { index, action, note, took_ms }])
        }
        Input::Failed { failure, stale } => Ok(failed(status, failure, stale)),
        Input::Asked(command) => asked(status, command),
    }
}

/// The event that follows from a status alone: the next intent, the result of what only records,
/// the end. None when something has to happen first.
pub(crate) fn advance(status: &Status) -> Option<Event> {
    if status.state != DeploymentState::Running {
        return None;
    }
    let Some(planned) = status.action() else {
        return Some(match status.direction {
            Direction::Forward => Event::Completed,
            Direction::Undo => Event::Undone,
        });
    };
    let (index, action) = (status.next, &planned.action);
    match (status.in_flight_ms, action.act().touch()) {
        (None, Touch::Waits) => {
            Some(Event::Paused { index, reason: format!("it waits {}", action.summary()) })
        }
        (None, _) => Some(Event::intended(index, action)),
        (Some(_), Touch::Records) => {
            let action = action.name().to_owned();
            Some(Event::Finished { index, action, note: None, took_ms: 0 })
        }
        (Some(_), Touch::Looks | Touch::Changes | Touch::Waits) => None,
    }
}

fn in_flight(status: &Status) -> (usize, String) {
    let name = status.action().map_or_else(String::new, |p| p.action.name().to_owned());
    (status.next, name)
}

/// A failure is undone at once, unless a person asked to hold, it is the undo itself that failed,
/// everything else is done, or somebody else is in charge: then an undo would fail as well, or do harm.
fn failed(status: &Status, failure: Box<Failure>, stale: bool) -> Vec<Event> {
    let (index, action) = in_flight(status);
    let reason = format!("{action} failed: {}", failure.reason);
    let hold = status.plan.as_ref().is_some_and(|plan| plan.hold);
    let stays = hold || stale || status.stands();
    let follows = if stays || status.direction == Direction::Undo {
        Event::Stuck { reason }
    } else {
        undo(status, None, reason)
    };
    vec![Event::Failed { index, action, failure }, follows]
}

fn undo(status: &Status, by: Option<String>, reason: String) -> Event {
    let plan = status.plan.as_ref();
    let actions = plan.map(|plan| plan.undo(status.reached)).unwrap_or_default();
    Event::UndoAsked { by, reason, actions }
}

fn asked(status: &Status, command: Command) -> Result<Vec<Event>, NotNow> {
    use DeploymentState::{Paused, Preparing, Running, Stuck};
    let undoing = status.direction == Direction::Undo;
    match (command, status.state) {
        (Command::Abort { by }, Preparing | Running | Paused) => Ok(vec![Event::AbortAsked { by }]),
        (Command::Undo { .. }, Running | Paused) if undoing => {
            Err(not_now(status, "it is being undone already", "abort stops that"))
        }
        // From where it stopped: what it took away already cannot be given traffic again.
        (Command::Undo { by }, Stuck) if undoing => Ok(vec![Event::RetryAsked { by }]),
        (Command::Undo { .. }, Running | Paused | Stuck) if status.stands() => Err(not_now(
            status,
            "all but its last hook is done",
            "retry ends it, then rollback goes back",
        )),
        (Command::Undo { by }, Running | Paused | Stuck) => {
            let reason = format!("undone by {by}");
            Ok(vec![undo(status, Some(by), reason)])
        }
        (Command::Retry { by }, Stuck) => Ok(vec![Event::RetryAsked { by }]),
        (Command::Pause { by }, Running) if status.pause.is_none() => {
            Ok(vec![Event::PauseAsked { by }])
        }
        (Command::Resume { by }, Paused) => Ok(vec![Event::ResumeAsked { by }]),
        (Command::Resume { by }, Running) if status.pause.is_some() => {
            Ok(vec![Event::ResumeAsked { by }])
        }
        (Command::Abort { .. }, Stuck) => {
            Err(not_now(status, "nothing of it goes on", "retry goes on, undo takes it back"))
        }
        (Command::Pause { .. }, Running | Paused) => {
            Err(not_now(status, "a pause is asked for", "resume goes on, abort stops it"))
        }
        (Command::Pause { .. }, Stuck) => {
            Err(not_now(status, "nothing of it goes on", "retry goes on, undo takes it back"))
        }
        (Command::Resume { .. }, Stuck) => {
            Err(not_now(status, "it is not paused", "retry goes on, undo takes it back"))
        }
        (Command::Pause { .. }, Preparing) => {
            Err(not_now(status, "nothing has changed yet", "abort ends it"))
        }
        (Command::Resume { .. }, Preparing | Running) => {
            Err(not_now(status, "it goes on", "pause stops it after its action"))
        }
        (Command::Undo { .. }, Preparing) => {
            Err(not_now(status, "nothing has changed yet", "abort ends it"))
        }
        (Command::Retry { .. }, Preparing | Running) => {
            Err(not_now(status, "it goes on", "abort stops it, undo takes it back"))
        }
        (Command::Retry { .. }, Paused) => {
            Err(not_now(status, "nothing of it failed", "resume goes on"))
        }
        _ => Err(not_now(status, "it has ended", "rollback goes back, deploy goes on")),
    }
}

fn not_now(status: &Status, why: &str, instead: &str) -> NotNow {
    let what = status.request.as_ref().map_or("the deployment", |request| request.ask.verb());
    let why = format!("the {what} is {}: {why}", status.state);
    NotNow { why, instead: instead.to_owned() }
}

/// What to type next, for whoever looks at a deployment in this status.
pub(crate) fn hint(
    request: &Request,
    status: &Status,
    failed: Option<InstanceId>,
) -> Option<String> {
    let crate::Target { app, env } = &request.target;
    match (status.state, status.direction) {
        (DeploymentState::Stuck, Direction::Forward) if status.stands() => {
            Some(format!("kiln retry {app} {env} goes on, all but its last hook is done"))
        }
        (DeploymentState::Stuck, Direction::Forward) => {
            Some(format!("kiln retry {app} {env} goes on, kiln undo {app} {env} takes it back"))
        }
        (DeploymentState::Stuck, Direction::Undo) => {
            Some(format!("kiln retry {app} {env} goes on with the undo"))
        }
        (DeploymentState::Paused, _) => {
            Some(format!("kiln resume {app} {env} goes on, kiln undo {app} {env} takes it back"))
        }
        (DeploymentState::Undone, _) => {
            failed.map(|instance| format!("kiln logs {app} {env} --instance {instance} shows more"))
        }
        (DeploymentState::Running | DeploymentState::Preparing, _) => {
            Some(format!("kiln abort {app} {env} stops it, kiln undo {app} {env} takes it back"))
        }
        _ => None,
    }
}

/// The groups whose instances can tell why the action in flight failed.
pub(crate) fn suspects(status: &Status) -> Vec<GroupRef> {
    status.action().map(|planned| planned.action.act().suspects()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
