//! Following a deployment to its end, through restarts of the server.

use crate::CliError;
use crate::lines::Lines;
use crate::output::talk;
use crate::session::Session;
use crate::tree::{EVERY, Subject, Tree};
use futures_util::StreamExt as _;
use kiln_client::ClientError;
use kiln_names::DeploymentId;
use kiln_protocol::deployment::{Deployment, DeploymentEvent, Happening};
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior, interval};

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
    follow_from(session, deployment, None).await
}

/// The same for one that went on before: what happened is in the tree, and of what comes is a line.
pub(crate) async fn follow_on(
    session: &Session,
    deployment: &Deployment,
) -> Result<Deployment, CliError> {
    follow_from(session, deployment, Some(deployment.seq)).await
}

/// The same for one of which nothing is known yet, and hands each event on.
pub(crate) async fn follow_with(
    session: &Session,
    id: DeploymentId,
    tap: Tap,
) -> Result<Deployment, CliError> {
    let view = if session.output.draws() { View::Blank } else { View::lines(session) };
    Following { session, id, seen: None, tap, view }.until_end_or_interrupt().await
}

async fn follow_from(
    session: &Session,
    deployment: &Deployment,
    seen: Option<u64>,
) -> Result<Deployment, CliError> {
    let (view, seen) = match session.output.draws() {
        true => (View::tree(deployment), None),
        false => (View::lines(session), seen),
    };
    let id = deployment.id;
    Following { session, id, seen, tap: |_, _| Ok(()), view }.until_end_or_interrupt().await
}
/// One deployment that is followed.
struct Following<'a> {
    session: &'a Session,
    id: DeploymentId,
    /// The place of the last event.
    seen: Option<u64>,
    tap: Tap,
    view: View,
}

/// How one connection ended without the deployment having ended.
enum Pass {
    /// There is no point in another.
    Over(CliError),
    /// The connection broke, perhaps after some events.
    Lost { error: ClientError, progressed: bool },
}

// === impl Following ===

impl Following<'_> {
    async fn until_end_or_interrupt(mut self) -> Result<Deployment, CliError> {
        let id = self.id;
        tokio::select! {
            ended = self.until_end() => ended,
            _ = tokio::signal::ctrl_c() => {
                talk(&format!("The deployment goes on. Follow it with: kiln watch {id}\n"));
                Err(CliError::Interrupted)
            }
        }
    }

    async fn until_end(&mut self) -> Result<Deployment, CliError> {
        let mut heard = Instant::now();
        loop {
            let error = match self.pass().await {
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
            self.view.lose();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Follows over one connection.
    async fn pass(&mut self) -> Result<Box<Deployment>, Pass> {
        let mut progressed = false;
        let judge = |error: ClientError, progressed| match error.is_lost() {
            true => Pass::Lost { error, progressed },
            false => Pass::Over(error.into()),
        };
        if matches!(self.view, View::Blank) {
            let deployment = self.session.client.deployment(self.id).await;
            self.view = View::tree(&deployment.map_err(|error| judge(error, progressed))?);
        }
        let events = self.session.client.watch(self.id, self.seen).await;
        let mut events = events.map_err(|error| judge(error, progressed))?;
        let mut frames = frames();
        loop {
            let event = tokio::select! {
                biased;
                _ = frames.tick(), if self.view.moves() => {
                    self.view.draw();
                    continue;
                }
                event = events.next() => event,
            };
            let Some(event) = event else { break };
            let event = event.map_err(|error| judge(error, progressed))?;
            progressed = true;
            self.seen = Some(event.seq);
            self.view.take(&event);
            (self.tap)(self.session, &event).map_err(Pass::Over)?;
            if let Happening::Ended { deployment } = event.what {
                self.view.draw();
                return Ok(deployment);
            }
        }
        let error = ClientError::Lost("the stream ended early".into());
        Err(Pass::Lost { error, progressed })
    }
}

fn frames() -> Interval {
    let mut frames = interval(EVERY);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Not at once: what has happened comes first.
    frames.reset();
    frames
}

/// What a person sees of it.
#[derive(Debug)]
enum View {
    /// To be drawn once it is known which deployment it is.
    Blank,
    /// Drawn in place, on a terminal.
    Tree(Box<Tree>),
    /// Elsewhere.
    Lines(Lines),
}

// === impl View ===

impl View {
    fn tree(deployment: &Deployment) -> Self {
        Self::Tree(Box::new(Tree::new(Subject::from(deployment))))
    }

    fn lines(session: &Session) -> Self {
        Self::Lines(Lines::new(session.output))
    }

    fn take(&mut self, event: &DeploymentEvent) {
        match self {
            Self::Tree(tree) => tree.take(event),
            Self::Lines(lines) => lines.take(event),
            Self::Blank => {}
        }
    }

    /// Whether it changes by itself.
    const fn moves(&self) -> bool {
        matches!(self, Self::Tree(_))
    }

    fn draw(&mut self) {
        if let Self::Tree(tree) = self {
            tree.draw();
        }
    }

    fn lose(&mut self) {
        if let Self::Tree(tree) = self {
            tree.lose();
            tree.draw();
        }
    }
}
