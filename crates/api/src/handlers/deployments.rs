//! Deployments: asking for them, steering them, following them.

pub(crate) mod ask;
mod course;
pub(super) mod describe;

use crate::app::{App, Shared};
use crate::events::{Events, events};
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller, Names, Parameters};
use axum::Json;
use axum::extract::State;
use kiln_catalog::{applications, environments};
use kiln_deploy::Target;
use kiln_names::{AppName, DeploymentId, EnvName};
use kiln_protocol::deployment::{Deployment, DeploymentEvent, DeploymentSummary, Reason};
use kiln_protocol::{Code, paths};
use serde::Deserialize;

/// How many deployments are listed unless told, and at most.
const LISTED: u32 = 20;
const MAX_LISTED: u32 = 1_000;

/// Takes back what the current deployment did.
#[utoipa::path(post, path = paths::UNDO, tag = "deployments",
    request_body = Reason, responses((status = 200, body = Deployment)))]
pub(crate) async fn undo(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(Reason { .. }): Body<Reason>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    shown(&kiln, kiln.orchestrator.undo(&target, &by.who).await?).await
}

/// Stops the current deployment, which touches nothing more.
#[utoipa::path(post, path = paths::ABORT, tag = "deployments",
    request_body = Reason, responses((status = 200, body = Deployment)))]
pub(crate) async fn abort(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(Reason { .. }): Body<Reason>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    shown(&kiln, kiln.orchestrator.abort(&target, &by.who).await?).await
}

/// Goes on from the action that failed or was stopped.
#[utoipa::path(post, path = paths::RETRY, tag = "deployments",
    request_body = Reason, responses((status = 200, body = Deployment)))]
pub(crate) async fn retry(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(Reason { .. }): Body<Reason>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    shown(&kiln, kiln.orchestrator.retry(&target, &by.who).await?).await
}

/// Stops the current deployment after the action in flight, until somebody resumes it.
#[utoipa::path(post, path = paths::PAUSE, tag = "deployments",
    request_body = Reason, responses((status = 200, body = Deployment)))]
pub(crate) async fn pause(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(Reason { .. }): Body<Reason>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    shown(&kiln, kiln.orchestrator.pause(&target, &by.who).await?).await
}

/// Goes on after a pause.
#[utoipa::path(post, path = paths::RESUME, tag = "deployments",
    request_body = Reason, responses((status = 200, body = Deployment)))]
pub(crate) async fn resume(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(Reason { .. }): Body<Reason>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    shown(&kiln, kiln.orchestrator.resume(&target, &by.who).await?).await
}

/// Which deployments.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Only of this application.
    #[param(value_type = Option<String>)]
    app: Option<AppName>,
    /// Only in this environment; goes with an application.
    #[param(value_type = Option<String>)]
    env: Option<EnvName>,
    /// Only those that began before this one.
    #[param(value_type = Option<String>)]
    before: Option<DeploymentId>,
    /// How many at most.
    limit: Option<u32>,
}

/// Lists deployments, the newest first.
#[utoipa::path(get, path = paths::DEPLOYMENTS, tag = "deployments", params(Which),
    responses((status = 200, body = [DeploymentSummary])))]
pub(crate) async fn list(
    State(kiln): Shared,
    Parameters(Which { app, env, before, limit }): Parameters<Which>,
) -> Answer<Vec<DeploymentSummary>> {
    let limit = limit.unwrap_or(LISTED).min(MAX_LISTED);
    if app.is_none() && env.is_some() {
        let detail = "an environment goes with an application here";
        return Err(Refusal::new(Code::BadRequest, detail));
    }
    if let Some(app) = &app {
        applications::show(&kiln.database, app).await?;
    }
    if let Some(env) = &env {
        environments::show(&kiln.database, env).await?;
    }
    let scope = app.as_ref().map(|app| (app, env.as_ref()));
    let found = kiln.orchestrator.deployments(scope, before, limit).await?;
    let mut db = kiln.database.read().await?;
    let mut summaries = Vec::with_capacity(found.len());
    for summary in found {
        summaries.push(describe::summary(&mut db, summary).await?);
    }
    Ok(Json(summaries))
}

/// Shows a deployment.
#[utoipa::path(get, path = paths::DEPLOYMENT, tag = "deployments",
    responses((status = 200, body = Deployment)))]
pub(crate) async fn show(
    State(kiln): Shared,
    Names(id): Names<DeploymentId>,
) -> Answer<Deployment> {
    shown(&kiln, id).await
}

/// From where on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct After {
    /// Only what happened after the record of this place.
    after: Option<u64>,
}

/// Tells how a deployment goes, until it ends or waits for a person.
#[utoipa::path(get, path = paths::DEPLOYMENT_EVENTS, tag = "deployments", params(After),
    responses((status = 200, body = DeploymentEvent, content_type = "text/event-stream")))]
pub(crate) async fn watch(
    State(kiln): Shared,
    Names(id): Names<DeploymentId>,
    Parameters(After { after }): Parameters<After>,
) -> Result<Events, Refusal> {
    let from = after.map_or(0, |after| after.saturating_add(1));
    let told = kiln.orchestrator.subscribe(id, from).await?;
    Ok(events(course::course(kiln, id, told)))
}

/// The application in the environment, if both are there.
pub(super) async fn target(kiln: &App, app: AppName, env: EnvName) -> Result<Target, Refusal> {
    applications::show(&kiln.database, &app).await?;
    environments::show(&kiln.database, &env).await?;
    Ok(Target { app, env })
}

async fn shown(kiln: &App, id: DeploymentId) -> Answer<Deployment> {
    Ok(Json(describe::deployment(kiln, id).await?))
}
