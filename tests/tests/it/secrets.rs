//! Secrets, from the command line to the file that a service reads, and nowhere else.

use kiln_tests::{Canary, Kiln, Part, Project, until};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

pub(crate) fn digest(value: &[u8]) -> String {
    Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the instances say their secret is, asked so often that each of a few is.
fn told(kiln: &Kiln) -> BTreeSet<String> {
    let target = kiln.target("hello");
    (0..20).map(|_| kiln_load::get(&target, "/secret").unwrap().text()).collect()
}

fn all_have(kiln: &Kiln, value: &[u8]) {
    assert_eq!(told(kiln), BTreeSet::from([digest(value)]));
}

/// Sets the secret; its new version.
fn set(kiln: &Kiln, value: &[u8]) -> u64 {
    kiln.set_token("hello", value).exits(0).json()["version"].as_u64().unwrap()
}

/// A service with the secret, deployed.
fn serving(value: &[u8]) -> (Kiln, Project) {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    set(&kiln, value);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    (kiln, project)
}

/// What differs about secrets, as `name: old -> new`.
fn differences(of: &Value) -> Vec<String> {
    let all = of["differences"].as_array().unwrap().iter();
    let secrets = all.filter(|difference| difference["kind"] == "secrets");
    secrets.map(|d| format!("{}: {} -> {}", d["name"], d["old"], d["new"])).collect()
}

#[test]
fn a_rotated_secret_comes_with_the_next_deployment_and_a_rollback_returns_the_old_one() {
    let (kiln, _project) = serving(b"one\n\0\xff");
    all_have(&kiln, b"one\n\0\xff");
    assert_eq!(set(&kiln, b"two"), 2);
    let again = kiln.set_token("hello", b"two").exits(0).json();
    assert_eq!((&again["version"], &again["unchanged"]), (&2.into(), &true.into()));
    all_have(&kiln, b"one\n\0\xff");
    let listed = kiln.list(["secret", "list", "hello", "prod"]).remove(0);
    let expected = [&Value::from("token"), &2.into(), &"ada".into()];
    assert_eq!([&listed["name"], &listed["version"], &listed["by"]], expected);
    let rotated = [r#""token": "1" -> "2""#];
    assert_eq!(differences(&kiln.json(["plan", "hello", "prod"])), rotated);
    kiln.done(["redeploy", "hello", "prod", "-m", "rotate"]);
    all_have(&kiln, b"two");
    let id = kiln.list(["deployments", "hello", "prod"])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(differences(&kiln.json(["deployment", &id])), rotated);
    kiln.done(["rollback", "hello", "prod", "-m", "the old one was better"]);
    all_have(&kiln, b"one\n\0\xff");
}

#[test]
fn a_canary_is_found_nowhere_but_where_its_instances_read_it() {
    let canaries = [Canary::hatch(), Canary::hatch()];
    let (kiln, project) = serving(canaries[0].value());
    let (install, mut said) = (kiln.install(), String::new());
    let mut note = |line: &[&str]| {
        let ran = kiln.done(line);
        said.push_str(&format!("{}{}", ran.stdout, ran.stderr));
    };
    set(&kiln, canaries[1].value());
    note(&["redeploy", "hello", "prod", "-m", "rotate"]);
    all_have(&kiln, canaries[1].value());
    note(&["rollback", "hello", "prod", "-m", "back"]);
    project.says("hello 2\n");
    note(&["ship", "hello", "prod", "--dir", project.dir(), "-m", "and on", "--json"]);
    kiln_load::get(&kiln.target("hello"), "/crash").ok();
    until("two instances run", SOON, || kiln.instance_pids().len() >= 2);
    let id = kiln.list(["deployments"])[0]["id"].as_str().unwrap().to_owned();
    for line in [
        &["secret", "list", "hello", "prod"][..],
        &["plan", "hello", "prod"],
        &["status", "hello", "prod"],
        &["instances", "hello", "prod"],
        &["deployments"],
        &["deployment", &id],
        &["logs", "hello", "prod"],
        &["config", "show", "hello", "prod"],
        &["app", "show", "hello"],
        &["image", "list"],
    ] {
        note(line);
        note(&[line, &["--json"]].concat());
    }
    kiln.set_token("nobody", canaries[0].value()).exits(6).says(&["nobody"]);
    said.push_str(&kiln.logs());
    let processes = kiln.processes();
    assert!(processes.len() > 4, "{processes:?}");
    for canary in &canaries {
        assert!(!canary.is_in(said.as_bytes()), "{said}");
        assert_eq!(canary.processes(&processes), [0; 0]);
        assert_eq!(canary.files_below(kiln.data()), [""; 0].map(std::path::PathBuf::from));
        let run = std::path::Path::new("/run/kiln").join(&install);
        assert_eq!(canary.files_below(&run), [""; 0].map(std::path::PathBuf::from));
    }
    // The same search finds what is there.
    let pid = kiln.instance_pids().into_values().flatten().next().unwrap();
    let inside = format!("/proc/{pid}/root/run/kiln/secrets");
    let found = canaries.each_ref().map(|it| it.files_below(inside.as_ref()).len());
    assert_eq!(found.iter().sum::<usize>(), 1);
}

#[test]
fn an_instance_that_dies_finds_its_secret_again_after_a_server_and_a_machine_did() {
    let (kiln, _project) = serving(b"one");
    // What a release has does not change under it.
    set(&kiln, b"two");
    let crash = || {
        let before = kiln.instance_pids();
        kiln_load::get(&kiln.target("hello"), "/crash").ok();
        until("another instance runs", SOON, || {
            let now = kiln.instance_pids();
            now.len() == 2 && now != before
        });
        until("both answer", SOON, || {
            let answer = kiln_load::get(&kiln.target("hello"), "/secret");
            answer.is_ok_and(|answer| answer.text() == digest(b"one"))
        });
    };
    crash();
    kiln.kill_control_plane();
    kiln.up().unwrap();
    crash();
    kiln.reboot();
    until("both are back", SOON, || {
        kiln.instance_pids().len() == 2
            && kiln_load::get(&kiln.target("hello"), "/secret").is_ok_and(|it| it.status == 200)
    });
    all_have(&kiln, b"one");
}

#[test]
fn a_removed_secret_stays_with_what_runs_and_a_rollback_to_it_is_invalid_in_the_end() {
    let (kiln, project) = serving(b"one");
    let removed = kiln.json(["secret", "remove", "hello", "prod", "token"]);
    assert_eq!(removed["holders"], serde_json::json!(["hello-prod-web-v001"]));
    kiln.run(["secret", "remove", "hello", "prod", "token"]).exits(6).says(&["token"]);
    assert!(kiln.list(["secret", "list", "hello", "prod"]).is_empty());
    all_have(&kiln, b"one");
    kiln.put("hello", "deployment-params.json", r#"{"keepWarm": "0s"}"#).exits(0).says(&[]);
    project.says("hello 2\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "without"]);
    assert!(told(&kiln).iter().all(|told| told.starts_with("none")), "{:?}", told(&kiln));
    until("the old group is gone", SOON, || kiln.instance_pids().len() == 2);
    until("a rollback is refused", SOON, || {
        let ran = kiln.run(["plan", "hello", "prod", "--release", &first_release(&kiln)]);
        ran.code == Some(4) && ran.stderr.contains("token@1")
    });
    let ran = kiln.run(["rollback", "hello", "prod", "-m", "back"]).exits(4);
    ran.says(&["not kept any more: token@1", "kiln deploy hello prod"]);
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
    // The number is not given out again.
    assert_eq!(set(&kiln, b"one"), 2);
}

fn first_release(kiln: &Kiln) -> String {
    let all = kiln.list(["deployments", "hello", "prod"]);
    all.last().unwrap()["release"].as_str().unwrap().to_owned()
}

#[test]
fn a_missing_wrong_or_loose_key_keeps_the_server_from_starting_and_says_what_to_do() {
    let (kiln, _project) = serving(b"one");
    let _down = kiln.down().exits(0);
    let path = kiln.data().join("secrets.key");
    let key = std::fs::read(&path).unwrap();
    let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
    let refused = |words: &str| {
        let ran = kiln.run(["up", "--api", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        assert_ne!(ran.code, Some(0), "{ran}");
        ran.says(&[words, "secrets.key"]);
        let _down = kiln.down().exits(0);
    };
    mode(0o644);
    refused("chmod 400");
    std::fs::remove_file(&path).unwrap();
    refused("put it back");
    std::fs::write(&path, [7; 32]).unwrap();
    mode(0o400);
    refused("not the one that they were sealed with");
    std::fs::remove_file(&path).unwrap();
    // As a service manager passes it.
    let passed = kiln.scratch().join("kiln-secrets-key");
    std::fs::write(&passed, key).unwrap();
    std::fs::set_permissions(&passed, PermissionsExt::from_mode(0o400)).unwrap();
    let mut up = kiln.command(["up", "--api", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json"]);
    up.env("CREDENTIALS_DIRECTORY", kiln.scratch()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut up = up.spawn().unwrap();
    until("the server answers", SOON, || kiln.run(["status"]).code == Some(0));
    let version = kiln.set_token("hello", b"one").exits(0).json();
    assert_eq!((&version["version"], &version["unchanged"]), (&1.into(), &true.into()));
    let _down = kiln.down().exits(0);
    // It has nothing left to watch.
    up.kill().unwrap();
    up.wait().unwrap();
    assert!(!path.exists(), "no second key was made");
}

#[test]
fn a_set_that_was_acknowledged_outlives_a_killed_server() {
    let kiln = Kiln::with_tiny();
    kiln.done(["app", "create", "hello"]);
    set(&kiln, b"0");
    for n in 1..=6 {
        let value = format!("value {n}");
        let old = kiln.pid(Part::Server).unwrap();
        let acknowledged = std::thread::scope(|scope| {
            let setting = scope.spawn(|| kiln.set_token("hello", value.as_bytes()).code == Some(0));
            std::thread::park_timeout(Duration::from_millis(3 * n));
            kiln.kill(Part::Server);
            setting.join().unwrap()
        });
        let _new = kiln.successor(Part::Server, old);
        until("the server answers", SOON, || kiln.run(["status"]).code == Some(0));
        let again = kiln.set_token("hello", value.as_bytes()).exits(0).json();
        assert!(!acknowledged || again["unchanged"] == true, "{n}: {again}");
        let listed = kiln.list(["secret", "list", "hello", "prod"]);
        assert_eq!((listed.len(), &listed[0]["version"]), (1, &again["version"]));
    }
}

#[test]
fn what_is_no_value_is_refused_and_arguments_take_none() {
    let kiln = Kiln::with_tiny();
    kiln.done(["app", "create", "hello"]);
    kiln.set_token("hello", b"").exits(4).says(&["the value is empty"]);
    let file = kiln.scratch().join("large");
    std::fs::write(&file, vec![b'x'; (64 << 10) + 1]).unwrap();
    let from = |path: &str| kiln.run(["secret", "set", "hello", "prod", "token", "--file", path]);
    from("large").exits(4).says(&["longer than 64 KiB"]);
    from("missing").exits(6).says(&["missing"]);
    kiln.run(["secret", "set", "hello", "prod", "token", "hunter2"]).exits(2).says(&["Usage"]);
    kiln.run(["secret", "set", "hello", "prod", "../token"]).exits(2).says(&["a secret's name"]);
    kiln.run(["secret", "list", "hello", "nowhere"]).exits(6).says(&["nowhere"]);
    assert!(kiln.list(["secret", "list", "hello", "prod"]).is_empty());
    std::fs::write(&file, vec![b'x'; 64 << 10]).unwrap();
    from("large").exits(0).says(&["version 1"]);
}

#[test]
fn a_terminal_is_asked_and_does_not_show_the_answer() {
    let kiln = Kiln::with_tiny();
    kiln.done(["app", "create", "hello"]);
    let typed = kiln.command(["secret", "set", "hello", "prod", "token"]);
    let words: Vec<_> = std::iter::once(typed.get_program()).chain(typed.get_args()).collect();
    let line = words.join(std::ffi::OsStr::new(" "));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command"]).arg(line).arg("/dev/null");
    script.env_remove("KILN_URL").env("KILN_DATA", kiln.data());
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("Value of token of hello in prod: ") {
        let mut piece = [0; 64];
        let count = output.read(&mut piece).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&piece[..count]);
    }
    input.write_all(b"hunter2\n").unwrap();
    output.read_to_end(&mut said).unwrap();
    assert!(script.wait().unwrap().success());
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("version 1") && !said.contains("hunter2"), "{said}");
    let again = kiln.set_token("hello", b"hunter2").exits(0).json();
    assert_eq!(again["unchanged"], true, "the line without its end");
}
