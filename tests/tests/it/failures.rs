//! Services that do not work: the deployment ends undone, the version before serves on, and the
//! message has what is needed to mend it.

use kiln_tests::{Kiln, Project, Ran};

/// Ships a service that runs with `arguments` over one that works, and expects it undone.
fn fails(arguments: &[&str], params: &str) -> Ran {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works"]);
    let before = kiln.json(["status", "hello", "prod"]);
    let pids = kiln.instance_pids();
    let _put = kiln.put("hello", "deployment-params.json", params).exits(0);
    project.command(arguments);
    let ran = kiln.run(["ship", "hello", "prod", "--dir", project.dir(), "-m", "fails"]).exits(3);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    assert_eq!(kiln.instance_pids(), pids, "the version before is untouched\n{ran}");
    let after = kiln.json(["status", "hello", "prod"]);
    assert_eq!(after["release"], before["release"]);
    assert_eq!(after["deployment"]["state"], "undone");
    // The lock is free: the next one that works takes over.
    project.command(&["serve"]);
    project.says("hello 2\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works again"]);
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
    ran
}

const PATIENT: &str = r#"{"startupCheck": {"timeout": "2s"}}"#;

#[test]
fn a_service_that_exits_at_once_shows_its_last_words() {
    fails(&["exit"], PATIENT).says(&["no database at db.example", "code 1"]);
}

#[test]
fn a_service_that_never_listens_shows_the_last_check() {
    fails(&["deaf"], PATIENT).says(&["refused", "service deaf begins"]);
}

#[test]
fn a_service_that_answers_500_shows_the_answer() {
    fails(&["broken"], PATIENT).says(&["500", "listening on 8080"]);
}

#[test]
fn a_service_that_takes_too_much_memory_is_said_to_have() {
    let params = r#"{"memory": "32MiB", "startupCheck": {"timeout": "20s"}}"#;
    fails(&["hungry"], params).says(&["out of memory", "32MiB"]);
}

#[test]
fn launch_data_that_fails_is_the_instances_failure() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let launch = r#"["echo preparing", "echo no disk >&2; exit 3"]"#;
    let _put = kiln.put("hello", "launch-data.json", launch).exits(0);
    let ran = kiln.run(["ship", "hello", "prod", "--dir", project.dir(), "-m", "fails"]).exits(3);
    ran.says(&["no disk"]);
}

#[test]
fn a_command_that_is_not_in_the_image_is_named() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    project.recipe("[process.web]\ncommand = [\"/srv/nowhere\"]\nport = 8080\n");
    let ran = kiln.run(["ship", "hello", "prod", "--dir", project.dir(), "-m", "fails"]);
    assert!(matches!(ran.code, Some(3 | 4)), "{ran}");
    ran.says(&["/srv/nowhere"]);
}
