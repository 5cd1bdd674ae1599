//! What runs.

use super::deployments::{describe, target};
use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusal};
use crate::request::{Names, Parameters};
use axum::Json;
use axum::extract::State;
use kiln_catalog::applications;
use kiln_deploy::Target;
use kiln_deploy::view::{GroupView, Running};
use kiln_engine::{InstanceState, ObservedInstance};
use kiln_names::{AppName, EnvName};
use kiln_protocol::status::{Group, Instance, Status};
use kiln_protocol::{Timestamp, paths};
use kiln_store::deployments;
use serde::Deserialize;

/// Of what.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    /// Only of this application.
    #[param(value_type = Option<String>)]
    app: Option<AppName>,
    /// Only in this environment.
    #[param(value_type = Option<String>)]
    env: Option<EnvName>,
}

/// Shows what runs.
#[utoipa::path(get, path = paths::STATUS, tag = "instances", params(Of),
    responses((status = 200, body = [Status])))]
pub(crate) async fn status(
    State(kiln): Shared,
    Parameters(of): Parameters<Of>,
) -> Answer<Vec<Status>> {
    let mut all = Vec::new();
    for target in targets(&kiln, of).await? {
        let running = kiln.orchestrator.status(&target).await?;
        all.push(shown(&kiln, running).await?);
    }
    Ok(Json(all))
}

/// One that was asked for by both names, or all that have groups or a deployment in progress.
async fn targets(kiln: &App, of: Of) -> Result<Vec<Target>, Refusal> {
    let (app, env) = match (of.app, of.env) {
        (Some(app), Some(env)) => return Ok(vec![target(kiln, app, env).await?]),
        either => either,
    };
    if let Some(app) = &app {
        applications::show(&kiln.database, app).await?;
    }
    let mut targets = kiln.orchestrator.targets().await?;
    let busy = deployments::holders(&mut *kiln.database.read().await?).await?;
    targets.extend(busy.into_iter().map(|row| Target { app: row.app, env: row.env }));
    targets.retain(|target| app.as_ref().is_none_or(|app| target.app == *app));
    targets.retain(|target| env.as_ref().is_none_or(|env| target.env == *env));
    targets.sort_by(|one, other| (&one.app, &one.env).cmp(&(&other.app, &other.env)));
    targets.dedup();
    Ok(targets)
}

async fn shown(kiln: &App, running: Running) -> Result<Status, Refusal> {
    let Running { target: Target { app, env }, active, deployment, groups } = running;
    let mut db = kiln.database.read().await?;
    let image = active.as_ref().map(|(release, _)| release.image);
    let deployment = match deployment {
        Some(summary) => Some(describe::summary(&mut db, summary).await?),
        None => None,
    };
    let mut shown = Vec::with_capacity(groups.len());
    for view in groups {
        let image = describe::image_of(&mut db, view.release).await?;
        shown.push(group(view, describe::version(&mut db, image).await?));
    }
    Ok(Status {
        app,
        env,
        release: active.as_ref().map(|(release, _)| release.id()),
        image,
        version: describe::version(&mut db, image).await?,
        config: active.as_ref().map(|(release, _)| release.config),
        since: active.as_ref().map(|(_, at_ms)| Timestamp(*at_ms)),
        deployment,
        groups: shown,
    })
}

fn group(view: GroupView, version: Option<String>) -> Group {
    let instances = view.instances.unwrap_or_default();
    let healthy = instances.iter().filter(|it| it.state == InstanceState::Healthy).count();
    Group {
        name: view.name,
        process: view.process,
        release: view.release,
        version,
        state: view.state,
        size: view.size,
        healthy: u32::try_from(healthy).unwrap_or(u32::MAX),
        weight: view.weight,
        routes: view.routes,
        kept_until: view.kept_until_ms.map(Timestamp),
    }
}

/// Lists the instances of an application in an environment.
#[utoipa::path(get, path = paths::INSTANCES, tag = "instances",
    responses((status = 200, body = [Instance])))]
pub(crate) async fn instances(
    State(kiln): Shared,
    Names((app, env)): Names<(AppName, EnvName)>,
) -> Answer<Vec<Instance>> {
    let target = target(&kiln, app, env).await?;
    let running = kiln.orchestrator.status(&target).await?;
    let of_group = |group: GroupView| {
        let GroupView { name, process, instances, .. } = group;
        let instances = instances.unwrap_or_default().into_iter();
        instances.map(move |seen| instance(&name, &process, seen))
    };
    Ok(Json(running.groups.into_iter().flat_map(of_group).collect()))
}

fn instance(
    group: &kiln_names::GroupName,
    process: &kiln_names::ProcessName,
    seen: ObservedInstance,
) -> Instance {
    Instance {
        id: seen.id,
        group: group.clone(),
        process: process.clone(),
        slot: seen.slot,
        state: state(seen.state).to_owned(),
        address: seen.address.map(|address| address.to_string()),
        started: seen.started_ms.map(Timestamp),
        last_check: seen.last_check,
        exit: seen.exit.map(|exit| exit.cause),
        memory: seen.usage.map(|usage| usage.memory),
    }
}

const fn state(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "pending",
        InstanceState::Starting => "starting",
        InstanceState::Healthy => "healthy",
        InstanceState::Unhealthy => "unhealthy",
        InstanceState::Draining => "draining",
        InstanceState::Exited => "exited",
    }
}
