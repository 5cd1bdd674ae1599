//! Following a deployment to its end, through restarts of the server.

use crate::CliError;
use crate::output::talk;
use crate::progress::Progress;
use crate::session::Session;
use futures_util::StreamExt as _;
use kiln_client::ClientError;
use kiln_names::DeploymentId;
use kiln_protocol::deployment::{Deployment, DeploymentEvent, DeploymentState, Happening};
use std::time::{Duration, Instant};

/// How long a server may be away before following it is given up; it restarts within a second.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait before asking a lost server again.
const PAUSE: Duration = Duration::from_millis(200);

/// What is done with each event besides drawing it.
type Tap = fn(&Session, &DeploymentEvent) -> Result<(), CliError>;

/// Follows a deployment from its beginning, and draws its progress until it ends.
pub(crate) async fn follow(
    session: &Session,
    deployment: &Deployment,
) -> Result<Deployment, CliError> {
    follow_with(session, deployment.id, None, |_, _| Ok(())).await
}

/// The same for one that went on before: only what comes is drawn.
pub(crate) async fn follow_on(
    session: &Session,
    deployment: &Deployment,
) -> Result<Deployment, CliError> {
    follow_with(session, deployment.id, Some(deployment.seq), |_, _| Ok(())).await
}

/// The same from the event after `seen` on, and hands each event on.
pub(crate) async fn follow_with(
    session: &Session,
    id: DeploymentId,
    seen: Option<u64>,
    tap: Tap,
) -> Result<Deployment, CliError> {
    let mut course = Course { progress: Progress::new(session.output), summary: String::new() };
    tokio::select! {
        ended = until_end(session, id, seen, tap, &mut course) => ended,
        _ = tokio::signal::ctrl_c() => {
            course.progress.clear();
            talk(&format!("The deployment goes on. Follow it with: kiln watch {id}\n"));
            Err(CliError::Interrupted)
        }
    }
}

async fn until_end(
    session: &Session,
    id: DeploymentId,
    mut seen: Option<u64>,
    tap: Tap,
    course: &mut Course,
) -> Result<Deployment, CliError> {
    let mut heard = Instant::now();
    loop {
        let error = match pass(session, id, tap, course, &mut seen).await {
            Ok(deployment) => return Ok(*deployment),
            Err(Pass::Over(error)) => return Err(error),
            Err(Pass::Lost { error, progressed }) => {
                if progressed {
                    heard = Instant::now();
                }
                error
            }
        };
        if heard.elapsed() > PATIENCE {
            return Err(error.into());
        }
        course.progress.passing("server", "not answering; asking again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// How one connection ended without the deployment having ended.
enum Pass {
    /// There is no point in another.
    Over(CliError),
    /// The connection broke, perhaps after some events.
    Lost { error: ClientError, progressed: bool },
}

/// Follows over one connection.
async fn pass(
    session: &Session,
    id: DeploymentId,
    tap: Tap,
    course: &mut Course,
    seen: &mut Option<u64>,
) -> Result<Box<Deployment>, Pass> {
    let mut progressed = false;
    let judge = |error: ClientError, progressed| match error.is_lost() {
        true => Pass::Lost { error, progressed },
        false => Pass::Over(error.into()),
    };
    let mut events =
        session.client.watch(id, *seen).await.map_err(|error| judge(error, progressed))?;
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| judge(error, progressed))?;
        progressed = true;
        *seen = Some(event.seq);
        course.draw(&event.what);
        tap(session, &event).map_err(Pass::Over)?;
        if let Happening::Ended { deployment } = event.what {
            return Ok(deployment);
        }
    }
    let error = ClientError::Lost("the stream ended early".into());
    Err(Pass::Lost { error, progressed })
}

/// How the deployment goes, drawn.
struct Course {
    progress: Progress,
    /// What the action under way does.
    summary: String,
}

impl Course {
    fn draw(&mut self, what: &Happening) {
        let progress = &mut self.progress;
        match what {
            Happening::Prepared { step, note } => {
                progress.passing(step, note.as_deref().unwrap_or(""));
            }
            Happening::Sealed { release, notes, .. } => {
                let release = release.map(|release| release.short()).unwrap_or_default();
                progress.done("plan", &release, 0);
                notes.iter().for_each(|note| progress.remark(note));
            }
            Happening::ActionStarted { action, summary, .. } => {
                progress.passing(action, summary);
                self.summary.clone_from(summary);
            }
            Happening::ActionWaiting { action, note } => progress.waiting(action, note),
            Happening::ActionDone { action, note, milliseconds } => {
                let note = note.as_ref().unwrap_or(&self.summary);
                progress.done(action, note, *milliseconds);
            }
            Happening::ActionFailed { action, reason } => progress.failed(action, reason),
            Happening::Command { verb, user } => {
                progress.remark(&format!("{user} asked for {verb}."));
            }
            Happening::State { state: DeploymentState::Paused, reason } => {
                let reason = reason.as_deref().unwrap_or("");
                progress.remark(&format!(
                    "Paused: {reason}. kiln resume goes on, kiln undo takes it back."
                ));
            }
            // How it ended is said once, at its end.
            Happening::State { .. } | Happening::Ended { .. } => {}
        }
    }
}
