//! A keeper's part of the router's table, made of the traffic that was asked for and the instances that there are.

use crate::external;
use crate::model::{Group, Instance, Model, Phase};
use kiln_engine::{ClusterTraffic, GroupSpec, TrafficState};
use kiln_names::{GroupId, ProcessName};
use kiln_protocol::configuration;
use kiln_router::{Check, CheckKind, Cluster, Endpoint, StartupCheck};
use std::collections::BTreeMap;

/// The clusters of all that is kept. Groups that no traffic lists stand in them with weight 0, so
/// that their instances are checked from their first moment on.
pub(crate) fn clusters<'a>(
    model: &Model,
    traffic: impl Iterator<Item = &'a TrafficState>,
) -> Vec<Cluster> {
    let mut clusters: BTreeMap<String, Cluster> = BTreeMap::new();
    for state in traffic {
        for asked in &state.clusters {
            let cluster = asked_cluster(model, state, asked);
            clusters.insert(cluster.name.clone(), cluster);
        }
    }
    for group in model.groups.values().filter(|group| group.spec.run.port.is_some()) {
        let spec = &group.spec;
        let name = cluster_name(spec.app.as_str(), spec.env.as_str(), &spec.process);
        let cluster = clusters.entry(name.clone()).or_insert_with(|| empty(name));
        if !cluster.groups.iter().any(|known| known.id == spec.id) {
            cluster.groups.push(routed(group.spec.id, 0, Some(group)));
        }
    }
    clusters.into_values().collect()
}

fn asked_cluster(model: &Model, state: &TrafficState, asked: &ClusterTraffic) -> Cluster {
    let shares = asked.shares.iter();
    let mut groups = shares
        .map(|share| routed(share.group, share.weight, model.groups.get(&share.group)))
        .collect();
    let name = cluster_of(state, asked);
    if let Some(external) = &asked.external {
        external::share(&mut groups, &name, external);
    }
    Cluster { name, routes: asked.routes.clone(), groups }
}

/// The name of a cluster that traffic was asked for.
pub(crate) fn cluster_of(state: &TrafficState, asked: &ClusterTraffic) -> String {
    cluster_name(state.app.as_str(), state.env.as_str(), &asked.process)
}

/// The name of the cluster of a group.
pub(crate) fn name_of(spec: &GroupSpec) -> String {
    cluster_name(spec.app.as_str(), spec.env.as_str(), &spec.process)
}

fn cluster_name(app: &str, env: &str, process: &ProcessName) -> String {
    format!("{app}/{env}/{process}")
}

fn empty(name: String) -> Cluster {
    Cluster { name, routes: Vec::new(), groups: Vec::new() }
}

fn routed(id: GroupId, weight: u32, group: Option<&Group>) -> kiln_router::Group {
    let instances = group.map(|group| endpoints(group).collect()).unwrap_or_default();
    kiln_router::Group { id, weight, instances }
}

fn endpoints(group: &Group) -> impl Iterator<Item = Endpoint> {
    let well = |i: &Instance| i.inside.as_ref().is_none_or(|it| it.health.takes_traffic());
    let running = move |i: &&Instance| matches!(i.phase, Phase::Running(_)) && i.started && well(i);
    let check = check_of(&group.spec);
    group.instances.iter().filter(running).filter_map(move |instance| {
        Some(Endpoint { id: instance.id, address: instance.known_address()?, check: check.clone() })
    })
}

fn check_of(spec: &GroupSpec) -> Check {
    let (health, startup) = (&spec.params.health_check, &spec.params.startup_check);
    Check {
        kind: kind(health.kind),
        path: health.path.to_string(),
        interval: health.interval,
        timeout: health.timeout,
        unhealthy_threshold: health.unhealthy_threshold,
        startup: StartupCheck {
            kind: kind(startup.kind),
            path: startup.path.to_string(),
            interval: startup.interval,
            timeout: startup.timeout,
        },
    }
}

pub(crate) fn kind(kind: configuration::CheckKind) -> CheckKind {
    match kind {
        configuration::CheckKind::Http => CheckKind::Http,
        configuration::CheckKind::Tcp => CheckKind::Tcp,
    }
}
