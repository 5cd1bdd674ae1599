//! Addresses outside that take a part of a cluster's requests, as the router knows them: a group whose
//! instances nobody starts. Their ids follow from what they are, so that every server finds the same.

use crate::model::Model;
use kiln_engine::{ClusterTraffic, ExternalTraffic, TrafficState};
use kiln_names::{Digest, GroupId, InstanceId};
use kiln_protocol::configuration::External;
use kiln_router::{Check, Endpoint, Group, StartupCheck};
use std::net::SocketAddr;

/// All of a cluster's requests, in the unit of [`External::weight`].
const ALL: u32 = 100;

/// Gives what is outside its part, and leaves the rest to the groups as they had it among them.
pub(crate) fn share(groups: &mut Vec<Group>, cluster: &str, external: &External) {
    let sum: u32 = groups.iter().map(|group| group.weight).fold(0, u32::saturating_add);
    for group in &mut *groups {
        group.weight = group.weight.saturating_mul(ALL - external.weight);
    }
    groups.push(Group {
        id: group_id(cluster),
        weight: sum.max(1).saturating_mul(external.weight),
        instances: external.addresses.iter().map(|at| endpoint(cluster, *at, external)).collect(),
    });
}

/// What the router sees of all that is outside.
pub(crate) fn seen<'a>(
    model: &'a Model,
    state: &'a TrafficState,
) -> impl Iterator<Item = ExternalTraffic> + 'a {
    let with = |cluster: &'a ClusterTraffic| Some((cluster, cluster.external.as_ref()?));
    state.clusters.iter().filter_map(with).flat_map(move |(asked, external)| {
        let cluster = crate::routing::cluster_of(state, asked);
        external.addresses.iter().map(move |address| {
            let said = model.router.instances.get(&instance_id(&cluster, *address));
            let last_check = said.map(|said| said.last_check.clone());
            ExternalTraffic {
                process: asked.process.clone(),
                address: *address,
                healthy: said.is_some_and(|said| said.health.takes_traffic()),
                last_check: last_check.filter(|text| !text.is_empty()),
            }
        })
    })
}

/// The groups by which the router knows what is outside.
pub(crate) fn ids(state: &TrafficState) -> impl Iterator<Item = GroupId> {
    let with = state.clusters.iter().filter(|cluster| cluster.external.is_some());
    with.map(|asked| group_id(&crate::routing::cluster_of(state, asked)))
}

fn group_id(cluster: &str) -> GroupId {
    GroupId::from_random(first(&format!("outside {cluster}")))
}

fn instance_id(cluster: &str, at: SocketAddr) -> InstanceId {
    InstanceId::from_random(first(&format!("{at} outside {cluster}")))
}

/// As many bytes as an id has of what the text hashes to.
fn first<const N: usize>(text: &str) -> [u8; N] {
    let digest = Digest::of(text.as_bytes());
    digest.as_bytes()[..N].try_into().expect("a digest has more bytes than an id")
}

fn endpoint(cluster: &str, address: SocketAddr, external: &External) -> Endpoint {
    let by = &external.health_check;
    let kind = crate::routing::kind(by.kind);
    let path = by.path.to_string();
    let startup =
        StartupCheck { kind, path: path.clone(), interval: by.interval, timeout: by.timeout };
    let check = Check {
        kind,
        path,
        interval: by.interval,
        timeout: by.timeout,
        unhealthy_threshold: by.unhealthy_threshold,
        startup,
    };
    Endpoint { id: instance_id(cluster, address), address, check }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_protocol::configuration::HealthCheck;

    fn external(weight: u32) -> External {
        let addresses = vec!["192.0.2.1:80".parse().unwrap(), "192.0.2.2:80".parse().unwrap()];
        let check = r#"{"type": "tcp", "path": "/", "interval": "2s", "timeout": "2s",
            "unhealthyThreshold": 3}"#;
        let health_check: HealthCheck = serde_json::from_str(check).unwrap();
        External { addresses, weight, health_check }
    }

    fn shares(kiln: &[u32], weight: u32) -> Vec<u32> {
        let group = |(at, weight): (u8, &u32)| Group {
            id: GroupId::from_random([at; 4]),
            weight: *weight,
            instances: Vec::new(),
        };
        let mut groups: Vec<Group> = (0..).zip(kiln).map(group).collect();
        share(&mut groups, "a/b/c", &external(weight));
        groups.iter().map(|group| group.weight).collect()
    }

    #[test]
    fn what_is_outside_takes_its_part_and_the_groups_divide_the_rest() {
        assert_eq!(shares(&[100, 0], 25), [7_500, 0, 2_500]);
        assert_eq!(shares(&[10, 90], 50), [500, 4_500, 5_000]);
        assert_eq!(shares(&[100], 0), [10_000, 0]);
        assert_eq!(shares(&[100], 100), [0, 10_000]);
        assert_eq!(shares(&[], 100), [100], "before there is a group of Kiln's");
    }

    #[test]
    fn an_address_keeps_its_id_and_has_another_in_every_cluster() {
        let at = "192.0.2.1:80".parse().unwrap();
        assert_eq!(instance_id("a/b/c", at), instance_id("a/b/c", at));
        assert_ne!(instance_id("a/b/c", at), instance_id("a/b/d", at));
    }
}
