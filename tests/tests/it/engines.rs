//! Other engines carry what this machine carries: the same scenario, and only the environment's engine
//! is another.

use crate::secrets::digest;
use crate::traffic::{load, load_on, nobody_notices, ship_and_roll_back};
use kiln_load::{Allowed, Running, Target};
use kiln_tests::{Docker, EdgeRouter, Kiln, Part, Project, note, until};
use std::time::Duration;

/// Makes `prod` an environment of a Docker Engine.
pub(crate) fn prod_on(kiln: &Kiln, docker: &Docker, settings: &[&str]) {
    kiln.done(["env", "delete", "prod"]);
    let host = format!("host={}", docker.host());
    let create = ["env", "create", "prod", "--engine", "docker", "--set", &host];
    kiln.done(create.iter().chain(settings));
}

/// Ships the first version of `hello`.
pub(crate) fn ship(kiln: &Kiln, params: &str) -> Project {
    let project = Project::serving(kiln, "hello", "hello 1\n");
    let _put = kiln.put("hello", "deployment-params.json", params).exits(0);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    project
}

/// Takes everything away again, as a user would.
pub(crate) fn stop(kiln: &Kiln) {
    kiln.done(["stop", "hello", "prod", "-m", "enough"]);
    kiln.done(["env", "delete", "prod"]);
}

#[test]
fn a_docker_engine_ships_and_rolls_back_and_no_request_fails() {
    let docker = Docker::with_networks(&[]);
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &[]);
    nobody_notices(&kiln, 3);
    stop(&kiln);
}

#[test]
fn a_swarm_ships_and_rolls_back_and_no_request_fails() {
    let docker = Docker::swarm();
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &["--set", "swarm=true"]);
    nobody_notices(&kiln, 3);
    stop(&kiln);
}

#[test]
fn environments_of_several_engines_stand_side_by_side() {
    let docker = Docker::with_networks(&[]);
    let kiln = Kiln::with_tiny();
    let host = format!("host={}", docker.host());
    for env in ["staging", "test"] {
        kiln.done(["env", "create", env, "--engine", "docker", "--set", &host]);
    }
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let envs = ["prod", "staging", "test"];
    for env in envs {
        kiln.done(["ship", "hello", env, "--dir", project.dir(), "-m", "first light"]);
    }
    let get = |env: &str| {
        let target = Target::new(kiln.http(), format!("hello.{env}.localhost")).unwrap();
        kiln_load::get(&target, "/").unwrap().text()
    };
    assert_eq!(envs.map(get), ["hello 1\n"; 3]);
    // What happens to one is nothing to the others.
    kiln.done(["stop", "hello", "staging", "-m", "enough"]);
    kiln.done(["env", "delete", "staging"]);
    assert_eq!(["prod", "test"].map(get), ["hello 1\n"; 2]);
    kiln.done(["drift"]);
    kiln.done(["stop", "hello", "test", "-m", "enough"]);
    kiln.done(["env", "delete", "test"]);
}

#[test]
fn two_routers_switch_as_one_and_no_request_of_either_fails() {
    let docker = Docker::swarm();
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &["--set", "swarm=true"]);
    let project = Project::serving(&kiln, "hello", "hello 0\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let edge = EdgeRouter::join(&kiln);
    until("the other serves", SOON, || edge.get_there("hello").code == Some(0));
    let allowed = Allowed::only_now("hello 0");
    let loads = [load(&kiln, &allowed), load_on(edge.target("hello"), &allowed)];
    ship_and_roll_back(&kiln, &project, &loads[1], &allowed, 3);
    for report in loads.map(Running::stop) {
        note(&report.to_string());
        assert_eq!(report.failures(), 0, "{report}{}{}", kiln.logs(), edge.log());
    }
    // One that is there and takes no table is waited for until it counts as away.
    edge.freeze(true);
    project.says("hello 9\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
    assert_eq!(edge.state(&kiln).as_deref(), Some("away"));
    edge.freeze(false);
    until("it has caught up", SOON, || edge.state(&kiln).as_deref() == Some("current"));
    let there = || edge.get_there("hello").stdout;
    assert_eq!(there(), kiln.get("hello").text());
    // The next server knows it, and waits for it from its first table on.
    let server = kiln.pid(Part::Server).unwrap();
    kiln.kill(Part::Server);
    assert_ne!(kiln.successor(Part::Server, server), server);
    until("the server answers", SOON, || kiln.run(["status"]).code == Some(0));
    project.says("hello 10\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
    assert_eq!(there(), "hello 10\n");
    drop(edge);
    kiln.done(["routers", "remove", "edge"]);
    assert_eq!(kiln.list(["routers", "list"]).len(), 1);
    stop(&kiln);
}

#[test]
fn nodes_of_a_swarm_pull_from_kilns_registry() {
    let docker = Docker::swarm();
    let kiln = Kiln::with_tiny();
    // Docker trusts a registry without TLS on the node's own loopback.
    let registry = format!("registry={}", kiln.api());
    prod_on(&kiln, &docker, &["--set", "swarm=true", "--set", &registry]);
    let _project = ship(&kiln, "{}");
    assert_eq!(kiln.get("hello").header("x-version"), Some("hello 1"));
    let images = docker.text(["service", "ls", "--format", "{{.Image}}"]);
    let pulled = format!("{}/hello@sha256:", kiln.api());
    assert!(images.lines().all(|image| image.starts_with(&pulled)), "{images}");
    stop(&kiln);
}

#[test]
fn what_is_done_to_containers_behind_kilns_back_is_seen_and_mended() {
    let docker = Docker::with_networks(&[]);
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &[]);
    let _project = ship(&kiln, "{}");
    kiln.done(["drift"]);
    for harm in [&["kill"][..], &["rm", "--force"]] {
        let before = ids(&kiln);
        let container = docker.text(["ps", "--quiet", "--filter", &label(&before[0])]);
        docker.done(harm.iter().copied().chain([container.as_str()]));
        until("another takes its place", SOON, || {
            let now = ids(&kiln);
            now.len() == 2 && now != before && healthy(&kiln) == 2
        });
    }
    let one = docker.text(["ps", "--quiet", "--filter", &label(&ids(&kiln)[0])]);
    docker.done(["update", "--memory", "64m", "--memory-swap", "64m", &one]);
    let drift = kiln.run(["drift"]);
    assert_eq!(drift.code, Some(3), "{drift:?}");
    assert!(drift.stdout.contains("its limit of memory"), "{drift:?}");
    kiln.done(["replace", &ids(&kiln)[0]]);
    until("it is as it was asked for", SOON, || kiln.run(["drift"]).code == Some(0));
    stop(&kiln);
}

#[test]
fn an_engine_that_stops_and_starts_again_ends_with_what_was_asked_for() {
    let docker = Docker::with_networks(&[]);
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &[]);
    assert_eq!(kiln.run(["env", "check", "prod"]).code, Some(0));
    let _project = ship(&kiln, "{}");
    let before = ids(&kiln);
    docker.down();
    let check = kiln.run(["env", "check", "prod"]);
    assert_eq!(check.code, Some(3), "{check:?}");
    assert!(check.stdout.contains("does not answer"), "{check:?}");
    // A server that begins while the engine is away knows what there should be.
    let server = kiln.pid(Part::Server).unwrap();
    kiln.kill(Part::Server);
    assert_ne!(kiln.successor(Part::Server, server), server);
    kiln.done(["status", "hello", "prod"]);
    docker.up();
    until("all are back", SOON, || ids(&kiln) != before && healthy(&kiln) == 2);
    assert_eq!(kiln.get("hello").header("x-version"), Some("hello 1"));
    stop(&kiln);
}

#[test]
fn secrets_reach_a_docker_engine_and_down_leaves_nothing_of_them() {
    let docker = Docker::with_networks(&[]);
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &[]);
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let _set = kiln.set_token("hello", b"hunter2").exits(0);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let told = kiln_load::get(&kiln.target("hello"), "/secret").unwrap().text();
    assert_eq!(told, digest(b"hunter2"));
    let memory = format!("/dev/shm/kiln-{}", kiln.install());
    assert_eq!(std::fs::read_dir(format!("{memory}/prod")).unwrap().count(), 2);
    let _down = kiln.down().exits(0);
    assert_eq!(docker.text(["ps", "--all", "--quiet"]), "");
    assert!(!std::path::Path::new(&memory).exists());
}

#[test]
fn down_tells_what_it_could_not_stop_elsewhere_and_stops_what_is_here() {
    let docker = Docker::with_networks(&[]);
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &[]);
    let _project = ship(&kiln, "{}");
    docker.down();
    let down = kiln.down().exits(0);
    assert!(down.stderr.contains("what environment prod runs goes on"), "{down:?}");
    docker.up();
    kiln.up().unwrap();
    until("all are back", SOON, || healthy(&kiln) == 2);
    stop(&kiln);
}

#[test]
fn a_mistake_in_an_environment_is_named_before_there_is_one() {
    let kiln = Kiln::with_tiny();
    let create = |settings: &[&str], said: &str| {
        let line = ["env", "create", "test", "--engine", "docker"];
        let ran = kiln.run(line.iter().chain(settings));
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
    };
    create(&[], "host is missing");
    create(&["--set", "host=/var/run/docker.sock"], "unix:///PATH or tcp://HOST:PORT");
    create(&["--set", "hots=unix:///x"], "did you mean host?");
    create(&["--set", "host=tcp://a:1", "--set", "tlsCa=/ca.pem"], "all or none");
    create(&["--set", "host=unix:///x", "--set", "ports=1-2"], "FIRST-LAST");
    let settings = kiln.run(["env", "create", "test", "--set", "host=unix:///x"]);
    assert!(settings.stderr.contains("engine local has no setting host"), "{settings:?}");
    kiln.done(["env", "create", "test", "--engine", "docker", "--set", "host=unix:///nobody"]);
    let check = kiln.run(["env", "check", "test"]);
    assert_eq!(check.code, Some(3), "{check:?}");
    kiln.done(["env", "delete", "test"]);
}

/// How long an engine may take to come to what was asked for.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) fn label(instance: &str) -> String {
    format!("label=io.kiln.instance={instance}")
}

/// The instances, by slot.
pub(crate) fn ids(kiln: &Kiln) -> Vec<String> {
    let all = kiln.list(["instances", "hello", "prod"]);
    all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn healthy(kiln: &Kiln) -> usize {
    let all = kiln.list(["instances", "hello", "prod"]);
    all.iter().filter(|one| one["state"] == "healthy").count()
}

/// Works for three seconds, and hangs from then on.
const HANGS: &str = r#"[process.worker]
command = ["/bin/sh", "-c",
    "n=0; while [ $n -lt 30 ]; do : > /tmp/alive; sleep 0.1; n=$((n+1)); done; sleep 3600"]
stop = { timeout = "1s" }
"#;

/// A worker that hangs is seen by its heartbeat wherever it runs, and replaced.
fn a_hanging_worker_is_replaced(kiln: &Kiln) {
    let project = Project::serving(kiln, "hello", "works\n");
    project.recipe(HANGS);
    let params = r#"{"min": 1, "healthCheck": {"type": "heartbeat", "file": "/tmp/alive",
        "maxAge": "1s", "interval": "300ms"}}"#;
    let _put = kiln.put("hello", "deployment-params.json", params).exits(0);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works"]);
    let healthy = || {
        let mut instances = kiln.list(["instances", "hello", "prod"]).into_iter();
        instances.find(|instance| instance["state"] == "healthy").map(|it| it["id"].clone())
    };
    let first = kiln_tests::until_some("it works", SOON, healthy);
    until("another one takes its place", SOON, || healthy().is_some_and(|id| id != first));
    stop(kiln);
}

#[test]
fn a_worker_that_hangs_on_a_docker_engine_is_seen_by_its_heartbeat_and_replaced() {
    let docker = Docker::with_networks(&[]);
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &[]);
    a_hanging_worker_is_replaced(&kiln);
}

#[test]
fn a_worker_that_hangs_on_a_swarm_is_seen_by_its_heartbeat_and_replaced() {
    let docker = Docker::swarm();
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &["--set", "swarm=true"]);
    a_hanging_worker_is_replaced(&kiln);
}
