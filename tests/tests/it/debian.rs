//! The examples on Debian, with packages from the machine's mirrors.

use kiln_tests::{Kiln, debian, repository, suite, until};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// A Kiln that knows the base `debian-12`.
fn kiln() -> Kiln {
    let kiln = Kiln::start();
    let archive = debian(&suite(), &["python3"]).unwrap();
    kiln.done(["base", "bake", "debian-12", "--rootfs", &archive.to_string_lossy()]);
    kiln.done(["env", "create", "prod"]);
    kiln
}

/// Ships an example with its configuration, as its README says.
fn ship(kiln: &Kiln, name: &str) {
    kiln.done(["app", "create", name]);
    let directory = repository().join("examples").join(name);
    for entry in std::fs::read_dir(directory.join("config")).unwrap() {
        put(kiln, name, &entry.unwrap().path());
    }
    let directory = directory.to_string_lossy().into_owned();
    kiln.done(["ship", name, "prod", "--dir", &directory, "-m", "as in the README"]);
}

fn put(kiln: &Kiln, name: &str, file: &Path) {
    let content = std::fs::read_to_string(file).unwrap();
    let _put = kiln.put(name, &file.file_name().unwrap().to_string_lossy(), &content).exits(0);
}

#[test]
fn the_static_site_is_served_by_nginx_without_root() {
    let kiln = kiln();
    ship(&kiln, "static-site");
    let answer = kiln.get("static-site");
    assert!(answer.text().contains("Baked, not edited"), "{}", answer.text());
    assert!(answer.header("server").is_some_and(|server| server.starts_with("nginx")));
    for pid in kiln.instance_pids().into_values().flatten() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let uids = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
        assert!(!uids.split_whitespace().any(|uid| uid == "0"), "{uids}");
    }
}

#[test]
fn flask_greets_as_configured_and_its_worker_works() {
    let kiln = kiln();
    ship(&kiln, "hello-world");
    assert_eq!(kiln.get("hello-world").text(), "Hello from production!\n");
    until("the worker works", SOON, || {
        kiln.done(["logs", "hello-world", "prod"]).stdout.contains("for the 1. time.")
    });
}

#[test]
fn the_greeter_greets() {
    let kiln = kiln();
    ship(&kiln, "greeter");
    assert_eq!(kiln.get("greeter").text(), "greeter 1\n");
    let echo = kiln_load::post(&kiln.target("greeter"), "/", "good day").unwrap();
    assert_eq!(echo.text(), "good day");
}

#[test]
fn a_package_that_does_not_exist_is_reported_in_the_package_managers_own_words() {
    let kiln = kiln();
    kiln.done(["app", "create", "hello"]);
    let directory = kiln.scratch().join("hello");
    std::fs::create_dir(&directory).unwrap();
    let recipe = "app = \"hello\"\n[image]\nbase = \"debian-12\"\npackages = [\"no-such-thing\"]\n\
                  [process.web]\ncommand = [\"/bin/true\"]\n";
    std::fs::write(directory.join("kiln.toml"), recipe).unwrap();
    let ran = kiln.run(["bake", "hello", "1", "--dir", &directory.to_string_lossy()]).exits(4);
    ran.says(&["Unable to locate package no-such-thing"]);
}
