//! People step in: hold, retry, abort, undo.

use kiln_tests::{Kiln, Project, until};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// One version serves, and a deployment of another that takes two seconds to begin is under way.
fn under_way() -> (Kiln, String) {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works"]);
    project.command(&["late"]);
    project.says("hello 2\n");
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    let deploy = ["deploy", "hello", "prod", "hello:2", "-m", "slowly", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    until("new instances run", SOON, || kiln.instance_pids().len() == 4);
    (kiln, id)
}

#[test]
fn an_undo_takes_back_what_a_running_deployment_did() {
    let (kiln, id) = under_way();
    let undo = kiln.run(["undo", "hello", "prod", "-m", "wrong one"]);
    assert!(matches!(undo.code, Some(0 | 3)), "{undo}");
    let _watched = kiln.run(["watch", &id]).exits(3);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    until("its instances are gone", SOON, || kiln.instance_pids().len() == 2);
}

#[test]
fn an_abort_touches_nothing_more_and_a_retry_goes_on() {
    let (kiln, id) = under_way();
    kiln.run(["abort", "hello", "prod", "-m", "wait"]).says(&["aborted", "kiln retry hello prod"]);
    let stuck = kiln.run(["watch", &id]).exits(9);
    stuck.says(&["kiln retry hello prod", "kiln undo hello prod"]);
    assert_eq!(kiln.instance_pids().len(), 4);
    let _locked = kiln.run(["deploy", "hello", "prod", "-m", "me"]).exits(5);
    kiln.done(["retry", "hello", "prod"]);
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
}

#[test]
fn a_held_deployment_that_fails_waits_for_a_person() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works"]);
    project.command(&["exit"]);
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    let held = kiln.run(["deploy", "hello", "prod", "hello:2", "-m", "fails", "--hold"]).exits(9);
    held.says(&["no database at db.example", "kiln undo hello prod"]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    let undo = kiln.run(["undo", "hello", "prod", "-m", "enough"]);
    assert!(matches!(undo.code, Some(0 | 3)), "{undo}");
    until("only the first version's instances run", SOON, || kiln.instance_pids().len() == 2);
    kiln.done(["redeploy", "hello", "prod", "-m", "the lock is free"]);
}

#[test]
fn a_stuck_deployment_stays_stuck_over_a_restart() {
    let (kiln, id) = under_way();
    let _aborted = kiln.run(["abort", "hello", "prod", "-m", "wait"]);
    kiln.kill_control_plane();
    kiln.up().unwrap();
    let _stuck = kiln.run(["watch", &id]).exits(9);
    let _undone = kiln.run(["undo", "hello", "prod"]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}

#[test]
fn a_deployment_is_paused_and_resumed_and_judged_as_the_configuration_asks() {
    let (kiln, id) = under_way();
    kiln.run(["pause", "hello", "prod"]).says(&["pauses after the action in flight"]);
    let state = || kiln.json(["deployment", &id])["state"].as_str().unwrap().to_owned();
    until("it is paused", SOON, || state() == "paused");
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    kiln.run(["status"]).says(&["is paused: paused by"]);
    kiln.done(["resume", "hello", "prod"]);
    assert_eq!(kiln.get("hello").text(), "hello 2\n");

    kiln.done(["app", "set", "hello", "judgement", "\"Does it greet?\""]);
    let careful = r#"{"pauseAfterInstancesHealthy": true}"#;
    let _put = kiln.put("hello", "deployment-params.json", careful).exits(0);
    let deploy = ["deploy", "hello", "prod", "hello:2", "-m", "carefully", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    until("it waits", SOON, || kiln.json(["deployment", &id])["state"] == "paused");
    kiln.run(["deployment", &id]).says(&["before the traffic moves. Does it greet?"]);
    let undo = kiln.run(["undo", "hello", "prod", "-m", "it does not"]);
    assert!(matches!(undo.code, Some(0 | 3)), "{undo}");
}

#[test]
fn nothing_begins_while_everything_is_locked_and_status_says_by_whom() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works"]);
    kiln.run(["lock"]).says(&["Nothing is locked"]);
    kiln.done(["lock", "-m", "the database moves"]);
    let _twice = kiln.run(["lock", "-m", "mine"]).exits(5);
    let refused = kiln.run(["redeploy", "hello", "prod", "-m", "now"]).exits(5);
    refused.says(&["the database moves", "kiln unlock"]);
    kiln.run(["status"]).says(&["Everything is locked by", "the database moves"]);
    kiln.done(["unlock"]);
    kiln.done(["redeploy", "hello", "prod", "-m", "now"]);
}
