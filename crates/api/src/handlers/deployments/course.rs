//! How a deployment goes, in the protocol's words.

use super::describe;
use crate::app::App;
use crate::events::Label;
use crate::handlers::running::{shown_groups, shown_instances};
use crate::refusal::Refusal;
use futures_util::stream::{self, Stream, StreamExt as _};
use kiln_deploy::view::GroupView;
use kiln_deploy::{Groups, Progress, ProgressEvent, ProgressStream, Step, Target};
use kiln_names::DeploymentId;
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::{DeploymentEvent, Happening, PlannedAction};
use std::sync::Arc;

type Told = Result<(Label, DeploymentEvent), Refusal>;

/// A deployment that is told of.
struct Course {
    kiln: Arc<App>,
    id: DeploymentId,
    progress: ProgressStream,
    /// What becomes of the groups; none of a deployment that rested before anybody watched.
    groups: Option<(Target, Groups)>,
    /// The groups as they were told last.
    seen: Option<Arc<Vec<GroupView>>>,
    /// The place of what was told last.
    seq: u64,
    stage: Stage,
}

/// How far the telling is.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// It goes on.
    Going,
    /// All that happened was told.
    Rests,
    /// So was how the groups are by that.
    Seen,
    /// And the whole of it.
    Over,
}

/// What comes next while it goes on.
enum Next {
    Progress(ProgressEvent),
    Groups(Arc<Vec<GroupView>>),
}

/// The events from a place on, and when they end because the deployment rests, the whole of it.
pub(super) async fn course(
    kiln: Arc<App>,
    id: DeploymentId,
    from: u64,
) -> Result<impl Stream<Item = Told> + Send, Refusal> {
    let progress = kiln.orchestrator.subscribe(id, from).await?;
    let now = kiln.orchestrator.deployment(id).await?.summary;
    let groups = now.state.exit().is_none().then(|| {
        let groups = kiln.orchestrator.groups(id, &now.target);
        (now.target, groups)
    });
    let (seen, seq, stage) = (None, from.saturating_sub(1), Stage::Going);
    let course = Course { kiln, id, progress, groups, seen, seq, stage };
    Ok(stream::unfold(course, |mut course| async {
        let told = course.next().await?;
        Some((told, course))
    }))
}

// === impl Course ===

impl Course {
    async fn next(&mut self) -> Option<Told> {
        loop {
            let groups = match self.stage {
                Stage::Going => match self.wait().await {
                    Some(Next::Progress(event)) => return Some(Ok(self.progressed(event))),
                    Some(Next::Groups(groups)) => groups,
                    None => {
                        self.stage = Stage::Rests;
                        continue;
                    }
                },
                Stage::Rests => {
                    self.stage = Stage::Seen;
                    let Some((target, _)) = &self.groups else { continue };
                    match self.kiln.orchestrator.look(target).await {
                        Ok(groups) => Arc::new(groups),
                        Err(error) => return Some(Err(error.into())),
                    }
                }
                Stage::Seen => {
                    self.stage = Stage::Over;
                    return self.ended().await.transpose();
                }
                Stage::Over => return None,
            };
            if self.seen.as_ref() != Some(&groups) {
                return Some(self.moved(groups).await);
            }
        }
    }

    /// Waits for what comes next; none when nothing will. What happened goes before what is seen.
    async fn wait(&mut self) -> Option<Next> {
        let Some((_, groups)) = &mut self.groups else {
            return self.progress.next().await.map(Next::Progress);
        };
        loop {
            tokio::select! {
                biased;
                event = self.progress.next() => return event.map(Next::Progress),
                Ok(()) = groups.changed() => {
                    if let Some(groups) = groups.borrow_and_update().clone() {
                        return Some(Next::Groups(groups));
                    }
                }
            }
        }
    }

    fn progressed(&mut self, event: ProgressEvent) -> (Label, DeploymentEvent) {
        let ProgressEvent { seq, at_ms, whole, what, .. } = event;
        // What is not journaled carries the place of what comes next; whoever asks for what comes
        // after it must not miss that.
        self.seq = match what {
            Progress::ActionWaiting { .. } => seq.saturating_sub(1),
            _ => seq,
        };
        self.event(Timestamp(at_ms), whole, happening(what))
    }

    async fn moved(&mut self, groups: Arc<Vec<GroupView>>) -> Told {
        let mut db = self.kiln.database.read().await?;
        let what = Happening::Groups {
            groups: shown_groups(&mut db, groups.to_vec()).await?,
            instances: groups.iter().flat_map(shown_instances).collect(),
        };
        self.seen = Some(groups);
        Ok(self.event(Timestamp(self.kiln.clock.now_ms()), false, what))
    }

    /// The last event; none when nothing more is told because the server stops.
    async fn ended(&mut self) -> Result<Option<(Label, DeploymentEvent)>, Refusal> {
        let deployment = describe::deployment(&self.kiln, self.id).await?;
        if deployment.state.exit().is_none() {
            return Ok(None);
        }
        let at = deployment.ended.unwrap_or(Timestamp(self.kiln.clock.now_ms()));
        self.seq = deployment.seq;
        let what = Happening::Ended { deployment: Box::new(deployment) };
        Ok(Some(self.event(at, true, what)))
    }

    /// Only what leaves nothing out has an id to go on after.
    fn event(&self, at: Timestamp, whole: bool, what: Happening) -> (Label, DeploymentEvent) {
        let seq = self.seq;
        let label = Label { name: Some(what.name()), id: whole.then_some(seq) };
        (label, DeploymentEvent { seq, at, what })
    }
}

fn happening(what: Progress) -> Happening {
    match what {
        Progress::State { state, reason } => Happening::State { state, reason },
        Progress::Prepared { step, note } => Happening::Prepared { step, note },
        Progress::Sealed { release, actions, notes, .. } => {
            Happening::Sealed { release, actions: actions.len(), notes, plan: planned(actions) }
        }
        Progress::ActionStarted { action, phase, summary, place, of } => {
            let phase = phase.as_str().to_owned();
            Happening::ActionStarted { action, phase, summary, place, of }
        }
        Progress::ActionWaiting { action, note } => Happening::ActionWaiting { action, note },
        Progress::ActionDone { action, note, milliseconds } => {
            Happening::ActionDone { action, note, milliseconds }
        }
        Progress::ActionFailed { action, failure } => {
            Happening::ActionFailed { action, reason: failure.reason }
        }
        Progress::Command { verb, who, actions } => {
            Happening::Command { verb, user: who, plan: planned(actions) }
        }
    }
}

fn planned(actions: Vec<Step>) -> Vec<PlannedAction> {
    let planned = |step: Step| PlannedAction {
        phase: step.phase.as_str().to_owned(),
        name: step.name,
        description: step.summary,
    };
    actions.into_iter().map(planned).collect()
}
