//! The engine of an environment goes away in the midst of it, or somebody else changes what Kiln made.

use crate::engines::{SOON, healthy, ids, label, prod_on, ship, stop};
use crate::traffic::load;
use kiln_load::Allowed;
use kiln_tests::{Docker, Kiln, Project, note, until};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long the engine stays away.
const AWAY: Duration = Duration::from_secs(1);

/// What a deployment does, from its beginning to its end, as far as the engine has a part in it.
const ACTIONS: [&str; 6] = [
    "ensure-image",
    "resize-groups",
    "await-started",
    "await-startup",
    "apply-traffic",
    "retire-groups",
];

/// Follows a deployment until that action begins; the deployment goes on.
fn begins(kiln: &Kiln, id: &str, action: &str) -> Child {
    let mut watch = kiln.command(["watch", id, "--json"]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let events = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut events = events.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let found = events.find(|event| event["action"] == action);
    assert!(found.is_some(), "{action} never began");
    // Read to the end, so that nothing is held up.
    std::thread::spawn(move || events.for_each(drop));
    watch
}

/// Deploys a version, and lets the engine go away when an action of that begins. Answers how it ended.
fn interrupted(kiln: &Kiln, docker: &Docker, version: &str, action: &str) -> Value {
    let image = format!("hello:{version}");
    let deploy = ["deploy", "hello", "prod", &image, "-m", "on", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    let mut watch = begins(kiln, &id, action);
    docker.down();
    std::thread::park_timeout(AWAY);
    docker.up();
    watch.wait().unwrap();
    kiln.json(["deployment", &id])
}

/// Bakes version `n`, which says so.
fn bake(kiln: &Kiln, project: &Project, n: usize) -> String {
    project.says(&format!("hello {n}\n"));
    kiln.done(["bake", "hello", &n.to_string(), "--dir", project.dir()]);
    n.to_string()
}

/// Whether both instances of each group are, of one that is kept warm as well.
fn all_are_healthy(kiln: &Kiln) -> bool {
    let all = kiln.list(["instances", "hello", "prod"]);
    all.len().is_multiple_of(2) && !all.is_empty() && all.len() == healthy(kiln)
}

/// What serves, once it is what the database asks for.
fn settles(kiln: &Kiln) {
    let began = Instant::now();
    while !all_are_healthy(kiln) || kiln.run(["drift"]).code != Some(0) {
        let seen =
            || format!("{}{}", kiln.run(["instances", "hello", "prod"]), kiln.run(["drift"]));
        assert!(began.elapsed() < SOON, "it does not settle: {}{}", seen(), kiln.logs());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn an_engine_that_is_away_in_any_phase_of_a_deployment_costs_no_request() {
    // Containers of an engine that stops go on.
    let docker = Docker::with_networks(&["--live-restore"]);
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &[]);
    let project = ship(&kiln, "{}");
    let allowed = Allowed::only_now("hello 1");
    let running = load(&kiln, &allowed);
    for (n, action) in (2..).zip(ACTIONS) {
        let version = bake(&kiln, &project, n);
        allowed.also(format!("hello {n}"));
        let deployment = interrupted(&kiln, &docker, &version, action);
        note(&format!("{action}: {} {}", deployment["state"], deployment["reason"]));
        assert_eq!(deployment["state"], "completed", "{action}: {deployment}");
        settles(&kiln);
        allowed.only(format!("hello {n}"));
        assert_eq!(kiln.get("hello").header("x-version"), Some(&*format!("hello {n}")));
    }
    let report = running.stop();
    note(&report.to_string());
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
    stop(&kiln);
}

#[test]
fn a_manager_that_begins_anew_within_a_deployment_ends_with_what_was_asked_for() {
    let docker = Docker::swarm();
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &["--set", "swarm=true"]);
    let project = ship(&kiln, "{}");
    for (n, action) in (2..).zip(["await-started", "apply-traffic"]) {
        let version = bake(&kiln, &project, n);
        let deployment = interrupted(&kiln, &docker, &version, action);
        note(&format!("{action}: {} {}", deployment["state"], deployment["reason"]));
        let state = deployment["state"].as_str().unwrap();
        assert!(["completed", "undone"].contains(&state), "{action}: {deployment}");
        settles(&kiln);
        let serves = if state == "completed" { format!("hello {n}") } else { "hello 1".to_owned() };
        assert_eq!(kiln.get("hello").header("x-version"), Some(&*serves), "{deployment}");
        if state != "completed" {
            kiln.done(["deploy", "hello", "prod", &format!("hello:{version}"), "-m", "again"]);
        }
    }
    stop(&kiln);
}

#[test]
fn what_somebody_else_does_to_services_is_seen_and_mended() {
    let docker = Docker::swarm();
    let kiln = Kiln::with_tiny();
    prod_on(&kiln, &docker, &["--set", "swarm=true"]);
    let _project = ship(&kiln, "{}");
    kiln.done(["drift"]);
    let service = || {
        let first = &ids(&kiln)[0];
        docker.text(["service", "ls", "--quiet", "--filter", &label(first)])
    };
    // Removed, or of no replicas: another takes its place.
    for harm in [&["rm"][..], &["update", "--detach", "--replicas", "0"]] {
        let before = ids(&kiln);
        docker.done(["service"].iter().chain(harm).copied().chain([service().as_str()]));
        until("another takes its place", SOON, || {
            let now = ids(&kiln);
            now.len() == 2 && now[0] != before[0] && healthy(&kiln) == 2
        });
        until("nothing is left of it", SOON, || kiln.run(["drift"]).code == Some(0));
    }
    // Changed: it is told, with what mends it.
    let update = ["service", "update", "--detach", "--limit-memory", "64m", "--env-add", "DEBUG=1"];
    docker.done(update.iter().copied().chain([service().as_str()]));
    let drift = kiln.run(["drift"]);
    assert_eq!(drift.code, Some(3), "{drift:?}");
    for told in ["its limit of memory", "its variables", "kiln replace"] {
        assert!(drift.stdout.contains(told), "{told}: {drift:?}");
    }
    until("it is healthy again", SOON, || healthy(&kiln) == 2);
    kiln.done(["replace", &ids(&kiln)[0]]);
    until("it is as it was asked for", SOON, || kiln.run(["drift"]).code == Some(0));
    stop(&kiln);
}
