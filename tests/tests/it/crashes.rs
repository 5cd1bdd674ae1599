//! Parts die, the machine goes down: what serves goes on serving, what was begun goes on.

use crate::traffic::{let_pass, load};
use kiln_load::Allowed;
use kiln_tests::{Kiln, Part, Project, until, until_some};
use std::time::Duration;

pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) fn serving() -> (Kiln, Project) {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    (kiln, project)
}

#[test]
fn a_killed_server_comes_back_and_instances_keep_their_pids() {
    let (kiln, _project) = serving();
    let before = kiln.instance_pids();
    assert_eq!(before.len(), 2, "{before:?}");
    let old = kiln.pid(Part::Server).unwrap();
    kiln.kill(Part::Server);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    assert_ne!(kiln.successor(Part::Server, old), old);
    until("the server answers", SOON, || kiln.run(["status"]).code == Some(0));
    assert_eq!(kiln.instance_pids(), before);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}

#[test]
fn a_deployment_goes_on_after_its_server_was_killed_and_traffic_does_not_notice() {
    let (kiln, project) = serving();
    let allowed = Allowed::only_now("hello 1");
    let running = load(&kiln, &allowed);
    let_pass(&running, 40);
    // An instance that takes two seconds to begin leaves time to kill the server meanwhile.
    project.command(&["late"]);
    project.says("hello 2\n");
    allowed.also("hello 2");
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    let deploy = ["deploy", "hello", "prod", "hello:2", "-m", "slowly", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    // A start that the server had no time to record is ended and made again; a recorded one is kept.
    until("new instances start", SOON, || {
        let all = kiln.list(["instances", "hello", "prod"]);
        all.iter().filter(|instance| instance["state"] == "starting").count() == 2
    });
    let started = kiln.instance_pids();
    kiln.kill_control_plane();
    let_pass(&running, 40);
    kiln.up().unwrap();
    kiln.done(["watch", &id]);
    allowed.only("hello 2");
    let_pass(&running, 40);
    assert_eq!(kiln.instance_pids(), started, "nothing was started twice");
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

#[test]
fn a_router_killed_without_a_server_is_back_with_the_next_up() {
    let (kiln, _project) = serving();
    kiln.kill_control_plane();
    kiln.kill(Part::Router);
    kiln.up().unwrap();
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}

#[test]
fn after_a_reboot_every_group_comes_back_from_what_was_deployed() {
    let (kiln, _project) = serving();
    let before = kiln.json(["status", "hello", "prod"]);
    kiln.reboot();
    until_some("the service answers again", SOON, || {
        let answer = kiln_load::get(&kiln.target("hello"), "/").ok()?;
        (answer.status == 200 && answer.text() == "hello 1\n").then_some(())
    });
    until("both instances are back", SOON, || kiln.instance_pids().len() == 2);
    let after = kiln.json(["status", "hello", "prod"]);
    assert_eq!(after["release"], before["release"]);
    assert_eq!(after["groups"][0]["name"], before["groups"][0]["name"]);
}

#[test]
fn a_second_up_on_the_same_data_is_refused() {
    let kiln = Kiln::start();
    kiln.run(["up", "--api", "127.0.0.1:0", "--http", "127.0.0.1:0"]).exits(5).says(&["down"]);
    kiln.done(["status"]);
}

#[test]
fn the_end_of_up_leaves_the_router_and_the_instances_serving() {
    let (kiln, _project) = serving();
    let before = kiln.instance_pids();
    let up = rustix::process::Pid::from_raw(kiln.pid(Part::Up).unwrap()).unwrap();
    rustix::process::kill_process(up, rustix::process::Signal::INT).unwrap();
    until("the server has stopped", SOON, || kiln.pid(Part::Server).is_none());
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    kiln.run(["status"]).exits(8).says(&["kiln up"]);
    kiln.up().unwrap();
    assert_eq!(kiln.instance_pids(), before);
}

#[test]
fn down_stops_everything_also_without_a_server_and_twice() {
    let (kiln, _project) = serving();
    kiln.kill_control_plane();
    for _ in 0..2 {
        let _down = kiln.down().exits(0);
        let leaks = kiln.leaks();
        assert!(leaks.is_empty(), "{leaks}");
    }
    assert!(kiln.data().join("kiln.db").exists(), "the data stays");
    kiln.up().unwrap();
    until("the service is back", SOON, || {
        kiln_load::get(&kiln.target("hello"), "/").is_ok_and(|answer| answer.text() == "hello 1\n")
    });
}

#[test]
fn a_command_without_a_server_says_how_to_start_it() {
    let kiln = Kiln::start();
    let _down = kiln.down().exits(0);
    kiln.run(["status"]).exits(8).says(&["kiln up --data", &kiln.data().to_string_lossy()]);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let kiln = Kiln::start();
    let _down = kiln.down().exits(0);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--http", "--api"] {
        let other = if option == "--http" { "--api" } else { "--http" };
        let ran = kiln.run(["up", option, &address, other, "127.0.0.1:0"]);
        assert_ne!(ran.code, Some(0), "{ran}");
        ran.says(&[&address, "in use"]);
        let _down = kiln.down().exits(0);
    }
}
