//! Deployments and plans in the protocol's words.

use crate::app::App;
use crate::refusal::Refusal;
use kiln_deploy::view::{self, ActionView};
use kiln_deploy::{self as deploy, Release};
use kiln_names::{DeploymentId, Digest, ReleaseId};
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::{
    Action, ActionState, Deployment, DeploymentState, DeploymentSummary, Failure, Plan,
    PlannedAction, PlannedGroup,
};
use kiln_protocol::status::ProcessMemory;
use kiln_store::{Connection, StoreError, images, releases};

/// All of a deployment.
pub(super) async fn deployment(kiln: &App, id: DeploymentId) -> Result<Deployment, Refusal> {
    let view = kiln.orchestrator.deployment(id).await?;
    let memory = memory(kiln, &view.summary).await?;
    let mut db = kiln.database.read().await?;
    let summary = view.summary;
    let release = stored(&mut db, summary.release).await?;
    let image = release.as_ref().map(|release| release.image);
    Ok(Deployment {
        id: summary.id,
        app: summary.target.app,
        env: summary.target.env,
        verb: summary.verb,
        state: summary.state,
        reason: summary.reason,
        hint: view.hint,
        release: summary.release,
        from: view.from,
        image,
        version: version(&mut db, image).await?,
        config: release.map(|release| release.config),
        message: summary.message,
        user: summary.who,
        started: Timestamp(summary.started_ms),
        ended: summary.ended_ms.map(Timestamp),
        differences: view.differences,
        actions: view.actions.into_iter().map(action).collect(),
        failure: view.failure.map(failure),
        memory,
        seq: view.seq,
    })
}

/// What the processes use that a deployment left active: told at its end, to who waits for it.
async fn memory(kiln: &App, of: &view::Summary) -> Result<Vec<ProcessMemory>, Refusal> {
    if of.state != DeploymentState::Completed || of.release.is_none() {
        return Ok(Vec::new());
    }
    let running = kiln.orchestrator.status(&of.target).await?;
    let active = running.active.map(|(release, _)| release.id());
    Ok(if active == of.release { running.memory } else { Vec::new() })
}

/// A deployment in short.
pub(in crate::handlers) async fn summary(
    db: &mut Connection,
    summary: view::Summary,
) -> Result<DeploymentSummary, StoreError> {
    let release = stored(db, summary.release).await?;
    Ok(DeploymentSummary {
        id: summary.id,
        app: summary.target.app,
        env: summary.target.env,
        verb: summary.verb,
        state: summary.state,
        reason: summary.reason,
        release: summary.release,
        version: version(db, release.map(|release| release.image)).await?,
        message: summary.message,
        user: summary.who,
        started: Timestamp(summary.started_ms),
        ended: summary.ended_ms.map(Timestamp),
    })
}

/// What a deployment would do.
pub(super) async fn plan(kiln: &App, plan: &deploy::Plan) -> Result<Plan, Refusal> {
    let image = plan.release.as_ref().map(|release| release.image);
    let group = |spec: &kiln_engine::GroupSpec| PlannedGroup {
        process: spec.process.clone(),
        size: spec.params.desired,
        routes: spec.params.routes.clone(),
    };
    let action = |planned: &deploy::PlannedAction| PlannedAction {
        phase: planned.phase.as_str().to_owned(),
        name: planned.action.name().to_owned(),
        description: planned.action.summary(),
    };
    Ok(Plan {
        app: plan.target.app.clone(),
        env: plan.target.env.clone(),
        from: plan.from,
        release: plan.release.as_ref().map(Release::id),
        image,
        version: version(&mut *kiln.database.read().await?, image).await?,
        config: plan.release.as_ref().map(|release| release.config),
        groups: plan.new_groups().map(group).collect(),
        differences: plan.differences.clone(),
        notes: plan.notes.clone(),
        actions: plan.actions.iter().map(action).collect(),
    })
}

/// The release of that id, unless it is of another Kiln.
async fn stored(
    db: &mut Connection,
    release: Option<ReleaseId>,
) -> Result<Option<Release>, StoreError> {
    let Some(release) = release else { return Ok(None) };
    let canonical = releases::get(db, release).await?;
    Ok(canonical.and_then(|canonical| Release::parse(&canonical).ok()))
}

/// The image of a release.
pub(in crate::handlers) async fn image_of(
    db: &mut Connection,
    release: ReleaseId,
) -> Result<Option<Digest>, StoreError> {
    Ok(stored(db, Some(release)).await?.map(|release| release.image))
}

/// The newest name of an image.
pub(in crate::handlers) async fn version(
    db: &mut Connection,
    image: Option<Digest>,
) -> Result<Option<String>, StoreError> {
    let Some(image) = image else { return Ok(None) };
    let newest = images::versions_of(db, &image).await?.into_iter().next();
    Ok(newest.map(|row| format!("{}:{}", row.app, row.version)))
}

fn action(view: ActionView) -> Action {
    Action {
        phase: view.phase.as_str().to_owned(),
        name: view.name,
        summary: view.summary,
        state: match view.ended {
            None => ActionState::Running,
            Some((_, true)) => ActionState::Done,
            Some((_, false)) => ActionState::Failed,
        },
        note: view.note,
        started: Timestamp(view.started_ms),
        ended: view.ended.map(|(at_ms, _)| Timestamp(at_ms)),
    }
}

fn failure((action, why): (String, deploy::Failure)) -> Failure {
    let deploy::Failure { reason, group, instance, last_check, exit, log } = why;
    Failure { action, reason, last_check, group, instance, exit, log }
}
