//! Deployments: asking for them, steering them, following them.

pub(crate) mod ask;
mod course;
pub(super) mod describe;

use crate::app::{App, Shared};
use crate::events::{Events, labelled};
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller, Names, Parameters};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use kiln_catalog::{applications, environments};
use kiln_deploy::Target;
use kiln_names::{AppName, DeploymentId, EnvName};
use kiln_protocol::deployment::{Deployment, DeploymentEvent, DeploymentSummary, Reason};
use kiln_protocol::wire::LAST_EVENT_ID;
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

/// Tells how a deployment goes, until it ends or needs a person.
///
/// Server-sent events: `event` is the kind, `data` is the JSON, and `id`, where there is one, the place in
/// the journal up to which all was told: as `Last-Event-ID` it resumes there. A comment every 15 seconds
/// keeps a silent stream alive. The last event is `ended`, or `problem` with a problem document.
#[utoipa::path(get, path = paths::DEPLOYMENT_EVENTS, tag = "deployments",
    params(After, ("Last-Event-ID" = Option<u64>, Header,
        description = "The id of the last event that was read; goes before `after`.")),
    responses((status = 200, body = DeploymentEvent, content_type = "text/event-stream")))]
pub(crate) async fn watch(
    State(kiln): Shared,
    Names(id): Names<DeploymentId>,
    Parameters(After { after }): Parameters<After>,
    headers: HeaderMap,
) -> Result<Events, Refusal> {
    let after = last_event(&headers)?.or(after);
    let from = after.map_or(0, |after| after.saturating_add(1));
    Ok(labelled(course::course(kiln, id, from).await?))
}

/// What a client says it was told last, before its stream broke.
fn last_event(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    let detail = || format!("{LAST_EVENT_ID} is not the id of an event of this stream");
    id.map(Some).ok_or_else(|| Refusal::new(Code::BadRequest, detail()))
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
