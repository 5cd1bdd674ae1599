//! What runs.

use super::deployments::{describe, target};
use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusal};
use crate::request::{Names, Parameters};
use axum::Json;
use axum::extract::State;
use kiln_catalog::applications;
use kiln_deploy::Target;
use kiln_deploy::view::{EndedView, GroupView, Running};
use kiln_engine::{Depth, InstanceState, ObservedInstance};
use kiln_names::{AppName, EnvName};
use kiln_protocol::capacity::Capacity;
use kiln_protocol::drift::Drift;
use kiln_protocol::status::{Group, Instance, Status};
use kiln_protocol::{Timestamp, paths};
use kiln_store::{Connection, StoreError, deployments};
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
    let Running { target: Target { app, env }, active, deployment, groups, memory, external } =
        running;
    let mut db = kiln.database.read().await?;
    let image = active.as_ref().map(|(release, _)| release.image);
    let deployment = match deployment {
        Some(summary) => Some(describe::summary(&mut db, summary).await?),
        None => None,
    };
    let groups = shown_groups(&mut db, groups).await?;
    Ok(Status {
        app,
        env,
        release: active.as_ref().map(|(release, _)| release.id()),
        image,
        version: describe::version(&mut db, image).await?,
        config: active.as_ref().map(|(release, _)| release.config),
        since: active.as_ref().map(|(_, at_ms)| Timestamp(*at_ms)),
        deployment,
        groups,
        memory,
        external,
    })
}

/// Groups in the protocol's words.
pub(super) async fn shown_groups(
    db: &mut Connection,
    groups: Vec<GroupView>,
) -> Result<Vec<Group>, StoreError> {
    let mut shown = Vec::with_capacity(groups.len());
    for view in groups {
        let image = describe::image_of(db, view.release).await?;
        shown.push(group(view, describe::version(db, image).await?));
    }
    Ok(shown)
}

fn group(view: GroupView, version: Option<String>) -> Group {
    let instances = view.instances.unwrap_or_default();
    let healthy = instances.iter().filter(|it| it.state == InstanceState::Healthy).count();
    let usages = || instances.iter().filter_map(|it| it.usage);
    Group {
        memory: usages().map(|usage| usage.memory).max(),
        memory_peak: usages().map(|usage| usage.memory_peak).max(),
        memory_limit: Some(view.memory_limit),
        name: view.name,
        process: view.process,
        release: view.release,
        version,
        state: view.state,
        size: view.size,
        healthy: u32::try_from(healthy).unwrap_or(u32::MAX),
        weight: view.weight,
        in_flight: view.in_flight,
        routes: view.routes,
        kept_until: view.kept_until_ms.map(Timestamp),
    }
}

/// Which instances.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Also those that ended, the latest first, as many as are remembered.
    #[serde(default)]
    ended: bool,
}

/// Lists the instances of an application in an environment.
#[utoipa::path(get, path = paths::INSTANCES, tag = "instances", params(Which),
    responses((status = 200, body = [Instance])))]
pub(crate) async fn instances(
    State(kiln): Shared,
    Names((app, env)): Names<(AppName, EnvName)>,
    Parameters(which): Parameters<Which>,
) -> Answer<Vec<Instance>> {
    let target = target(&kiln, app, env).await?;
    let running = kiln.orchestrator.status(&target).await?;
    let mut all: Vec<_> = running.groups.iter().flat_map(shown_instances).collect();
    if which.ended {
        let mut ended = kiln.orchestrator.ended(&target).await?;
        ended.retain(|view| all.iter().all(|shown| shown.id != view.instance.id));
        all.extend(ended.into_iter().map(instance));
    }
    Ok(Json(all))
}

/// Where to look for drift, and how closely.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drifting {
    /// Only of this application.
    #[param(value_type = Option<String>)]
    app: Option<AppName>,
    /// Only in this environment.
    #[param(value_type = Option<String>)]
    env: Option<EnvName>,
    /// Also the content of every file of the images that run.
    #[serde(default)]
    deep: bool,
}

/// Shows what is not as it should be.
#[utoipa::path(get, path = paths::DRIFT, tag = "instances", params(Drifting),
    responses((status = 200, body = [Drift])))]
pub(crate) async fn drift(
    State(kiln): Shared,
    Parameters(of): Parameters<Drifting>,
) -> Answer<Vec<Drift>> {
    if let Some(app) = &of.app {
        applications::show(&kiln.database, app).await?;
    }
    let depth = if of.deep { Depth::Deep } else { Depth::Shallow };
    let mut all = kiln.orchestrator.drift(depth).await?;
    all.retain(|drift| of.app.is_none() || drift.app == of.app);
    all.retain(|drift| of.env.is_none() || drift.env == of.env);
    let told = |drift: kiln_engine::Drift| {
        let kiln_engine::Drift { app, env, subject, what, expected, found, mend } = drift;
        Drift { app, env, subject, what, expected, found, mend }
    };
    Ok(Json(all.into_iter().map(told).collect()))
}

/// Shows what there is, what is promised and used, and what still fits.
#[utoipa::path(get, path = paths::CAPACITY, tag = "instances",
    responses((status = 200, body = [Capacity])))]
pub(crate) async fn capacity(State(kiln): Shared) -> Answer<Vec<Capacity>> {
    Ok(Json(kiln.orchestrator.capacity().await?))
}

/// The instances of a group in the protocol's words.
pub(super) fn shown_instances(group: &GroupView) -> impl Iterator<Item = Instance> {
    let known = |seen: &ObservedInstance| EndedView {
        group: group.name.clone(),
        process: Some(group.process.clone()),
        memory_limit: Some(group.memory_limit),
        instance: seen.clone(),
    };
    group.instances.iter().flatten().map(move |seen| instance(known(seen)))
}

fn instance(EndedView { group, process, memory_limit, instance: seen }: EndedView) -> Instance {
    let exit = seen.exit.as_ref();
    let (peak, runs) = (exit.and_then(|exit| exit.memory_peak), exit.is_none());
    Instance {
        id: seen.id,
        group,
        process,
        out_of_memory: exit.is_some_and(|exit| exit.out_of_memory),
        ended: exit.map(|exit| Timestamp(exit.at_ms)),
        memory_peak: peak.or(seen.usage.map(|usage| usage.memory_peak)),
        memory_limit,
        slot: seen.slot,
        state: state(seen.state).to_owned(),
        address: seen.address.map(|address| address.to_string()),
        started: seen.started_ms.map(Timestamp),
        last_check: seen.last_check,
        exit: seen.exit.map(|exit| exit.cause),
        memory: seen.usage.filter(|_| runs).map(|usage| usage.memory),
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
