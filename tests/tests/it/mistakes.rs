//! Mistakes in what people type and write: each is found before anything changes, and named.

use kiln_tests::{Kiln, Project};

#[test]
fn a_recipe_that_does_not_parse_is_shown_with_its_place() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    project.write("kiln.toml", "app = \"hello\"\n[image\n");
    let ran = kiln.run(["bake", "hello", "1", "--dir", project.dir()]).exits(4);
    ran.says(&["kiln.toml", "line 2, column"]);
}

#[test]
fn a_misspelt_key_of_a_recipe_names_the_nearest() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    project.recipe("[process.web]\ncomand = [\"/bin/service\", \"serve\"]\nport = 8080\n");
    let ran = kiln.run(["bake", "hello", "1", "--dir", project.dir()]).exits(4);
    ran.says(&["comand", "did you mean `command`?"]);
}

#[test]
fn a_base_that_is_missing_is_named_with_how_to_bake_it() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let ran = kiln.run(["bake", "hello", "1", "--dir", project.dir(), "--base", "debian-13"]);
    ran.exits(6).says(&["debian-13", "kiln base bake"]);
}

#[test]
fn a_file_that_the_recipe_copies_and_the_directory_lacks_is_named() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    std::fs::remove_dir_all(project.directory().join("files")).unwrap();
    let ran = kiln.run(["bake", "hello", "1", "--dir", project.dir()]);
    assert!(matches!(ran.code, Some(4 | 6)), "{ran}");
    ran.says(&["files"]);
}

#[test]
fn a_link_that_leaves_the_directory_is_refused() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    std::os::unix::fs::symlink("/etc/passwd", project.directory().join("files/secret")).unwrap();
    let ran = kiln.run(["bake", "hello", "1", "--dir", project.dir()]).exits(4);
    ran.says(&["files/secret"]);
}

#[test]
fn a_provisioning_command_that_fails_is_shown_with_what_it_said() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    project.write(
        "kiln.toml",
        "app = \"hello\"\n[image]\nbase = \"tiny\"\nrun = [\"echo so far; echo no further >&2; exit 7\"]\n\
         [process.web]\ncommand = [\"/bin/service\", \"serve\"]\n",
    );
    let ran = kiln.run(["bake", "hello", "1", "--dir", project.dir()]).exits(4);
    ran.says(&["no further", "7"]);
}

#[test]
fn what_does_not_exist_is_not_found() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.run(["deploy", "helo", "prod", "-m", "x"]).exits(6).says(&["helo"]);
    kiln.run(["deploy", "hello", "prd", "-m", "x"]).exits(6).says(&["prd"]);
    kiln.run(["deploy", "hello", "prod", "hello:9", "-m", "x"]).exits(6).says(&["hello:9"]);
    kiln.run(["rollback", "hello", "prod", "-m", "x"])
        .exits(4)
        .says(&["nothing was ever deployed"]);
    kiln.run(["deployment", "0123456789ab"]).exits(6).says(&["0123456789ab"]);
    kiln.done(["bake", "hello", "1", "--dir", project.dir()]);
    kiln.run(["image", "show", "hello:2"]).exits(6).says(&["hello:2"]);
    let group = "hello-prod-web-v009";
    let lines = kiln.run(["logs", "hello", "prod", "--group", group]).exits(6);
    lines.says(&[group, "kiln status hello prod"]);
}

#[test]
fn a_name_that_is_none_is_refused_with_the_rule() {
    let kiln = Kiln::start();
    for (command, name) in [("app", "Hello"), ("env", "prod-eu"), ("app", "-x"), ("app", "")] {
        let ran = kiln.run([command, "create", "--", name]);
        assert!(matches!(ran.code, Some(2 | 4)), "{ran}");
    }
    kiln.run(["app", "create", "Hello"]).says(&["lower-case"]);
}

#[test]
fn a_network_that_cannot_be_had_is_refused_before_anything_starts() {
    let kiln = Kiln::start();
    let up = |network: &str| kiln.run(["up", "--network", network]);
    up("10.0.0.0").exits(2).says(&["--network", "10.64.0.0/20"]);
    up("10.99.0.0/24").exits(4).says(&["too small"]);
    up("10.99.0.0/20").exits(5).says(&["keeps network", "kiln down"]);
}

#[test]
fn an_error_is_a_problem_document_for_programs() {
    let kiln = Kiln::start();
    let ran = kiln.run(["app", "show", "helo", "--json"]).exits(6);
    let problem: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(problem["code"], "app-not-found");
}

#[test]
fn a_second_application_cannot_claim_the_route_of_the_first() {
    let kiln = Kiln::with_tiny();
    let first = Project::serving(&kiln, "hello", "hello 1\n");
    let second = Project::serving(&kiln, "other", "other 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", first.dir(), "-m", "first"]);
    let params = r#"{"routes": [{"host": "hello.prod.localhost"}]}"#;
    let _put = kiln.put("other", "deployment-params.json", params).exits(0);
    let ran = kiln.run(["ship", "other", "prod", "--dir", second.dir(), "-m", "x"]).exits(4);
    ran.says(&["hello.prod.localhost", "hello"]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    // The longer prefix of the same host is free, and wins.
    let params = r#"{"routes": [{"host": "hello.prod.localhost", "path": "/other"}],
                     "healthCheck": {"path": "/"}}"#;
    let _put = kiln.put("other", "deployment-params.json", params).exits(0);
    kiln.done(["ship", "other", "prod", "--dir", second.dir(), "-m", "x"]);
    let answer = kiln_load::get(&kiln.target("hello"), "/other").unwrap();
    assert_eq!(answer.text(), "other 1\n");
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}
