//! The disk fills: nothing breaks, nothing stops serving, and all goes on when there is room again.

use crate::traffic::{let_pass, load};
use kiln_load::Allowed;
use kiln_tests::{Kiln, Project, Ran, SmallDisk, until};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(60);
/// How long a ship is watched on a full disk before there is room again.
const FULL: Duration = Duration::from_secs(6);
/// What commands may end with on a full disk: done after all, internal (the disk is full), undone,
/// invalid, stuck.
const HONEST: [i32; 5] = [0, 1, 3, 4, 9];

fn serving() -> (Kiln, Project) {
    let kiln = Kiln::on_small_disk();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    (kiln, project)
}

/// Runs a command on a full disk; gives room back when it waits for it.
fn run_on_full<'a>(kiln: &Kiln, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
    let command = kiln.command(arguments);
    let began = Instant::now();
    let ran = std::thread::scope(|scope| {
        let running = scope.spawn(|| Ran::of(command));
        until("the command ends, or waits for room", SOON, || {
            running.is_finished() || began.elapsed() > FULL
        });
        kiln.disk().empty();
        until("the command ends with room", SOON, || running.is_finished());
        running.join().unwrap()
    });
    let code = ran.code.unwrap_or(-1);
    assert!(HONEST.contains(&code), "{ran}{}", kiln.logs());
    assert!(!ran.stderr.contains("panic"), "{ran}");
    ran
}

/// Nothing half-written has a whole name.
fn nothing_is_half(kiln: &Kiln) {
    let data = kiln.data();
    for entry in fs::read_dir(data.join("images/blobs/sha256")).unwrap() {
        let entry = entry.unwrap();
        let digest = Sha256::digest(fs::read(entry.path()).unwrap());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(entry.file_name().to_str(), Some(&*hex), "a blob is not what its name says");
    }
    for entry in fs::read_dir(data.join("instances")).unwrap().flatten() {
        for name in ["spec.json", "labels.json", "state.json", "exit.json"] {
            is_json_or_gone(&entry.path().join(name));
        }
    }
    is_json_or_gone(&data.join("router/table.json"));
    is_json_or_gone(&data.join("images/index.json"));
    kiln.done(["recover"]).says(&["nothing to recover"]);
    let logs = kiln.logs();
    assert!(!logs.contains("panicked"), "{logs}");
}

fn is_json_or_gone(path: &Path) {
    let Ok(text) = fs::read(path) else { return };
    let read = serde_json::from_slice::<serde_json::Value>(&text);
    assert!(read.is_ok(), "{} is cut", path.display());
}

/// What was stuck is undone by a person; anything else went by itself.
fn settle(kiln: &Kiln, ran: &Ran) {
    if ran.code == Some(9) {
        kiln.done(["undo", "hello", "prod"]);
    }
    until("nothing is in progress", SOON, || {
        let status = kiln.json(["status", "hello", "prod"]);
        let state = status["deployment"]["state"].as_str().unwrap_or_default().to_owned();
        ["completed", "undone", "invalid"].contains(&&*state)
    });
}

#[test]
fn a_disk_that_fills_at_any_moment_of_a_ship_breaks_nothing() {
    let (kiln, project) = serving();
    let allowed = Allowed::only_now("hello 1");
    let running = load(&kiln, &allowed);
    let kib = 1 << 10;
    for (n, leave) in (2..).zip([0, 4, 8, 16, 32, 64, 128, 256, 1024].map(|n| n * kib)) {
        let version = format!("hello {n}");
        project.says(&format!("{version}\n"));
        allowed.also(&version);
        kiln.disk().fill(leave);
        let ran = run_on_full(&kiln, ["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
        settle(&kiln, &ran);
        nothing_is_half(&kiln);
        let_pass(&running, 20);
        // With room the same is done at once, or was already.
        kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "again"]);
        allowed.only(&version);
        assert_eq!(kiln.get("hello").text(), format!("{version}\n"), "{leave} B were left: {ran}");
    }
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

#[test]
fn a_disk_that_fills_during_a_deployment_ends_it_or_lets_it_wait() {
    let (kiln, project) = serving();
    let allowed = Allowed::only_now("hello 1");
    let running = load(&kiln, &allowed);
    for (n, wait) in (2..).zip([0, 20, 50, 90, 150, 250]) {
        let version = format!("hello {n}");
        project.says(&format!("{version}\n"));
        allowed.also(&version);
        kiln.done(["bake", "hello", &n.to_string(), "--dir", project.dir()]);
        let deploy = ["deploy", "hello", "prod", "-m", "on", "--detach"];
        let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
        let since = Instant::now();
        until("the moment", SOON, || since.elapsed() >= Duration::from_millis(wait));
        kiln.disk().fill(0);
        let ran = run_on_full(&kiln, ["watch", &id]);
        settle(&kiln, &ran);
        nothing_is_half(&kiln);
        kiln.done(["deploy", "hello", "prod", "-m", "again"]);
        allowed.only(&version);
        let_pass(&running, 20);
    }
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

#[test]
fn a_full_disk_is_named_with_what_to_do() {
    let (kiln, project) = serving();
    project.says("hello 2\n");
    kiln.disk().fill(0);
    let place = kiln.disk().path().to_str().unwrap();
    let full: &[&str] = &["is full", place, "make room"];
    let full_by_system: &[&str] = &["No space left on device", place, "make room"];
    let bake = kiln.run(["bake", "hello", "9", "--dir", project.dir()]).exits(1);
    bake.says(full_by_system);
    let put = kiln.put("hello", "application-properties.json", "{\"a\": 1}").exits(1);
    put.says(&["disk", place, "make room"]);
    kiln.run(["app", "create", "another"]).exits(1).says(full);
    kiln.run(["deploy", "hello", "prod", "-m", "on"]).exits(1).says(full);
    // What only reads goes on.
    kiln.done(["status"]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    kiln.disk().empty();
    nothing_is_half(&kiln);
    let _put = kiln.put("hello", "application-properties.json", "{\"a\": 1}").exits(0);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
}

#[test]
fn an_instance_that_dies_on_a_full_disk_is_replaced_when_there_is_room() {
    let (kiln, _project) = serving();
    kiln.disk().fill(0);
    let before = kiln.instance_pids();
    let (victim, pids) = before.iter().next().unwrap();
    for pid in pids {
        let pid = rustix::process::Pid::from_raw(*pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    }
    until("it is gone", SOON, || !kiln.instance_pids().contains_key(victim));
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    kiln.disk().empty();
    until("both run again", SOON, || {
        let now = kiln.instance_pids();
        now.len() == 2 && !now.contains_key(victim)
    });
    until("both are healthy", SOON, || {
        kiln.json(["status", "hello", "prod"])["groups"][0]["healthy"] == 2
    });
    nothing_is_half(&kiln);
}

#[test]
fn a_disk_without_another_file_is_named_and_breaks_nothing() {
    let (kiln, project) = serving();
    project.says("hello 2\n");
    kiln.disk().use_up_files(0);
    let ran = run_on_full(&kiln, ["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
    settle(&kiln, &ran);
    nothing_is_half(&kiln);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "again"]);
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
}

#[test]
fn a_log_that_takes_no_line_stops_nothing() {
    let kiln = Kiln::not_started();
    let logs = SmallDisk::mount(kiln.scratch()).unwrap();
    fs::create_dir(kiln.data()).unwrap();
    std::os::unix::fs::symlink(logs.path(), kiln.data().join("log")).unwrap();
    logs.fill(0);
    kiln.up().unwrap();
    kiln.know_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    // Refused until this is away, of which the server has something to say.
    let in_the_way = kiln.data().join("router/table.new");
    fs::create_dir_all(&in_the_way).unwrap();
    let deploy = ["deploy", "hello", "prod", "-m", "again", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    until("the new instances run", SOON, || kiln.instance_pids().len() == 4);
    fs::remove_dir(&in_the_way).unwrap();
    kiln.done(["watch", &id]);
    assert_eq!(fs::metadata(logs.path().join("server.log")).unwrap().len(), 0);
}
