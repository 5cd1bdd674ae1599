//! The examples on Debian, with packages from the machine's mirrors.

use kiln_tests::{Kiln, debian, repository, suite, until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// A Kiln that knows the base `debian-12`.
pub(crate) fn kiln() -> Kiln {
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

/// What serves no HTTP is checked by a connection, and reached where its instance listens.
#[test]
fn redis_is_checked_over_tcp_and_replaced_when_it_dies() {
    let kiln = kiln();
    kiln.done(["app", "create", "redis"]);
    let params = r#"{"min": 1, "routes": [], "healthCheck": {"type": "tcp", "interval": "200ms"}}"#;
    let _put = kiln.put("redis", "deployment-params.json", params).exits(0);
    let directory = kiln.scratch().join("redis");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("kiln.toml"), REDIS).unwrap();
    kiln.done(["ship", "redis", "prod", "--dir", &directory.to_string_lossy(), "-m", "a cache"]);
    let (first, answer) = ping(&kiln).unwrap();
    assert_eq!(answer, "+PONG\r\n");
    for pid in kiln.instance_pids().into_values().flatten() {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    }
    until("another one answers", SOON, || {
        ping(&kiln).is_some_and(|(id, answer)| id != first && answer == "+PONG\r\n")
    });
}

const REDIS: &str = r#"
app = "redis"

[image]
base = "debian-12"
packages = ["redis-server"]

[process.web]
command = ["/usr/bin/redis-server", "--port", "6379", "--protected-mode", "no", "--save", ""]
port = 6379
user = "redis"
"#;

/// The healthy instance of redis, and what it answers.
fn ping(kiln: &Kiln) -> Option<(String, String)> {
    let instances = kiln.list(["instances", "redis", "prod"]);
    let healthy = instances.iter().find(|instance| instance["state"] == "healthy")?;
    assert_eq!(healthy["last_check"], "connect to 6379 → accepted");
    // One that was killed just now swallows what is sent to its address.
    let address = healthy["address"].as_str()?.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(SOON)).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).ok()?;
    Some((healthy["id"].as_str()?.to_owned(), String::from_utf8_lossy(&answer).into_owned()))
}

/// hello-world as a package, built by its own script.
fn package(kiln: &Kiln) -> String {
    let script = repository().join("examples/hello-world/package/build.sh");
    let built = Command::new(script).arg(kiln.scratch()).output().unwrap();
    assert!(built.status.success(), "{built:?}");
    kiln.scratch().join("hello-world_1.0_all.deb").to_string_lossy().into_owned()
}

#[test]
fn a_package_without_a_recipe_serves_as_its_systemd_unit_says() {
    let kiln = kiln();
    let package = package(&kiln);
    kiln.done(["app", "create", "hello-world"]);
    let config = repository().join("examples/hello-world/config");
    put(&kiln, "hello-world", &config.join("application-properties.json"));
    let params = r#"{"min": 1, "healthCheck": {"path": "/healthy"}}"#;
    let _put = kiln.put("hello-world", "deployment-params.json", params).exits(0);
    let bake = ["bake", "hello-world", "1.0", "--package", &package, "--base", "debian-12"];
    let baked = kiln.json(bake.into_iter().chain(["--port", "8080"]));
    assert_eq!(baked["layers"][0]["step"], "install");
    kiln.done(["deploy", "hello-world", "prod", "hello-world:1.0", "-m", "from a package"]);
    assert_eq!(kiln.get("hello-world").text(), "Hello from production!\n");
    // Once more is the same image; another command is another.
    let again = kiln.json(bake.into_iter().chain(["--port", "8080"]));
    assert_eq!((&again["image"], &again["cached"]), (&baked["image"], &true.into()));
    let other = ["--command", "/usr/bin/gunicorn --version"];
    kiln.run(bake.into_iter().chain(other)).exits(5).says(&["a version is set once"]);
}

#[test]
fn a_recipe_installs_package_files_beside_its_own() {
    let kiln = kiln();
    package(&kiln);
    kiln.done(["app", "create", "hello"]);
    let recipe = |install: &str| {
        let text = format!(
            "app = \"hello\"\n[image]\nbase = \"debian-12\"\ninstall = [\"{install}\"]\n\
             run = [\"id hello\"]\n[process.web]\ncommand = [\"/usr/bin/gunicorn\"]\n"
        );
        std::fs::write(kiln.scratch().join("kiln.toml"), text).unwrap();
    };
    let directory = kiln.scratch().to_string_lossy().into_owned();
    recipe("hello-*_all.deb");
    let baked = kiln.json(["bake", "hello", "1", "--dir", &directory]);
    let steps: Vec<_> = baked["layers"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
    assert_eq!(steps, ["install", "run"]);

    recipe("dist/*.deb");
    let ran = kiln.run(["bake", "hello", "2", "--dir", &directory]).exits(4);
    ran.says(&["the recipe installs dist/*.deb, and there is no such file"]);
    std::fs::write(kiln.scratch().join("broken.deb"), "text\n").unwrap();
    recipe("broken.deb");
    let ran = kiln.run(["bake", "hello", "2", "--dir", &directory]).exits(4);
    ran.says(&["install broken.deb", "is not a Debian format archive"]);
    let broken = kiln.scratch().join("broken.deb").to_string_lossy().into_owned();
    kiln.run(["bake", "hello", "2", "--package", &broken]).exits(2).says(&["--base"]);
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
