//! Configuration: checked before it is taken, and part of what is rolled back.

use kiln_tests::{Kiln, Project};

fn greeting(kiln: &Kiln) -> String {
    kiln_load::get(&kiln.target("hello"), "/greeting").unwrap().text()
}

fn put_greeting(kiln: &Kiln, greeting: &str) {
    let properties = format!("{{\"greeting\": \"{greeting}\"}}");
    let _put = kiln.put("hello", "application-properties.json", &properties).exits(0);
}

#[test]
fn a_misspelt_key_names_the_nearest_and_nothing_changes() {
    let kiln = Kiln::with_tiny();
    kiln.done(["app", "create", "hello"]);
    let before = kiln.list(["config", "log", "hello", "prod"]);
    let ran =
        kiln.put("hello", "deployment-params.json", "{\n  \"memmory\": \"64MiB\"\n}").exits(4);
    ran.says(&["memmory", "did you mean `memory`?", "line 2, column"]);
    assert_eq!(kiln.list(["config", "log", "hello", "prod"]), before);
}

#[test]
fn a_rollback_brings_the_configuration_back_with_the_image() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    put_greeting(&kiln, "good morning");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    assert_eq!(greeting(&kiln), "good morning");
    put_greeting(&kiln, "good evening");
    assert_eq!(greeting(&kiln), "good morning", "a change reaches instances when it is deployed");
    kiln.done(["redeploy", "hello", "prod", "-m", "evening"]);
    assert_eq!(greeting(&kiln), "good evening");
    kiln.done(["rollback", "hello", "prod", "-m", "morning again"]);
    assert_eq!(greeting(&kiln), "good morning");
}

#[test]
fn a_change_on_top_of_somebody_elses_is_refused_when_told_so() {
    let kiln = Kiln::with_tiny();
    kiln.done(["app", "create", "hello"]);
    let first = kiln.list(["config", "log", "hello", "prod"]);
    let commit = first[0]["commit"].as_str().unwrap().to_owned();
    put_greeting(&kiln, "hello");
    let mut command = kiln.command(["config", "put", "hello", "prod", "launch-data.json"]);
    command.args(["-m", "mine", "--expect", &commit]);
    let file = kiln.scratch().join("launch");
    std::fs::write(&file, "[]").unwrap();
    let output = command.stdin(std::fs::File::open(file).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
}

#[test]
fn a_plan_shows_what_would_be_done_and_does_nothing() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["bake", "hello", "1", "--dir", project.dir()]);
    let plan = kiln.json(["plan", "hello", "prod", "hello:1"]);
    assert!(plan["actions"].as_array().unwrap().len() > 3, "{plan}");
    assert_eq!(plan["groups"][0]["size"], 2);
    assert!(kiln.instance_pids().is_empty());
    assert!(kiln.list(["deployments"]).is_empty());
}
