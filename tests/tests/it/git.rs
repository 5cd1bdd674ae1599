//! Configuration by clone and push, with the real git, as `kiln config url` says.

use kiln_tests::{Kiln, Project, Ran, USER};
use std::path::{Path, PathBuf};
use std::process::Command;

const PARAMS: &str = "deployment-params.json";
const PROPERTIES: &str = "application-properties.json";

/// Runs a line of shell as a person with no settings of their own would.
fn shell(directory: &Path, line: &str) -> Ran {
    let mut command = Command::new("sh");
    let settings = [("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")];
    let who = [("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.org")];
    let committer = [("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.org")];
    command.args(["-c", line]).current_dir(directory).env("USER", USER);
    command.envs(settings).envs(who).envs(committer).envs([("GIT_TERMINAL_PROMPT", "0")]);
    Ran::of(command)
}

/// Clones by typing what `config url` advises.
fn clone(kiln: &Kiln, app: &str, into: &str) -> PathBuf {
    let ran = kiln.done(["config", "url", app, "prod"]);
    let advice = ran.stderr.lines().find(|line| line.starts_with("git clone ")).unwrap();
    assert!(!ran.stderr.contains(&token(kiln)), "the token is not printed");
    let _cloned = shell(kiln.scratch(), &format!("{advice} {into}")).exits(0);
    kiln.scratch().join(into)
}

fn token(kiln: &Kiln) -> String {
    std::fs::read_to_string(kiln.data().join("admin.token")).unwrap().trim().to_owned()
}

fn commit(clone: &Path, file: &str, content: &str) -> String {
    std::fs::write(clone.join(file), content).unwrap();
    let line = format!("git add {file} && git commit -q -m 'change {file}' && git rev-parse HEAD");
    shell(clone, &line).exits(0).stdout.trim().to_owned()
}

fn newest(kiln: &Kiln) -> String {
    let log = kiln.list(["config", "log", "hello", "prod", "--limit", "1"]);
    log[0]["commit"].as_str().unwrap().to_owned()
}

#[test]
fn a_pushed_commit_is_what_the_next_deployment_runs() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let clone = clone(&kiln, "hello", "clone");
    let pushed = commit(&clone, PROPERTIES, "{\"greeting\": \"pushed\"}\n");
    let _pushed = shell(&clone, "git push -q").exits(0);
    assert_eq!(newest(&kiln), pushed);
    let diff = kiln.json(["config", "diff", "hello", "prod"]);
    assert_eq!(diff["to"], pushed.as_str());
    let change = &diff["changes"][0];
    assert_eq!(
        (change["key"].as_str(), change["new"].as_str()),
        (Some("greeting"), Some("pushed"))
    );
    kiln.done(["config", "diff", "hello", "prod", "HEAD~1", "HEAD"])
        .says(&[PROPERTIES, "greeting: \"pushed\" (new)"]);
    kiln.done(["redeploy", "hello", "prod", "-m", "pushed"]);
    let greeting = kiln_load::get(&kiln.target("hello"), "/greeting").unwrap().text();
    assert_eq!(greeting, "pushed");
    assert_eq!(kiln.list(["status", "hello"])[0]["config"], pushed.as_str());
}

#[test]
fn a_push_with_a_mistake_is_refused_with_its_line_and_changes_nothing() {
    let kiln = Kiln::with_tiny();
    kiln.done(["app", "create", "hello"]);
    let clone = clone(&kiln, "hello", "clone");
    let before = newest(&kiln);
    commit(&clone, PARAMS, "{\n  \"memmory\": \"64MiB\"\n}\n");
    let refused = shell(&clone, "git push");
    refused.says(&[
        "remote: deployment-params.json: line 2, column 3: unknown key `memmory`",
        "did you mean `memory`?",
        "remote: Nothing has changed.",
        "pre-receive hook declined",
    ]);
    assert_ne!(refused.code, Some(0), "{refused}");
    assert_eq!(newest(&kiln), before);
    let objects = kiln.data().join("config/hello-prod.git/objects");
    let left = std::fs::read_dir(objects).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with("tmp_")));
    // The newest commit counts: a mistake that is mended before the push harms nobody.
    let mended = commit(&clone, PARAMS, "{\n  \"memory\": \"64MiB\"\n}\n");
    let _pushed = shell(&clone, "git push -q").exits(0);
    assert_eq!(newest(&kiln), mended);
}

#[test]
fn nothing_but_the_main_branch_can_be_pushed_and_it_only_grows() {
    let kiln = Kiln::with_tiny();
    kiln.done(["app", "create", "hello"]);
    let clone = clone(&kiln, "hello", "clone");
    let before = newest(&kiln);
    commit(&clone, PARAMS, "{\"min\": 3}\n");
    for other in ["main:other", "HEAD:refs/tags/v1", "HEAD:refs/heads/main/x", "HEAD:refs/x/y"] {
        let ran = shell(&clone, &format!("git push origin {other}"));
        assert_ne!(ran.code, Some(0), "{ran}");
        ran.says(&["only refs/heads/main can be pushed here, not refs/"]);
    }
    // One reference that is refused refuses the others of the same push.
    let ran = shell(&clone, "git push origin main main:other");
    assert_ne!(ran.code, Some(0), "{ran}");
    let ran = shell(&clone, "git push origin :main");
    assert_ne!(ran.code, Some(0), "{ran}");
    let orphan = "git checkout -q --orphan fresh && git commit -q -m fresh && \
                  git push --force origin fresh:main";
    let ran = shell(&clone, orphan);
    assert_ne!(ran.code, Some(0), "{ran}");
    ran.says(&["non-fast-forward"]);
    assert_eq!(newest(&kiln), before);
    let refs = kiln.data().join("config/hello-prod.git");
    let refs = shell(&refs, "git for-each-ref --format='%(refname)'").exits(0);
    assert_eq!(refs.stdout, "refs/heads/main\n");
}

#[test]
fn the_url_of_what_is_missing_is_not_found_and_the_token_is_needed() {
    let kiln = Kiln::with_tiny();
    kiln.run(["config", "url", "hello", "prod"]).exits(6).says(&["hello"]);
    kiln.done(["app", "create", "hello"]);
    let url = kiln.json(["config", "url", "hello", "prod"]);
    let url = url["url"].as_str().unwrap();
    assert_eq!(url, format!("http://{}/git/hello-prod.git", kiln.api()));
    let ran = shell(kiln.scratch(), &format!("git clone {url} x"));
    assert_ne!(ran.code, Some(0), "{ran}");
    let wrong = url.replacen("http://", "http://ada:wrong@", 1);
    let ran = shell(kiln.scratch(), &format!("git clone {wrong} x"));
    ran.says(&["Authentication failed"]);
    let listed = kiln.list(["config", "list"]);
    assert_eq!((listed.len(), listed[0]["app"].as_str()), (1, Some("hello")));
}
