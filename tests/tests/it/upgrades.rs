//! A newer program takes over while clients of every kind ask, or fails and changes nothing.

use crate::crashes::{SOON, serving};
use crate::traffic::{let_pass, load};
use kiln_load::Allowed;
use kiln_tests::{Kiln, Part, Ran, note, until};
use std::path::{Path, PathBuf};
use std::process::Command;

fn upgrade(kiln: &Kiln, program: &Path) -> Ran {
    let ran = Ran::of(kiln.command([Path::new("upgrade"), program]));
    note(&format!("{}: {:?}", ran.line, ran.took));
    ran
}

fn pids(kiln: &Kiln) -> [Option<i32>; 3] {
    [Part::Up, Part::Server, Part::Router].map(|part| kiln.pid(part))
}

fn programs(kiln: &Kiln) -> [Option<PathBuf>; 2] {
    [Part::Server, Part::Router].map(|part| kiln.runs_from(part))
}

#[test]
fn no_request_fails_while_a_newer_kiln_takes_over_and_what_runs_stays() {
    let (kiln, project) = serving();
    let allowed = Allowed::only_now("hello 1");
    let running = load(&kiln, &allowed);
    let_pass(&running, 40);
    let instances = kiln.instance_pids();
    let (mut before, mut from) = (pids(&kiln), programs(&kiln));
    for n in 0..4 {
        let newer = kiln.newer_program(&format!("newer-{n}"));
        // As it is typed: from the new program, or with the old one to it.
        let ran = match n % 2 {
            0 => Ran::of(kiln.command_of(&newer, ["upgrade"])),
            _ => upgrade(&kiln, &newer),
        };
        let _done = ran.exits(0);
        let (now, runs_from) = (pids(&kiln), programs(&kiln));
        assert_eq!(now[0], before[0], "up itself goes on");
        assert!(now[1] != before[1] && now[2] != before[2], "{now:?} {before:?}");
        assert!(runs_from[0] != from[0] && runs_from[0] == runs_from[1], "{runs_from:?}");
        (before, from) = (now, runs_from);
        let_pass(&running, 40);
    }
    assert_eq!(kiln.instance_pids(), instances);
    allowed.also("hello 2");
    project.says("hello 2\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "by the new one"]);
    allowed.only("hello 2");
    let_pass(&running, 40);
    // What up brings back is what was upgraded to.
    kiln.kill(Part::Server);
    let _again = kiln.successor(Part::Server, before[1].unwrap());
    assert_eq!(programs(&kiln), from);
    let report = running.stop();
    note(&report.to_string());
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
    until("the routers before have ended", SOON, || kiln.leaving_routers() == 0);
    kiln.settles(&["hello"]);
}

#[test]
fn ships_go_on_while_routers_take_the_place_of_one_another() {
    let (kiln, project) = serving();
    let allowed = Allowed::only_now("hello 1");
    let running = load(&kiln, &allowed);
    for n in 2..8 {
        let newer = kiln.newer_program(&format!("newer-{n}"));
        let version = format!("hello {n}");
        project.says(&format!("{version}\n"));
        allowed.also(&version);
        kiln.done(["bake", "hello", &n.to_string(), "--dir", project.dir()]);
        let deploy = ["deploy", "hello", "prod", "-m", "on", "--detach"];
        let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
        let _done = upgrade(&kiln, &newer).exits(0);
        kiln.done(["watch", &id]);
        allowed.only(&version);
        let_pass(&running, 20);
    }
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

#[test]
fn a_newer_up_takes_over_router_and_server() {
    let (kiln, _project) = serving();
    let running = load(&kiln, &Allowed::only_now("hello 1"));
    let instances = kiln.instance_pids();
    let before = pids(&kiln);
    kiln.kill(Part::Up);
    kiln.up_from(&kiln.newer_program("newer")).unwrap();
    let now = pids(&kiln);
    assert!(now[1] != before[1] && now[2] != before[2], "{now:?} {before:?}");
    let_pass(&running, 40);
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
    assert_eq!(kiln.instance_pids(), instances);
    let kept = std::fs::read_dir(kiln.data().join("bin")).unwrap().count();
    assert_eq!(kept, 1, "the earlier program is not kept");
}

#[test]
fn a_newer_program_that_does_not_even_look_changes_nothing() {
    let (kiln, _project) = serving();
    let before = (pids(&kiln), programs(&kiln));
    let silent = kiln.script("silent", "echo out of order >&2; exit 7");
    upgrade(&kiln, &silent).exits(4).says(&["out of order", "Nothing has changed"]);
    upgrade(&kiln, Path::new("/nowhere")).exits(1).says(&["/nowhere"]);
    assert_eq!((pids(&kiln), programs(&kiln)), before);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}

#[test]
fn a_newer_router_or_server_that_does_not_start_leaves_the_earlier_one_in_charge() {
    let (kiln, project) = serving();
    let running = load(&kiln, &Allowed::only_now("hello 1"));
    let (before, from) = (pids(&kiln), programs(&kiln));
    let looks = "case \"$*\" in *--check*) exit 0;; esac";
    let broken = kiln.script("broken", &format!("{looks}; echo no router >&2; exit 1"));
    upgrade(&kiln, &broken).exits(1).says(&["no router", "goes on"]);
    assert_eq!((pids(&kiln), &programs(&kiln)), (before, &from));
    let real = kiln_tests::kiln();
    let half = format!(
        "{looks}; [ $1 = router ] && exec {} \"$@\"; echo no server >&2; exit 1",
        real.display()
    );
    upgrade(&kiln, &kiln.script("half", &half)).exits(1).says(&["no server", "started again"]);
    assert_eq!(kiln.runs_from(Part::Server), from[0]);
    let_pass(&running, 20);
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "the earlier one works"]);
}

#[test]
fn what_a_newer_kiln_has_written_is_refused_before_anything_stops() {
    let (kiln, _project) = serving();
    let schema = |version: u32| {
        let file = kiln.data().join("kiln.db");
        let set = format!("PRAGMA user_version = {version}");
        let done = Command::new("sqlite3").arg(file).args([".timeout 5000", &set]).status();
        assert!(done.unwrap().success());
    };
    let before = pids(&kiln);
    let mut ask = Command::new("sqlite3");
    ask.arg(kiln.data().join("kiln.db")).arg("PRAGMA user_version");
    let own = Ran::of(ask).stdout.trim().parse().unwrap();
    schema(999);
    upgrade(&kiln, &kiln.newer_program("older")).exits(4).says(&["999", "Nothing has changed"]);
    assert_eq!(pids(&kiln), before);
    kiln.kill(Part::Up);
    let refused = kiln.run(["up", "--api", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    refused.says(&["999"]);
    assert_ne!(refused.code, Some(0));
    assert_eq!(pids(&kiln)[1..], before[1..]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    schema(own);
    kiln.up().unwrap();
}
