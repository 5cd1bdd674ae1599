//! One health for each instance, whoever says what.

use super::*;

const GROUP: [u8; 4] = [1; 4];

fn instance(health: Health, in_flight: u64) -> InstanceStatus {
    InstanceStatus {
        id: InstanceId::from_random([1; 6]),
        group: GroupId::from_random(GROUP),
        health,
        since_ms: 0,
        last_check: "GET / → 500".to_owned(),
        in_flight,
        draining: false,
    }
}

fn status(version: u64, instances: Vec<InstanceStatus>) -> Status {
    let listen = "127.0.0.1:80".parse().unwrap();
    Status { seq: 0, epoch: 1, version, listen, pid: 1, groups: Vec::new(), instances }
}

/// What comes out of two routers' healths, where all have passed it before or not.
fn of_two(own: Health, other: Option<Health>, before: bool) -> (Health, bool) {
    let name = RouterName::parse("edge").unwrap();
    let own = status(1, vec![instance(own, 0)]);
    let other = status(1, other.map(|health| instance(health, 0)).into_iter().collect());
    let shared = HashSet::from([GroupId::from_random(GROUP)]);
    let id = InstanceId::from_random([1; 6]);
    let mut passed = if before { HashSet::from([id]) } else { HashSet::new() };
    let all = together(&own, &[(&name, &other)], &shared, &mut passed);
    (all.instances[0].health, passed.contains(&id))
}

#[test]
fn an_instance_is_ready_once_every_router_has_passed_it() {
    use Health::{Failed, Healthy, Presumed, Starting};
    assert_eq!(of_two(Healthy, Some(Healthy), false), (Healthy, true));
    assert_eq!(of_two(Healthy, Some(Presumed), false), (Healthy, true));
    assert_eq!(of_two(Healthy, Some(Starting), false), (Starting, false));
    assert_eq!(of_two(Healthy, None, false), (Starting, false), "not in its table yet");
    assert_eq!(of_two(Healthy, Some(Failed), false), (Failed, false));
    assert_eq!(of_two(Starting, Some(Healthy), false), (Starting, false));
}

#[test]
fn one_router_that_reaches_a_proven_instance_is_enough() {
    use Health::{Failed, Healthy, Starting, Unhealthy};
    assert_eq!(of_two(Healthy, Some(Unhealthy), true).0, Healthy);
    assert_eq!(of_two(Unhealthy, Some(Healthy), true).0, Healthy);
    assert_eq!(of_two(Healthy, Some(Starting), true).0, Healthy, "a router that has just joined");
    assert_eq!(of_two(Healthy, None, true).0, Healthy);
    assert_eq!(of_two(Healthy, Some(Unhealthy), false).0, Healthy, "it passed there before");
    assert_eq!(of_two(Unhealthy, Some(Unhealthy), true).0, Unhealthy);
    assert_eq!(of_two(Failed, Some(Failed), true).0, Failed);
}

#[test]
fn groups_that_only_this_machine_reaches_are_its_own_routers_matter() {
    let name = RouterName::parse("edge").unwrap();
    let own = status(1, vec![instance(Health::Healthy, 0)]);
    let mut passed = HashSet::new();
    let all = together(&own, &[(&name, &status(1, Vec::new()))], &HashSet::new(), &mut passed);
    assert_eq!(all.instances[0].health, Health::Healthy);
}

#[test]
fn the_lowest_table_counts_and_all_requests_in_flight() {
    let name = RouterName::parse("edge").unwrap();
    let shared = HashSet::from([GroupId::from_random(GROUP)]);
    let other = status(4, vec![instance(Health::Healthy, 3)]);
    let own = status(5, vec![instance(Health::Healthy, 2)]);
    let all = together(&own, &[(&name, &other)], &shared, &mut HashSet::new());
    assert_eq!((all.version, all.instances[0].in_flight), (4, 5));
    // This machine's is done with it, and the other still has requests.
    let all = together(&status(6, Vec::new()), &[(&name, &other)], &shared, &mut HashSet::new());
    assert_eq!((all.version, all.instances.len()), (4, 1));
    assert_eq!((all.instances[0].in_flight, all.instances[0].draining), (3, true));
}
