//! Real damage, done behind Kiln's back, is named exactly; what Kiln does itself never is.

use kiln_tests::{Kiln, Project};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

fn hello() -> (Kiln, Project) {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    (kiln, project)
}

/// What `kiln drift` finds, as `WHAT: FOUND`.
#[track_caller]
fn drift(kiln: &Kiln, arguments: &[&str]) -> Vec<String> {
    let line = [&["drift"], arguments, &["--json"]].concat();
    let ran = kiln.run(line.iter().copied());
    let found = ran.lines();
    assert_eq!(ran.code, Some(if found.is_empty() { 0 } else { 3 }), "{ran}");
    let told =
        |it: &Value| format!("{}: {}", it["what"].as_str().unwrap(), it["found"].as_str().unwrap());
    found.iter().map(told).collect()
}

/// The only difference there is.
#[track_caller]
fn only(kiln: &Kiln, arguments: &[&str], what: &str, found: &str) {
    let all = drift(kiln, arguments);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(all[0].starts_with(what) && all[0].contains(found), "{all:#?}");
}

fn instance(kiln: &Kiln) -> String {
    kiln.list(["instances", "hello", "prod"])[0]["id"].as_str().unwrap().to_owned()
}

fn dir(kiln: &Kiln, id: &str) -> PathBuf {
    kiln.data().join("instances").join(id)
}

fn main_pid(kiln: &Kiln, id: &str) -> String {
    let state = std::fs::read(dir(kiln, id).join("state.json")).unwrap();
    serde_json::from_slice::<Value>(&state).unwrap()["pid"].to_string()
}

fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn link_of(kiln: &Kiln, id: &str) -> String {
    format!("kv{}{}", kiln.install(), &id[..7])
}

/// The control group of an instance in the hierarchy of a controller.
fn group(kiln: &Kiln, id: &str, controller: &str) -> PathBuf {
    let leaf = format!("kiln/{}/i-{id}", kiln.install());
    let root = Path::new("/sys/fs/cgroup");
    [root.join(controller).join(&leaf), root.join(&leaf)]
        .into_iter()
        .find(|path| path.exists())
        .expect("the instance has a control group")
}

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

#[test]
fn an_untouched_install_does_not_drift_at_rest_nor_in_motion() {
    let (kiln, project) = hello();
    kiln.done(["env", "create", "test"]);
    let other = Project::serving(&kiln, "other", "other 1\n");
    kiln.done(["ship", "other", "test", "--dir", other.dir(), "-m", "first light"]);
    assert_eq!(drift(&kiln, &["--deep"]), [""; 0]);
    for round in 2..5 {
        project.says(&format!("hello {round}\n"));
        let mut ship =
            kiln.command(["ship", "hello", "prod", "--dir", project.dir(), "-m", "again"]);
        let mut ship = ship.stdout(std::process::Stdio::null()).spawn().unwrap();
        while ship.try_wait().unwrap().is_none() {
            assert_eq!(drift(&kiln, &[]), [""; 0]);
        }
    }
    kiln.done(["rollback", "hello", "prod", "-m", "back"]);
    assert_eq!(drift(&kiln, &[]), [""; 0]);
    // What a service writes where it may is its own business.
    let id = instance(&kiln);
    std::fs::write(format!("/proc/{}/root/tmp/x", main_pid(&kiln, &id)), "x").unwrap();
    kiln.kill_control_plane();
    kiln.up().unwrap();
    assert_eq!(drift(&kiln, &["--deep"]), [""; 0]);
    kiln.done(["drift"]).says(&["Everything is as Kiln made it."]);
}

#[test]
fn a_limit_a_spec_and_a_process_that_others_changed_are_named() {
    let (kiln, _project) = hello();
    let id = instance(&kiln);
    let pids = group(&kiln, &id, "pids").join("pids.max");
    let limit = std::fs::read_to_string(&pids).unwrap();
    std::fs::write(&pids, "77").unwrap();
    only(&kiln, &[], "its limit of processes", "77");
    kiln.run(["drift"]).exits(3).says(&[&format!("kiln replace {id}"), "expected 512, found 77"]);
    std::fs::write(&pids, limit.trim()).unwrap();

    let spec = dir(&kiln, &id).join("spec.json");
    let text = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, text.replace("\"hostname\":\"hello", "\"hostname\":\"evil")).unwrap();
    only(&kiln, &[], "its frozen spec, hostname", "evil");
    std::fs::write(&spec, text).unwrap();

    let pid = main_pid(&kiln, &id);
    must("kill", &["-STOP", &pid]);
    only(&kiln, &["hello", "prod"], "its main process", "stopped by a signal");
    must("kill", &["-CONT", &pid]);

    let mut stranger = sleeper();
    let name = stranger.id().to_string();
    std::fs::write(group(&kiln, &id, "pids").join("cgroup.procs"), &name).unwrap();
    only(&kiln, &[], "its processes", &format!("process {name}, sleep"));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(drift(&kiln, &[]), [""; 0]);
}

#[test]
fn a_root_mounted_for_writing_and_an_edited_file_of_an_image_are_named() {
    let (kiln, _project) = hello();
    let pid = main_pid(&kiln, &instance(&kiln));
    let remount = |how: &str| {
        let mount = ["/bin/busybox", "mount", "-o", &format!("remount,bind,{how}"), "/"];
        must("nsenter", &[&["-t", &pid, "-m", "-p"], &mount[..]].concat());
    };
    remount("rw");
    only(&kiln, &[], "its root", "mounted for writing");
    remount("ro");

    let layers = std::fs::read_dir(kiln.data().join("images/layers")).unwrap();
    let mut files = layers.map(|layer| layer.unwrap().path().join("root/srv/version"));
    let file = files.find(|path| path.exists()).expect("the service's file is in a layer");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "hacked 1").unwrap();
    assert_eq!(drift(&kiln, &[]), [""; 0], "that takes a deep look");
    only(&kiln, &["--deep"], "/srv/version", "edited");
    std::fs::write(&file, text).unwrap();
    let added = file.with_file_name("added");
    std::fs::write(&added, "").unwrap();
    only(&kiln, &["--deep"], "/srv/added", "added");
    std::fs::remove_file(added).unwrap();
    assert_eq!(drift(&kiln, &["--deep"]), [""; 0]);
}

#[test]
fn rules_links_and_bridges_that_others_changed_are_named() {
    let (kiln, _project) = hello();
    let link = link_of(&kiln, &instance(&kiln));
    must("ip", &["link", "set", &link, "down"]);
    only(&kiln, &[], "its network link", "down");
    must("ip", &["link", "set", &link, "up"]);
    let table = format!("kiln-{}", kiln.install());
    let listed = must("nft", &["-a", "list", "chain", "inet", &table, "forward"]);
    let rule = listed.lines().find(|line| line.contains("drop # handle")).unwrap();
    let handle = rule.rsplit(' ').next().unwrap();
    must("nft", &["delete", "rule", "inet", &table, "forward", "handle", handle]);
    let all = drift(&kiln, &[]);
    assert_eq!(all, ["firewall rules, chain forward: missing"]);
    must("nft", &["add", "rule", "inet", &table, "input", "accept"]);
    assert_eq!(drift(&kiln, &[]).len(), 2);
    kiln.kill_control_plane();
    kiln.up().unwrap();
    assert_eq!(drift(&kiln, &[]), [""; 0]);
}

#[test]
fn what_no_row_answers_for_is_named() {
    let (kiln, _project) = hello();
    let stray = dir(&kiln, "0badc0ffee00");
    std::fs::create_dir(&stray).unwrap();
    only(&kiln, &[], "directories of instances", "0badc0ffee00");
    std::fs::remove_dir(&stray).unwrap();
    let id = instance(&kiln);
    let root = group(&kiln, &id, "pids").with_file_name("i-0badc0ffee00");
    std::fs::create_dir(&root).unwrap();
    only(&kiln, &[], "control groups", "i-0badc0ffee00");
    std::fs::remove_dir(&root).unwrap();
    let name = format!("kv{}0badc0f", kiln.install());
    let peer = format!("kp{}", kiln.install());
    must("ip", &["link", "add", &name, "type", "veth", "peer", "name", &peer]);
    only(&kiln, &[], "network links", &name);
    must("ip", &["link", "delete", &name]);
    assert_eq!(drift(&kiln, &[]), [""; 0]);
}

#[test]
fn a_route_table_that_somebody_else_sent_is_named() {
    let (kiln, _project) = hello();
    let socket = format!("/run/kiln/{}/router.sock", kiln.install());
    let curl = |arguments: &[&str]| {
        must("curl", &[&["--silent", "--fail", "--unix-socket", &socket], arguments].concat())
    };
    let mut table: Value = serde_json::from_str(&curl(&["http://router/table"])).unwrap();
    table["version"] = 1_000_000.into();
    table["clusters"][0]["groups"][0]["weight"] = 1.into();
    let url = "http://router/table";
    curl(&["-X", "PUT", "--data", &table.to_string(), url]);
    let all = drift(&kiln, &[]);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(
        all.iter().any(|it| it.starts_with("its table: ") && it.ends_with(".1000000")),
        "{all:#?}"
    );
    assert!(all.iter().any(|it| it.starts_with("its weights: ")), "{all:#?}");
    kiln.kill_control_plane();
    kiln.up().unwrap();
    assert_eq!(drift(&kiln, &[]), [""; 0]);
}
