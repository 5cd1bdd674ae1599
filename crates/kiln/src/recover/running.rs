//! What runs, as instances' labels and the router's last table tell it, put into a database that
//! may know less.
//!
//! What the database knows and what runs do not contradict, it keeps. Of applications with a
//! deployment in progress only instances are added: the deployment itself goes on and sets right
//! what it left.

use super::report::Report;
use crate::books;
use crate::clock::now_ms;
use crate::data::Data;
use anyhow::{Context, Result};
use kiln_deploy::Release;
use kiln_engine::{ClusterTraffic, GroupSpec, Share, TrafficState};
use kiln_engine_local::Labels;
use kiln_names::{AppName, DeploymentId, Digest, EnvName, GroupId, InstanceId, ReleaseId};
use kiln_protocol::configuration::DeploymentSettings;
use kiln_protocol::deployment::DeploymentState;
use kiln_protocol::recipe::labels as image_labels;
use kiln_protocol::status::GroupState;
use kiln_router::Table;
use kiln_store::audit::By;
use kiln_store::deployments::{NewDeployment, StateChange};
use kiln_store::{
    Database, Write, activations, catalog, deployments, groups, images, local, releases,
    retirements, route_claims,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who did it, in the books.
const WHO: &str = "kiln recover";
/// How long a group without traffic is kept when nobody knows how long it was to be.
const KEEP_MS: u64 = 15 * 60 * 1000;

/// A group that runs, from the labels of its instances.
struct Found {
    spec: Arc<GroupSpec>,
    size: u32,
    release: Option<String>,
    instances: Vec<(InstanceId, Labels)>,
    /// The lowest slot of its instances.
    first: u32,
    /// Its weight in the router's table; none if it is not there.
    weight: Option<u32>,
}

/// Writes down what runs, in one transaction.
pub(super) async fn restore(data: &Data, database: &Database, report: &mut Report) -> Result<()> {
    let table = last_table(data, report);
    let found = found(data, &table, report)?;
    let store = kiln_image::Store::open(&data.at("images")).context("open the image store")?;
    let mut db = database.write().await?;
    local::raise_router_epoch(&mut db, table.epoch).await?;
    restore_images(&mut db, &store, report).await?;
    for group in &found {
        restore_names(&mut db, &group.spec).await?;
        restore_group(&mut db, group).await?;
        report.instances += group.instances.len();
    }
    let targets: BTreeSet<_> = found.iter().map(|it| (&it.spec.app, &it.spec.env)).collect();
    for (app, env) in targets {
        if deployments::holder(&mut db, app, env).await?.is_none() {
            let here: Vec<&Found> =
                found.iter().filter(|it| it.spec.app == *app && it.spec.env == *env).collect();
            restore_traffic(&mut db, (app, env), &here, &table).await?;
            restore_activation(&mut db, (app, env), &here).await?;
            restore_states(&mut db, (app, env), &here).await?;
        }
    }
    Ok(db.commit().await?)
}

/// The table that the router acknowledged last; its weights are what is in force.
fn last_table(data: &Data, report: &mut Report) -> Table {
    let path = data.at("router").join("table.json");
    let read = std::fs::read(&path).map_err(anyhow::Error::from);
    read.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)).unwrap_or_else(|error| {
        report.notes.push(format!("{} tells nothing: {error}", path.display()));
        Table::default()
    })
}

fn found(data: &Data, table: &Table, report: &mut Report) -> Result<Vec<Found>> {
    let all = || table.clusters.iter().flat_map(|cluster| &cluster.groups);
    let weights: BTreeMap<GroupId, u32> = all().map(|group| (group.id, group.weight)).collect();
    let mut found: BTreeMap<GroupId, Found> = BTreeMap::new();
    for running in books::running(data)? {
        let Some(labels) = running.labels else {
            let text = format!("instance {} has no labels and will be stopped", running.id);
            report.notes.push(text);
            continue;
        };
        let id = labels.group.id;
        let group = found.entry(id).or_insert_with(|| Found {
            spec: Arc::new(labels.group.clone()),
            size: 0,
            release: None,
            instances: Vec::new(),
            first: 0,
            weight: weights.get(&id).copied(),
        });
        group.size = group.size.max(labels.size);
        group.release = group.release.take().or_else(|| labels.release.clone());
        group.instances.push((running.id, labels));
    }
    let mut found: Vec<Found> = found.into_values().collect();
    divide_slots(&mut found);
    Ok(found)
}

/// Of groups that were replacing one another each has the slots of the instances that run: what they
/// share with nobody but in volumes must not be started twice.
fn divide_slots(found: &mut [Found]) {
    let of = |group: &Found| {
        let GroupSpec { app, env, process, .. } = &*group.spec;
        (app.clone(), env.clone(), process.clone())
    };
    let all: Vec<_> = found.iter().map(of).collect();
    for (at, group) in found.iter_mut().enumerate() {
        let alone = all.iter().filter(|other| **other == all[at]).count() == 1;
        if alone || group.spec.params.volumes.is_empty() {
            continue;
        }
        let slots = || group.instances.iter().map(|(_, labels)| labels.slot);
        let (first, last) = (slots().min().unwrap_or(0), slots().max().unwrap_or(0));
        (group.first, group.size) = (first, last - first + 1);
    }
}

/// Images that the store has and the database does not know, by their labels.
async fn restore_images(
    db: &mut Write,
    store: &kiln_image::Store,
    report: &mut Report,
) -> Result<()> {
    let mut count = 0;
    for digest in store.images().unwrap_or_default() {
        let Ok(image) = store.image(&digest) else { continue };
        if images::image(db, &digest).await?.is_some() {
            continue;
        }
        let label = |name: &str| image.config.labels.get(name);
        let base = label(image_labels::BASE).and_then(|text| text.split_once('@'));
        let row = images::ImageRow {
            digest,
            app: label(image_labels::APP).and_then(|name| name.parse().ok()),
            base: base.and_then(|(_, digest)| digest.parse::<Digest>().ok()),
            created_ms: now_ms(),
            facts: serde_json::json!({}),
        };
        images::add_image(db, &row).await?;
        count += 1;
    }
    if count > 0 {
        report.notes.push(format!("{count} images are known again by their digests alone"));
    }
    Ok(())
}

async fn restore_names(db: &mut Write, spec: &GroupSpec) -> Result<()> {
    let by = By { who: WHO.to_owned(), at_ms: now_ms() };
    if catalog::application(db, &spec.app).await?.is_none() {
        let row = catalog::ApplicationRow {
            name: spec.app.clone(),
            created_ms: by.at_ms,
            metadata: serde_json::Map::new(),
        };
        catalog::add_application(db, &row, &by).await?;
    }
    if catalog::environment(db, &spec.env).await?.is_none() {
        let row = catalog::EnvironmentRow {
            name: spec.env.clone(),
            engine: "local".to_owned(),
            settings: serde_json::Map::new(),
            created_ms: by.at_ms,
            metadata: serde_json::Map::new(),
        };
        catalog::add_environment(db, &row, &by).await?;
    }
    Ok(())
}

async fn restore_group(db: &mut Write, group: &Found) -> Result<()> {
    let spec = &group.spec;
    if let Some(canonical) = &group.release
        && let Ok(release) = Release::parse(canonical)
    {
        let row = releases::ReleaseRow {
            id: release.id(),
            app: spec.app.clone(),
            env: spec.env.clone(),
            canonical: canonical.clone(),
            created_ms: now_ms(),
        };
        releases::put(db, &row).await?;
    }
    let text = serde_json::to_string(&**spec).expect("a spec is plain data");
    groups::take_number(db, &spec.app, &spec.env, spec.number).await?;
    groups::restore(db, &group_row(group, text.clone())).await?;
    let wanted = local::GroupRow {
        id: spec.id,
        app: spec.app.clone(),
        env: spec.env.clone(),
        spec: text,
        first: group.first,
        size: group.size,
        removing: false,
    };
    local::add_group(db, &wanted).await?;
    for (id, labels) in &group.instances {
        local::readmit_instance(db, &instance_row(*id, labels)).await?;
    }
    Ok(())
}

fn group_row(group: &Found, spec: String) -> groups::GroupRow {
    let known = &group.spec;
    groups::GroupRow {
        id: known.id,
        name: known.name.clone(),
        app: known.app.clone(),
        env: known.env.clone(),
        process: known.process.clone(),
        number: known.number,
        release: known.release,
        spec,
        size: group.size,
        state: GroupState::Ready.as_str().to_owned(),
        created_ms: group.instances.iter().map(|(_, it)| it.created_ms).min().unwrap_or(0),
        since_ms: now_ms(),
    }
}

fn instance_row(id: InstanceId, labels: &Labels) -> local::InstanceRow {
    local::InstanceRow {
        id,
        group: labels.group.id,
        group_name: labels.group.name.clone(),
        app: labels.group.app.clone(),
        env: labels.group.env.clone(),
        slot: labels.slot,
        address: Some(labels.address),
        created_ms: labels.created_ms,
        replacing: false,
    }
}

/// The weight that was asked for: what is outside has its part of the router's.
fn asked(weight: u32, spec: &GroupSpec) -> u32 {
    let outside = spec.params.external.as_ref().map_or(0, |external| external.weight.min(100));
    if outside == 0 { weight } else { weight.checked_div(100 - outside).unwrap_or(0) }
}

fn weight_of(cluster: &kiln_router::Cluster, group: GroupId) -> u32 {
    cluster.groups.iter().find(|known| known.id == group).map_or(0, |known| known.weight)
}

/// Routes and weights as the router has them, unless those are what the database says.
async fn restore_traffic(
    db: &mut Write,
    (app, env): (&AppName, &EnvName),
    here: &[&Found],
    table: &Table,
) -> Result<()> {
    let processes: BTreeMap<GroupId, &GroupSpec> =
        here.iter().map(|found| (found.spec.id, &*found.spec)).collect();
    let mut clusters = Vec::new();
    for cluster in table.clusters.iter().filter(|cluster| !cluster.routes.is_empty()) {
        let specs = cluster.groups.iter().filter_map(|group| processes.get(&group.id));
        let Some(spec) = specs.max_by_key(|spec| weight_of(cluster, spec.id)) else { continue };
        let process = &spec.process;
        let shares = cluster.groups.iter().filter(|group| processes.contains_key(&group.id));
        clusters.push(ClusterTraffic {
            process: process.clone(),
            routes: cluster.routes.clone(),
            shares: shares.map(|g| Share { group: g.id, weight: asked(g.weight, spec) }).collect(),
            external: spec.params.external.clone(),
        });
        for route in &cluster.routes {
            let claim = route_claims::ClaimRow {
                route: route.clone(),
                app: app.clone(),
                env: env.clone(),
                process: process.clone(),
            };
            route_claims::claim(db, &claim).await?;
        }
    }
    let rows = local::traffic(db).await?;
    let known = rows.into_iter().find(|row| row.app == *app && row.env == *env);
    let state = TrafficState { app: app.clone(), env: env.clone(), clusters };
    let said = known.as_ref().and_then(|row| serde_json::from_str(&row.state).ok());
    if said.is_some_and(|said: TrafficState| in_force(&said) == in_force(&state)) {
        return Ok(());
    }
    let version = known.map_or(0, |row| row.version) + 1;
    let state = serde_json::to_string(&state).expect("a traffic state is plain data");
    let row = local::TrafficRow { app: app.clone(), env: env.clone(), version, state };
    Ok(local::put_traffic(db, &row).await?)
}

/// What of a state a client could notice.
fn in_force(state: &TrafficState) -> BTreeMap<String, BTreeMap<GroupId, u32>> {
    let shares = |cluster: &ClusterTraffic| {
        let taking = cluster.shares.iter().filter(|share| share.weight > 0);
        taking.map(|share| (share.group, share.weight)).collect()
    };
    let routes = |cluster: &ClusterTraffic| {
        let mut routes: Vec<_> = cluster.routes.iter().map(ToString::to_string).collect();
        routes.sort();
        routes.join(" ")
    };
    state.clusters.iter().map(|cluster| (routes(cluster), shares(cluster))).collect()
}

/// The release that the traffic goes to; without traffic, that of the newest group.
fn active(here: &[&Found]) -> Option<ReleaseId> {
    let taking = here.iter().filter(|found| found.weight > Some(0));
    let taking = taking.max_by_key(|found| (found.weight, found.spec.number));
    let newest = here.iter().max_by_key(|found| found.spec.number);
    taking.or(newest).map(|found| found.spec.release)
}

/// The release that takes the traffic counts as active, and a rollback from it leads to what was
/// active before, else to what runs besides.
async fn restore_activation(
    db: &mut Write,
    (app, env): (&AppName, &EnvName),
    here: &[&Found],
) -> Result<()> {
    let Some(release) = active(here) else { return Ok(()) };
    let current = activations::current(db, app, env).await?;
    if current.as_ref().and_then(|row| row.release) == Some(release)
        || releases::get(db, release).await?.is_none()
    {
        return Ok(());
    }
    let mut back = current.as_ref().map(|row| row.number);
    let besides = here.iter().map(|found| found.spec.release).find(|other| *other != release);
    if let (None, Some(other)) = (back, besides)
        && releases::get(db, other).await?.is_some()
    {
        activate(db, (app, env), other, None).await?;
        back = activations::current(db, app, env).await?.map(|row| row.number);
    }
    activate(db, (app, env), release, back).await
}

async fn activate(
    db: &mut Write,
    (app, env): (&AppName, &EnvName),
    release: ReleaseId,
    back: Option<u64>,
) -> Result<()> {
    let at_ms = now_ms();
    let new = NewDeployment {
        id: DeploymentId::from_random(crate::clock::random()),
        app: app.clone(),
        env: env.clone(),
        verb: "deploy".to_owned(),
        who: WHO.to_owned(),
        message: "found running when the database was rebuilt".to_owned(),
        state: DeploymentState::Completed.as_str().to_owned(),
        started_ms: at_ms,
    };
    let deployment = deployments::begin(db, &new).await?;
    deployments::set_release(db, deployment, Some(release)).await?;
    let state = DeploymentState::Completed.as_str();
    let change = StateChange { state, reason: None, locks: false, ended: true, at_ms };
    deployments::set_state(db, deployment, change).await?;
    let settings = serde_json::to_string(&DeploymentSettings::default());
    let new = activations::NewActivation {
        app: app.clone(),
        env: env.clone(),
        release: Some(release),
        back,
        deployment,
        settings: settings.expect("settings are plain data"),
        at_ms,
    };
    Ok(activations::add(db, &new).await?)
}

/// Groups of the active release are active; others are warm, and leave when they are due.
async fn restore_states(
    db: &mut Write,
    (app, env): (&AppName, &EnvName),
    here: &[&Found],
) -> Result<()> {
    let active = active(here);
    let waiting = retirements::of(db, app, env).await?;
    for group in groups::here(db, app, env).await? {
        let waits = waiting.iter().find(|row| row.group == group.id);
        let takes = here.iter().any(|it| it.spec.id == group.id && it.weight > Some(0));
        if takes || (Some(group.release) == active && waits.is_none()) {
            retirements::delete(db, group.id).await?;
            set_state(db, &group, GroupState::Active).await?;
        } else if waits.is_none() {
            retirements::put(db, group.id, app, env, now_ms() + KEEP_MS).await?;
            set_state(db, &group, GroupState::Warm).await?;
        }
    }
    Ok(())
}

async fn set_state(db: &mut Write, group: &groups::GroupRow, state: GroupState) -> Result<()> {
    if group.state != state.as_str() {
        groups::set_state(db, group.id, state.as_str(), now_ms()).await?;
    }
    Ok(())
}
