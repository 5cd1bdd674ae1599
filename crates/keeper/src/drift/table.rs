//! The router's table in force beside the one that would be sent. A keeper tells of its own clusters,
//! and of what is nobody's.

use super::{Gap, gap, of_nobody};
use crate::inner::Inner;
use crate::routing;
use kiln_engine::Drift;
use kiln_names::{AppName, EnvName};
use kiln_router::{Cluster, Table};
use std::collections::BTreeMap;

const AGAIN: &str = "end kiln up with Ctrl-C, and start it again: it sends the table anew";

/// Asks the router first: what the model says afterwards is at least as new.
pub(super) async fn compare_with_router(inner: &Inner) -> Vec<Drift> {
    let found = match inner.link.table().await {
        Ok(found) => found,
        Err(error) => {
            let mend = "kiln up starts it again; see log/router.log";
            let gap = Gap { mend, ..gap("its answer", "its table", crate::exits::chain(&error)) };
            return vec![of_nobody("router", gap)];
        }
    };
    let clusters = inner.link.clusters();
    let (epoch, version) = inner.link.wanted();
    let gaps = compare(&Table { epoch, version, clusters }, &found);
    let own: BTreeMap<String, (AppName, EnvName)> = owners(inner);
    gaps.into_iter().filter_map(|(cluster, gap)| told(&own, cluster, gap)).collect()
}

/// The applications and environments of this keeper's clusters.
fn owners(inner: &Inner) -> BTreeMap<String, (AppName, EnvName)> {
    let model = inner.model();
    let of_group = model.groups.values().map(|group| {
        (routing::name_of(&group.spec), (group.spec.app.clone(), group.spec.env.clone()))
    });
    of_group.collect()
}

fn told(
    own: &BTreeMap<String, (AppName, EnvName)>,
    cluster: Option<String>,
    gap: Gap,
) -> Option<Drift> {
    let Some(name) = cluster else { return Some(of_nobody("router", gap)) };
    let (app, env) = own.get(&name).cloned()?;
    Some(Drift { app: Some(app), env: Some(env), ..of_nobody(&format!("router, {name}"), gap) })
}

/// Differences, each with the cluster that it is about.
fn compare(expected: &Table, found: &Table) -> Vec<(Option<String>, Gap)> {
    let mut all = Vec::new();
    let number = |table: &Table| format!("{}.{}", table.epoch, table.version);
    if number(expected) != number(found) {
        all.push((None, gap("its table", number(expected), number(found))));
    }
    let named = |table: &Table| -> BTreeMap<String, Cluster> {
        table.clusters.iter().map(|it| (it.name.clone(), it.clone())).collect()
    };
    let (wanted, there) = (named(expected), named(found));
    for (name, cluster) in &wanted {
        let gaps = match there.get(name) {
            Some(found) => of_cluster(cluster, found),
            None => vec![gap("its cluster", "routed", "unknown to the router")],
        };
        all.extend(gaps.into_iter().map(|gap| (Some(name.clone()), gap)));
    }
    for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
        all.push((None, gap("its clusters", "those that are deployed", name)));
    }
    let again = |(cluster, gap)| (cluster, Gap { mend: AGAIN, ..gap });
    all.into_iter().map(again).collect()
}

fn of_cluster(expected: &Cluster, found: &Cluster) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let routes = |cluster: &Cluster| {
        let mut routes: Vec<String> = cluster.routes.iter().map(ToString::to_string).collect();
        routes.sort();
        listed(routes)
    };
    if routes(expected) != routes(found) {
        gaps.push(gap("its routes", routes(expected), routes(found)));
    }
    let weights = |cluster: &Cluster| {
        let weight = |group: &kiln_router::Group| format!("{} {}", group.id, group.weight);
        let mut weights: Vec<String> = cluster.groups.iter().map(weight).collect();
        weights.sort();
        listed(weights)
    };
    if weights(expected) != weights(found) {
        gaps.push(gap("its weights", weights(expected), weights(found)));
    }
    let backends = |cluster: &Cluster| {
        let all = cluster.groups.iter().flat_map(|group| &group.instances);
        let mut all: Vec<_> =
            all.map(|it| (it.id, it.address, format!("{:?}", it.check))).collect();
        all.sort();
        all
    };
    let (wanted, there) = (backends(expected), backends(found));
    if wanted != there {
        let shown = |all: &[(kiln_names::InstanceId, std::net::SocketAddr, String)]| {
            listed(all.iter().map(|(id, address, _)| format!("{id} at {address}")).collect())
        };
        let checks = if shown(&wanted) == shown(&there) { ", checked otherwise" } else { "" };
        let found = format!("{}{checks}", shown(&there));
        gaps.push(gap("its instances", shown(&wanted), found));
    }
    gaps
}

fn listed(all: Vec<String>) -> String {
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_names::{GroupId, InstanceId, Route};
    use kiln_router::{Check, Endpoint, Group};

    fn table() -> Table {
        let instance = Endpoint {
            id: InstanceId::from_random([1; 6]),
            address: "10.64.0.2:8080".parse().unwrap(),
            check: Check::default(),
        };
        let group =
            Group { id: GroupId::from_random([1; 4]), weight: 100, instances: vec![instance] };
        let route: Route = serde_json::from_str(r#"{"host": "a.example", "path": "/"}"#).unwrap();
        let name = "hello/prod/web".to_owned();
        let cluster = Cluster { name, routes: vec![route], groups: vec![group] };
        Table { epoch: 1, version: 7, clusters: vec![cluster] }
    }

    fn check(change: impl FnOnce(&mut Table), expected: &[(&str, &str)]) {
        let mut found = table();
        change(&mut found);
        let gaps = compare(&table(), &found);
        let told: Vec<_> = gaps.iter().map(|(_, gap)| (gap.what, &*gap.found)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn each_difference_of_two_tables_is_told() {
        check(|_| {}, &[]);
        check(|table| table.version = 99, &[("its table", "1.99")]);
        check(|table| table.clusters.clear(), &[("its cluster", "unknown to the router")]);
        check(|table| table.clusters[0].routes.clear(), &[("its routes", "none")]);
        let weight = |table: &mut Table| table.clusters[0].groups[0].weight = 1;
        check(weight, &[("its weights", "01010101 1")]);
        let gone = |table: &mut Table| table.clusters[0].groups[0].instances.clear();
        check(gone, &[("its instances", "none")]);
        let stray = |table: &mut Table| {
            let mut cluster = table.clusters[0].clone();
            cluster.name = "x/y/z".to_owned();
            table.clusters.push(cluster);
        };
        check(stray, &[("its clusters", "x/y/z")]);
    }
}
