//! What outlives instances: Debian's redis keeps its data through deployments, deaths, replacements,
//! failed deployments and a stop, and no two instances ever have one volume.

use crate::debian::kiln;
use kiln_tests::{Kiln, until};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// Two of them, each with data of its own.
const PARAMS: &str = r#"{
    "strategy": {"type": "one-by-one"},
    "healthCheck": {"type": "tcp", "interval": "200ms"},
    "processes": {"web": {"min": 2, "routes": [],
        "volumes": [{"name": "data", "path": "/var/lib/redis"}]}}}"#;

fn recipe(argument: &str) -> String {
    format!(
        r#"
app = "store"

[image]
base = "debian-12"
packages = ["redis-server"]

[process.web]
command = ["/usr/bin/redis-server", "--port", "6379", "--protected-mode", "no", "--dir",
    "/var/lib/redis", "--appendonly", "yes", "--appendfsync", "always", {argument}]
port = 6379
user = "redis"
stop = {{ timeout = "5s" }}
"#
    )
}

/// Writes the recipe and ships it; how that went.
fn ship(kiln: &Kiln, argument: &str) -> kiln_tests::Ran {
    let directory = kiln.scratch().join("store");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("kiln.toml"), recipe(argument)).unwrap();
    kiln.run(["ship", "store", "prod", "--dir", &directory.to_string_lossy(), "-m", "on"])
}

/// Where each slot's instance listens.
fn addresses(kiln: &Kiln) -> BTreeMap<u64, SocketAddr> {
    let instances = kiln.list(["instances", "store", "prod"]);
    let healthy = instances.iter().filter(|instance| instance["state"] == "healthy");
    let at = healthy
        .map(|it| (it["slot"].as_u64().unwrap(), it["address"].as_str().unwrap().parse().unwrap()));
    at.collect()
}

/// The first line of what redis answers.
fn ask(address: SocketAddr, command: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    if first.starts_with('$') { lines.next()?.ok() } else { Some(first) }
}

/// What each slot's instance knows.
fn known(kiln: &Kiln) -> BTreeMap<u64, Option<String>> {
    addresses(kiln).into_iter().map(|(slot, at)| (slot, ask(at, "GET who"))).collect()
}

/// Both are there, each with its own data.
fn all_is_kept(kiln: &Kiln, when: &str) {
    let kept = |slot: u64| (slot, Some(format!("slot-{slot}")));
    until(when, SOON, || known(kiln) == BTreeMap::from([kept(0), kept(1)]));
}

#[test]
fn redis_keeps_its_data_through_whatever_happens_to_its_instances() {
    let kiln = kiln();
    kiln.done(["app", "create", "store"]);
    let _put = kiln.put("store", "deployment-params.json", PARAMS).exits(0);
    let _first = ship(&kiln, r#""--loglevel", "notice""#).exits(0);
    for (slot, address) in addresses(&kiln) {
        assert_eq!(ask(address, &format!("SET who slot-{slot}")).as_deref(), Some("+OK"));
    }
    all_is_kept(&kiln, "they know who they are");

    let before = kiln.instance_pids();
    let _second = ship(&kiln, r#""--loglevel", "verbose""#).exits(0);
    assert!(kiln.instance_pids().keys().all(|id| !before.contains_key(id)), "all are new");
    all_is_kept(&kiln, "successors have the data of their slots");
    let _rollback = kiln.run(["rollback", "store", "prod", "-m", "too talkative"]).exits(0);
    all_is_kept(&kiln, "so have those of a rollback");

    for pid in kiln.instance_pids().into_values().flatten() {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    }
    all_is_kept(&kiln, "who takes the place of a dead one has its data");
    let one = kiln.list(["instances", "store", "prod"])[0]["id"].as_str().unwrap().to_owned();
    kiln.done(["replace", &one]);
    all_is_kept(&kiln, "who takes the place of one that was replaced has its data");

    let broken = ship(&kiln, r#""--no-such-option", "1""#);
    assert_eq!(broken.code, Some(3), "{broken}");
    all_is_kept(&kiln, "an undone deployment leaves the data where they were");

    let held = kiln.run(["env", "delete", "prod"]).exits(5);
    held.says(&["kiln volumes remove store"]);
    let _used = kiln.run(["volumes", "remove", "store", "prod", "web/data/0"]).exits(5);
    kiln.done(["stop", "store", "prod", "-m", "enough"]);
    let listed = kiln.run(["volumes", "list", "store", "prod"]).exits(0);
    listed.says(&["web/data/0", "web/data/1"]);
    let _again = ship(&kiln, r#""--loglevel", "notice""#).exits(0);
    all_is_kept(&kiln, "a stop keeps the data");
    kiln.done(["stop", "store", "prod", "-m", "for good"]);
    for slot in ["web/data/0", "web/data/1"] {
        kiln.done(["volumes", "remove", "store", "prod", slot]);
    }
    let _none = kiln.run(["volumes", "remove", "store", "prod", "web/data/1"]).exits(6);
    kiln.done(["env", "delete", "prod"]);
}
