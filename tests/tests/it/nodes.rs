//! A Swarm of three nodes, each an engine with a network and a host name of its own.

use crate::engines::{healthy, prod_on, ship, stop};
use crate::traffic::{let_pass, load};
use kiln_load::Allowed;
use kiln_tests::swarm::{MACHINE, name};
use kiln_tests::{EdgeRouter, Kiln, Project, Swarm, note, until};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a Swarm may take to come to what was asked for.
const SOON: Duration = Duration::from_secs(90);
/// How long a partition lasts.
const CUT: Duration = Duration::from_secs(30);

/// Three nodes, and a Kiln with an instance on each.
fn three() -> (Swarm, Kiln, Project) {
    let swarm = Swarm::of(3);
    let kiln = Kiln::reached_from_elsewhere();
    let registry = format!("registry={MACHINE}:{}", kiln.api().port());
    prod_on(&kiln, swarm.manager(), &["--set", "swarm=true", "--set", &registry]);
    kiln.done(["env", "check", "prod"]);
    let project = ship(&kiln, THREE);
    let tasks = || swarm.manager().text(["node", "ps", &name(0), &name(1), &name(2)]);
    assert_eq!(busy(&swarm), BTreeSet::from([0, 1, 2]), "{}", tasks());
    (swarm, kiln, project)
}

/// The nodes that run something of Kiln's.
fn busy(swarm: &Swarm) -> BTreeSet<usize> {
    let runs = |node: &usize| !swarm.node(*node).text(["ps", "--quiet"]).is_empty();
    (0..3).filter(runs).collect()
}

const THREE: &str = r#"{"min": 1, "desiredCapacity": 3, "max": 4, "drainTimeout": "2s", "keepWarm": "1s",
    "healthCheck": {"path": "/", "interval": "500ms", "timeout": "500ms"}}"#;

#[test]
fn a_partition_that_heals_loses_no_request_of_those_that_are_reached() {
    let (swarm, kiln, _project) = three();
    // What was under way on the node, and the first who find it gone, are its own.
    swarm.cut(2, true);
    let cut = Instant::now();
    until("the lost one is out", SOON, || healthy(&kiln) < 3);
    note(&format!("out after {:?}", cut.elapsed()));
    let running = load(&kiln, &Allowed::only_now("hello 1"));
    until("another has taken its place", SOON, || healthy(&kiln) == 3);
    note(&format!("replaced after {:?}", cut.elapsed()));
    until("the cable comes back", SOON, || cut.elapsed() >= CUT);
    swarm.cut(2, false);
    until("what was lost is gone", SOON, || !busy(&swarm).contains(&2));
    note(&format!("cleared up after {:?}", cut.elapsed()));
    let_pass(&running, 100);
    let report = running.stop();
    note(&report.to_string());
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
    assert_eq!(healthy(&kiln), 3);
    kiln.done(["drift"]);
    stop(&kiln);
}

#[test]
fn a_router_that_is_cut_off_keeps_its_table_and_catches_up() {
    let (swarm, kiln, project) = three();
    let edge = EdgeRouter::join_from(1, &kiln);
    let says = |version: &str| edge.get_there("hello").stdout.lines().next() == Some(version);
    until("it serves", SOON, || says("hello 1"));
    swarm.cut(1, true);
    until("it is missed", SOON, || edge.state(&kiln).as_deref() == Some("away"));
    until("what ran there runs elsewhere", SOON, || healthy(&kiln) == 3);
    project.says("hello 2\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
    until("it serves what it knows", SOON, || says("hello 1"));
    assert_eq!(edge.state(&kiln).as_deref(), Some("away"));
    swarm.cut(1, false);
    until("it serves what is new", SOON, || says("hello 2"));
    until("it carries the newest", SOON, || edge.state(&kiln).as_deref() == Some("current"));
    until("what was lost is gone", SOON, || kiln.run(["drift"]).code == Some(0));
    drop(edge);
    stop(&kiln);
}

#[test]
fn a_drained_node_is_left_and_constraints_choose_the_others() {
    let (swarm, kiln, _project) = three();
    swarm.manager().done(["node", "update", "--availability", "drain", &name(2)]);
    until("others take over", SOON, || {
        busy(&swarm) == BTreeSet::from([0, 1]) && healthy(&kiln) == 3
    });
    swarm.manager().done(["node", "update", "--availability", "active", &name(2)]);
    // A mistake is named before anything happens.
    let mistaken = THREE.replacen('{', r#"{"engine": {"constraint": []}, "#, 1);
    let _put = kiln.put("hello", "deployment-params.json", &mistaken).exits(0);
    let refused = kiln.run(["deploy", "hello", "prod", "-m", "mistaken"]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("did you mean constraints?"), "{refused:?}");
    let chosen = r#"{"engine": {"constraints": ["node.hostname==node-1"]}, "#;
    let chosen = THREE.replacen('{', chosen, 1);
    let _put = kiln.put("hello", "deployment-params.json", &chosen).exits(0);
    kiln.done(["deploy", "hello", "prod", "-m", "one node only"]);
    until("it runs there alone", SOON, || busy(&swarm) == BTreeSet::from([1]));
    kiln.done(["drift"]);
    stop(&kiln);
}
