//! What begins a deployment.

use super::{describe, shown, target};
use crate::app::{App, Shared};
use crate::handlers::images::find;
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller, Names};
use axum::Json;
use axum::extract::State;
use kiln_deploy::{Ask, Deploy, Error, Problem, ProblemKind, Request, Why};
use kiln_names::{AppName, EnvName, ImageRef, InstanceId};
use kiln_protocol::deployment::{
    DeployRequest, Deployment, Plan, Reason, ResizeRequest, RollbackRequest,
};
use kiln_protocol::{Code, paths};
use kiln_store::audit::By;

/// Shows what a deployment would do.
#[utoipa::path(post, path = paths::PLAN, tag = "deployments",
    request_body = DeployRequest,
    responses((status = 200, body = Plan)))]
pub(crate) async fn plan(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(new): Body<DeployRequest>,
) -> Answer<Plan> {
    let target = target(&kiln, app, env).await?;
    let why = why(by, new.message.clone());
    let request = Request { target, ask: Ask::Deploy(resolved(&kiln, new).await?), why };
    let plan = kiln.orchestrator.plan(&request).await?;
    Ok(Json(describe::plan(&kiln, &plan).await?))
}

/// Shows what going back to an earlier release would do.
#[utoipa::path(post, path = paths::ROLLBACK_PLAN, tag = "deployments",
    request_body = RollbackRequest, responses((status = 200, body = Plan)))]
pub(crate) async fn plan_rollback(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(RollbackRequest { to, message }): Body<RollbackRequest>,
) -> Answer<Plan> {
    let target = target(&kiln, app, env).await?;
    let request = Request { target, ask: Ask::Rollback { to }, why: why(by, message) };
    let plan = kiln.orchestrator.plan(&request).await?;
    Ok(Json(describe::plan(&kiln, &plan).await?))
}

/// Deploys an image with its configuration.
#[utoipa::path(post, path = paths::DEPLOY, tag = "deployments",
    request_body = DeployRequest,
    responses((status = 200, body = Deployment)))]
pub(crate) async fn deploy(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(new): Body<DeployRequest>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    let why = why(by, new.message.clone());
    let deploy = resolved(&kiln, new).await?;
    shown(&kiln, kiln.orchestrator.deploy(target, deploy, why).await?).await
}

/// Goes back to an earlier release.
#[utoipa::path(post, path = paths::ROLLBACK, tag = "deployments",
    request_body = RollbackRequest, responses((status = 200, body = Deployment)))]
pub(crate) async fn rollback(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(RollbackRequest { to, message }): Body<RollbackRequest>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    shown(&kiln, kiln.orchestrator.rollback(target, to, why(by, message)).await?).await
}

/// Deploys the active image with the newest configuration.
#[utoipa::path(post, path = paths::REDEPLOY, tag = "deployments",
    request_body = Reason, responses((status = 200, body = Deployment)))]
pub(crate) async fn redeploy(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(Reason { message }): Body<Reason>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    shown(&kiln, kiln.orchestrator.redeploy(target, why(by, message)).await?).await
}

/// Removes all groups and frees the routes.
#[utoipa::path(post, path = paths::STOP, tag = "deployments",
    request_body = Reason, responses((status = 200, body = Deployment)))]
pub(crate) async fn stop(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(Reason { message }): Body<Reason>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    shown(&kiln, kiln.orchestrator.stop(target, why(by, message)).await?).await
}

/// Changes how many instances there are.
#[utoipa::path(post, path = paths::RESIZE, tag = "deployments",
    request_body = ResizeRequest, responses((status = 200, body = Deployment)))]
pub(crate) async fn resize(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env)): Names<(AppName, EnvName)>,
    Body(ResizeRequest { process, size, message }): Body<ResizeRequest>,
) -> Answer<Deployment> {
    let target = target(&kiln, app, env).await?;
    let id = kiln.orchestrator.resize(target, process, size, why(by, message)).await?;
    shown(&kiln, id).await
}

/// Replaces one instance by an identical one.
#[utoipa::path(post, path = paths::REPLACE, tag = "instances",
    request_body = Reason, responses((status = 200, body = Deployment)))]
pub(crate) async fn replace(
    State(kiln): Shared,
    Caller(by): Caller,
    Names(instance): Names<InstanceId>,
    Body(Reason { message }): Body<Reason>,
) -> Answer<Deployment> {
    let begun = kiln.orchestrator.replace(instance, why(by, message)).await;
    let id = begun.map_err(|error| match error {
        Error::Problem(Problem { kind: ProblemKind::NotFound, message }) => {
            Refusal::new(Code::InstanceNotFound, message)
        }
        other => other.into(),
    })?;
    shown(&kiln, id).await
}

/// An image that is not there is refused at once, before anything is recorded.
async fn resolved(kiln: &App, new: DeployRequest) -> Result<Deploy, Refusal> {
    let DeployRequest { image, config, release, hold, .. } = new;
    let image = match image {
        None => None,
        Some(image) => {
            let digest = find::resolve(&mut *kiln.database.read().await?, &image).await?;
            Some(ImageRef::Digest(digest))
        }
    };
    Ok(Deploy { image, config, release, hold })
}

fn why(by: By, message: String) -> Why {
    Why { who: by.who, message }
}
