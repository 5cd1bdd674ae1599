//! SIGKILL at moments that nobody chose: no request fails, every deployment ends by itself, and
//! nothing is left behind.

use crate::crashes::{SOON, serving};
use crate::traffic::{let_pass, load};
use kiln_load::{Allowed, Running};
use kiln_tests::{Chance, Kiln, Part, Project, note, until, until_some};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Longer than a ship: some kills come when it is over.
const SHIP: Duration = Duration::from_millis(400);
/// How long a killed router may be away.
const ROUTER_BACK: Duration = Duration::from_secs(1);

/// Ships after ships, each with something killed meanwhile.
struct Storm<'a> {
    kiln: &'a Kiln,
    project: &'a Project,
    allowed: Allowed,
    /// How each deployment ended, counted.
    ends: BTreeMap<String, u32>,
}

impl<'a> Storm<'a> {
    fn new(kiln: &'a Kiln, project: &'a Project) -> Self {
        let allowed = Allowed::only_now("hello 1");
        Self { kiln, project, allowed, ends: BTreeMap::new() }
    }

    /// Ships, kills after `delay`, and waits until the deployment, if it came to one, has ended and
    /// a server is there again.
    fn ship(&mut self, n: u32, delay: Duration, kill: impl FnOnce()) {
        let version = format!("hello {n}");
        self.project.says(&format!("{version}\n"));
        self.allowed.also(&version);
        let words = ["ship", "hello", "prod", "--dir", self.project.dir(), "-m", "on"];
        let mut ship = self.kiln.command(words);
        let mut ship = ship.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let since = Instant::now();
        until("the moment", SOON, || since.elapsed() >= delay);
        kill();
        // A ship whose server died while it baked has failed, and says so; that is no deployment.
        ship.wait().unwrap();
        until("the server answers", SOON, || self.kiln.run(["status"]).code == Some(0));
        self.await_end();
        let serves = self.kiln.get("hello").text();
        self.allowed.only(serves.trim());
    }

    fn await_end(&mut self) {
        let newest = self.kiln.list(["deployments", "hello", "prod"]).remove(0);
        let id = newest["id"].as_str().unwrap();
        let ran = self.kiln.run(["watch", id]);
        let ended: &Value = &self.kiln.json(["deployment", id]);
        let state = ended["state"].as_str().unwrap().to_owned();
        assert!(["completed", "undone", "invalid"].contains(&&*state), "{ran}{}", self.kiln.logs());
        *self.ends.entry(state).or_default() += 1;
    }

    /// Nobody noticed, and nothing is left.
    fn passes(self, running: Running, guard: &str) {
        let_pass(&running, 20);
        let report = running.stop();
        note(&format!("{:?}\n{report}", self.ends));
        assert_eq!(report.failures(), 0, "{report}{}", self.kiln.logs());
        self.kiln.settles(&["hello"]);
        assert_eq!(self.kiln.guard(), guard);
        assert_eq!(self.kiln.pid(Part::Server).is_some(), self.kiln.pid(Part::Router).is_some());
    }
}

/// Kills the server and waits until another one is ready.
fn kill_server(kiln: &Kiln) {
    let old = kiln.pid(Part::Server).unwrap();
    kiln.kill(Part::Server);
    assert_ne!(kiln.successor(Part::Server, old), old);
}

#[test]
fn a_hundred_kills_of_the_server_during_ships_fail_no_request_and_leave_nothing() {
    let (kiln, project) = serving();
    let chance = Chance::announced();
    let mut storm = Storm::new(&kiln, &project);
    let guard = kiln.guard();
    let running = load(&kiln, &storm.allowed);
    for n in 2..102 {
        storm.ship(n, chance.time_below(SHIP), || kill_server(&kiln));
    }
    storm.passes(running, &guard);
}

#[test]
fn shims_killed_together_with_the_server_during_ships_are_replaced_and_leave_nothing() {
    let (kiln, project) = serving();
    let chance = Chance::announced();
    let mut storm = Storm::new(&kiln, &project);
    let guard = kiln.guard();
    for n in 2..12 {
        storm.ship(n, chance.time_below(SHIP), || {
            let shims: Vec<String> = kiln.shims().into_keys().collect();
            let victim = chance.one_of(&shims);
            kiln.kill_shim(victim);
            kill_server(&kiln);
        });
    }
    until("both instances serve", SOON, || kiln.instance_pids().len() >= 2);
    kiln.settles(&["hello"]);
    assert_eq!(kiln.guard(), guard);
    let report = load(&kiln, &storm.allowed);
    storm.passes(report, &guard);
}

#[test]
fn router_and_server_killed_together_during_switches_come_back_with_one_version() {
    let (kiln, project) = serving();
    let chance = Chance::announced();
    let mut storm = Storm::new(&kiln, &project);
    let guard = kiln.guard();
    for n in 2..12 {
        storm.ship(n, chance.time_below(SHIP), || {
            let router = kiln.pid(Part::Router).unwrap();
            kiln.kill(Part::Router);
            kill_server(&kiln);
            assert_ne!(kiln.successor(Part::Router, router), router);
        });
    }
    let running = load(&kiln, &storm.allowed);
    storm.passes(running, &guard);
}

/// The routes and weights in force, as people see them.
fn routing(kiln: &Kiln) -> Value {
    let status = kiln.json(["status", "hello", "prod"]);
    let groups = status["groups"].as_array().unwrap().iter();
    let facts = groups.map(|group| ["name", "weight", "routes"].map(|key| group[key].clone()));
    facts.map(|facts| Value::from(facts.to_vec())).collect()
}

#[test]
fn a_killed_router_is_back_within_a_second_with_its_routes_and_weights() {
    let (kiln, project) = serving();
    project.says("hello 2\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "a warm one too"]);
    let before = routing(&kiln);
    let mut away = Vec::new();
    for _ in 0..5 {
        let old = kiln.pid(Part::Router).unwrap();
        kiln.kill(Part::Router);
        let since = Instant::now();
        until("the router answers again", SOON, || {
            kiln_load::get(&kiln.target("hello"), "/").is_ok_and(|a| a.text() == "hello 2\n")
        });
        away.push(since.elapsed());
        assert_ne!(kiln.successor(Part::Router, old), old);
    }
    note(&format!("the router was back after {away:?}"));
    // A machine that is busy with other tests may hold up one or two of them.
    away.sort();
    assert!(away[2] < ROUTER_BACK, "{away:?}");
    assert_eq!(routing(&kiln), before);
    let running = load(&kiln, &Allowed::only_now("hello 2"));
    let_pass(&running, 40);
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

#[test]
fn an_instance_whose_shim_was_killed_dies_with_it_and_is_replaced() {
    let (kiln, _project) = serving();
    let guard = kiln.guard();
    let before = kiln.instance_pids();
    let (instance, pids) = before.first_key_value().unwrap();
    assert!(kiln.kill_shim(instance));
    until("its processes are dead", SOON, || {
        pids.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
    });
    until("another runs instead", SOON, || {
        let now = kiln.instance_pids();
        now.len() == 2 && !now.contains_key(instance)
    });
    until_some("all are healthy", SOON, || {
        let mut all = kiln.list(["instances", "hello", "prod"]);
        all.retain(|one| one["state"] == "healthy");
        (all.len() == 2).then_some(())
    });
    kiln.settles(&["hello"]);
    assert_eq!(kiln.guard(), guard);
}

#[test]
fn everything_killed_at_once_comes_back_with_the_same_releases() {
    let kiln = Kiln::with_tiny();
    let apps = ["one", "two"];
    for app in apps {
        let project = Project::serving(&kiln, app, &format!("{app} 1\n"));
        kiln.done(["ship", app, "prod", "--dir", project.dir(), "-m", "first light"]);
    }
    let guard = kiln.guard();
    let releases = apps.map(|app| kiln.json(["status", app, "prod"])["release"].clone());
    kiln.lose_power();
    kiln.up().unwrap();
    for app in apps {
        until("it serves again", SOON, || {
            kiln_load::get(&kiln.target(app), "/").is_ok_and(|a| a.text() == format!("{app} 1\n"))
        });
    }
    until("all instances are back", SOON, || kiln.instance_pids().len() == 4);
    assert_eq!(apps.map(|app| kiln.json(["status", app, "prod"])["release"].clone()), releases);
    kiln.settles(&apps);
    assert_eq!(kiln.guard(), guard);
}

#[test]
fn the_loss_of_up_alone_is_noticed_by_nobody_and_the_next_up_takes_over() {
    let (kiln, _project) = serving();
    let before = (kiln.pid(Part::Server), kiln.pid(Part::Router), kiln.instance_pids());
    let running = load(&kiln, &Allowed::only_now("hello 1"));
    kiln.kill(Part::Up);
    let_pass(&running, 20);
    kiln.done(["status"]);
    kiln.up().unwrap();
    let_pass(&running, 20);
    assert_eq!((kiln.pid(Part::Server), kiln.pid(Part::Router), kiln.instance_pids()), before);
    kill_server(&kiln);
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

/// Two more versions, to go from one to the other without baking.
fn two_more(kiln: &Kiln, project: &Project) {
    for version in ["2", "3"] {
        project.says(&format!("hello {version}\n"));
        kiln.done(["bake", "hello", version, "--dir", project.dir()]);
    }
}

/// Deploys with a server that kills itself at the given notch: two for each commit, one before it and
/// one after it. Answers whether it came to that.
fn deploy_with_fuse(kiln: &Kiln, allowed: &Allowed, version: &str, notch: u32) -> bool {
    std::fs::write(kiln.data().join("fuse"), notch.to_string()).unwrap();
    kill_server(kiln);
    let armed = kiln.pid(Part::Server).unwrap();
    let newest = || kiln.list(["deployments", "hello", "prod"]).remove(0)["id"].clone();
    let before = newest();
    allowed.also(format!("hello {version}"));
    let deploy = kiln.run(["deploy", "hello", "prod", &format!("hello:{version}"), "-m", "on"]);
    until("the server answers", SOON, || kiln.run(["status"]).code == Some(0));
    let burnt = kiln.pid(Part::Server).unwrap() != armed;
    let id = newest();
    if id == before {
        assert!(burnt, "{deploy}");
        // It died before anybody was told that there is a deployment: there is none.
        kiln.done(["deploy", "hello", "prod", &format!("hello:{version}"), "-m", "once more"]);
    } else {
        let _watched = kiln.run(["watch", id.as_str().unwrap()]);
        let ended = kiln.json(["deployment", id.as_str().unwrap()]);
        assert_eq!(ended["state"], "completed", "notch {notch}: {ended:#}{}", kiln.logs());
    }
    allowed.only(format!("hello {version}"));
    assert_eq!(kiln.get("hello").text(), format!("hello {version}\n"));
    burnt
}

#[test]
fn a_server_killed_around_every_record_of_a_deployment_costs_no_request() {
    let (kiln, project) = serving();
    two_more(&kiln, &project);
    let (allowed, guard) = (Allowed::only_now("hello 1"), kiln.guard());
    let running = load(&kiln, &allowed);
    let mut notches = 0;
    while deploy_with_fuse(&kiln, &allowed, ["2", "3"][notches as usize % 2], notches) {
        notches += 1;
    }
    assert!(notches >= 12, "a deployment has more than six commits, not {notches} / 2");
    note(&format!("killed at {notches} moments"));
    Storm::new(&kiln, &project).passes(running, &guard);
}

#[test]
fn a_server_killed_around_records_of_other_strategies_costs_no_request() {
    let (kiln, project) = serving();
    two_more(&kiln, &project);
    let (allowed, guard, chance) =
        (Allowed::only_now("hello 1"), kiln.guard(), Chance::announced());
    let running = load(&kiln, &allowed);
    let notches: Vec<u32> = (2..36).collect();
    let canary = r#"{"type": "canary", "steps": [{"weight": 50, "duration": "100ms"}]}"#;
    for strategy in [canary, r#"{"type": "rolling"}"#, r#"{"type": "one-by-one"}"#] {
        let params = format!(r#"{{"strategy": {strategy}}}"#);
        let _put = kiln.put("hello", "deployment-params.json", &params).exits(0);
        let mut burnt = 0;
        for n in 0..6 {
            let notch = *chance.one_of(&notches);
            burnt += u32::from(deploy_with_fuse(&kiln, &allowed, ["2", "3"][n % 2], notch));
        }
        note(&format!("{strategy}: killed {burnt} times of 6"));
        assert!(burnt > 0, "{strategy}");
    }
    Storm::new(&kiln, &project).passes(running, &guard);
}
