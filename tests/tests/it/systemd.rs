//! The units for systemd do what they say, without systemd.

use crate::crashes::SOON;
use crate::traffic::{let_pass, load};
use kiln_load::Allowed;
use kiln_tests::{Kiln, Part, Project, Unit, repository, until};
use std::process::Command;

fn units(kiln: &Kiln) -> [Unit; 2] {
    ["kiln-server", "kiln-router"].map(|name| Unit::of(kiln, name))
}

#[test]
fn the_units_are_sound() {
    let scratch = tempfile::tempdir().unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    for name in ["kiln.target", "kiln-router.service", "kiln-server.service"] {
        let unit = repository().join("packaging/systemd").join(name);
        let text = std::fs::read_to_string(unit).unwrap();
        // It looks whether the program is there, which it is on machines with Kiln alone.
        std::fs::write(scratch.path().join(name), text.replace("/usr/local/bin/kiln", "/bin/true"))
            .unwrap();
        verify.arg(scratch.path().join(name));
    }
    let said = verify.output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
}

#[test]
fn the_units_start_in_any_order_and_instances_outlive_them() {
    let kiln = Kiln::not_started();
    let [server, router] = units(&kiln);
    server.start();
    router.start();
    kiln.know_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let instances = kiln.instance_pids();
    assert_eq!((server.main(), router.main()), (kiln.pid(Part::Server), kiln.pid(Part::Router)));
    kiln.run(["up", "--api", "127.0.0.1:0"]).exits(5).says(&["systemctl"]);
    kiln.run(["upgrade"]).exits(5).says(&["systemctl reload kiln-router"]);
    kiln.run(["down"]).exits(5).says(&["systemctl stop kiln.target"]);
    server.stop();
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    router.stop();
    assert_eq!(kiln.instance_pids(), instances);
    router.start();
    assert_eq!(kiln.get("hello").text(), "hello 1\n", "a router alone serves its last table");
    server.start();
    assert_eq!(kiln.instance_pids(), instances);
    project.says("hello 2\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "again"]);
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
    server.stop();
    router.stop();
}

#[test]
fn no_request_fails_while_the_routers_unit_is_reloaded_and_the_servers_restarted() {
    let kiln = Kiln::not_started();
    let [server, router] = units(&kiln);
    router.start();
    server.start();
    kiln.know_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let running = load(&kiln, &Allowed::only_now("hello 1"));
    for _ in 0..3 {
        router.reload();
        server.stop();
        let_pass(&running, 20);
        server.start();
        let_pass(&running, 20);
    }
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
    until("the routers before have ended", SOON, || kiln.leaving_routers() == 0);
    kiln.settles(&["hello"]);
    server.stop();
    router.stop();
}
