//! A service's life: baked, deployed, shipped anew, rolled back, resized, replaced, stopped, deleted.

use kiln_tests::{Kiln, Project, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// What instances answer, asked so often that each of a few is.
fn answers(kiln: &Kiln, path: &str) -> BTreeSet<String> {
    let target = kiln.target("hello");
    (0..40).map(|_| kiln_load::get(&target, path).unwrap().text()).collect()
}

fn instances(kiln: &Kiln, state: &str) -> Vec<Value> {
    let mut all = kiln.list(["instances", "hello", "prod"]);
    all.retain(|instance| instance["state"] == state);
    all
}

fn groups(kiln: &Kiln, state: &str) -> Vec<Value> {
    let status = kiln.json(["status", "hello", "prod"]);
    let mut groups = status["groups"].as_array().unwrap().clone();
    groups.retain(|group| group["state"] == state);
    groups
}

#[test]
fn a_service_is_baked_and_deployed_and_curl_answers() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let baked = kiln.json(["bake", "hello", "1", "--dir", project.dir()]);
    assert_eq!((&baked["app"], &baked["version"]), (&"hello".into(), &"1".into()));
    assert_eq!(baked["cached"], false);
    kiln.done(["deploy", "hello", "prod", "hello:1", "-m", "first light"]);
    let url = format!("http://{}/", kiln.http());
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "-H", "Host: hello.prod.localhost", &url])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "hello 1\n", "{curl:?}");
    assert_eq!(answers(&kiln, "/whoami").len(), 2, "both instances answer");
}

#[test]
fn a_ship_changes_what_both_instances_answer_and_a_rollback_changes_it_back() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    assert_eq!(answers(&kiln, "/"), BTreeSet::from(["hello 1\n".to_owned()]));
    project.says("hello 2\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "a new greeting"]);
    assert_eq!(answers(&kiln, "/"), BTreeSet::from(["hello 2\n".to_owned()]));
    let warm = groups(&kiln, "warm");
    let before = kiln.instance_pids();
    kiln.done(["rollback", "hello", "prod", "-m", "the greeting offends"]);
    assert_eq!(answers(&kiln, "/"), BTreeSet::from(["hello 1\n".to_owned()]));
    assert_eq!(kiln.instance_pids(), before, "a warm rollback starts nothing and stops nothing");
    assert_eq!(groups(&kiln, "active")[0]["name"], warm[0]["name"]);
}

#[test]
fn a_second_rollback_goes_one_further_back_and_never_forward() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "");
    for n in 1..=3 {
        project.says(&format!("hello {n}\n"));
        kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
    }
    for n in [2, 1] {
        kiln.done(["rollback", "hello", "prod", "-m", "back"]);
        assert_eq!(kiln.get("hello").text(), format!("hello {n}\n"));
    }
    let nothing = kiln.run(["rollback", "hello", "prod", "-m", "back"]).exits(4);
    nothing.says(&["no earlier release"]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}

#[test]
fn the_same_content_again_is_the_same_image() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let first = kiln.json(["bake", "hello", "1", "--dir", project.dir()]);
    let again = kiln.json(["bake", "hello", "1", "--dir", project.dir()]);
    assert_eq!((&again["image"], &again["cached"]), (&first["image"], &true.into()));
    project.says("hello 2\n");
    let taken = kiln.run(["bake", "hello", "1", "--dir", project.dir()]).exits(5);
    taken.says(&["hello:1"]);
}

#[test]
fn a_worker_runs_without_a_route() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    project.recipe(
        "[process.web]\ncommand = [\"/bin/service\", \"serve\"]\nport = 8080\n\n\
         [process.worker]\ncommand = [\"/bin/service\", \"work\"]\n",
    );
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "with a worker"]);
    let groups = groups(&kiln, "active");
    let worker = groups.iter().find(|group| group["process"] == "worker").unwrap();
    assert_eq!((&worker["weight"], &worker["routes"]), (&Value::Null, &Value::Array(Vec::new())));
    until("the worker's log has its work", SOON, || {
        kiln.done(["logs", "hello", "prod"]).stdout.contains("worked 1 times")
    });
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "again"]);
    let running = instances(&kiln, "healthy");
    let workers = running.iter().filter(|instance| instance["process"] == "worker").count();
    assert_eq!(workers, 2, "the old workers have stopped: {running:?}");
}

#[test]
fn a_resize_changes_how_many_serve() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.put("hello", "deployment-params.json", r#"{"min": 1, "desiredCapacity": 2, "max": 4}"#)
        .exits(0)
        .says(&[]);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "two"]);
    for size in ["4", "1"] {
        kiln.done(["resize", "hello", "prod", "web", size]);
        until("as many answer as were asked for", SOON, || {
            answers(&kiln, "/whoami").len().to_string() == size
        });
    }
}

#[test]
fn a_replaced_instance_goes_only_when_another_is_there() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let before = answers(&kiln, "/whoami");
    let old = before.first().unwrap().clone();
    kiln.done(["replace", &old]);
    until("another instance answers instead", SOON, || {
        let now = answers(&kiln, "/whoami");
        now.len() == 2 && !now.contains(&old)
    });
}

#[test]
fn an_instance_that_dies_is_replaced() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let before = answers(&kiln, "/whoami");
    kiln_load::get(&kiln.target("hello"), "/crash").ok();
    until("two answer, one of them new", SOON, || {
        let now = answers(&kiln, "/whoami");
        now.len() == 2 && now != before
    });
}

#[test]
fn what_is_deployed_must_be_stopped_before_it_is_deleted() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    kiln.run(["app", "delete", "hello"]).exits(5).says(&["stop"]);
    kiln.run(["env", "delete", "prod"]).exits(5).says(&["hello"]);
    kiln.done(["stop", "hello", "prod", "-m", "retired"]);
    assert!(kiln_load::get(&kiln.target("hello"), "/").unwrap().status.as_u16() == 404);
    until("no instance runs", SOON, || kiln.instance_pids().is_empty());
    kiln.done(["app", "delete", "hello"]);
    kiln.done(["env", "delete", "prod"]);
}
