//! Nobody notices: every kind of client asks without pause, and no answer is wrong.

use kiln_load::{Allowed, Answer, Load, Running};
use kiln_tests::{Kiln, Project, note, until};
use std::time::Duration;

/// Requests between two changes: enough for every client to have some.
const BETWEEN: u64 = 40;

/// A load on `hello` that checks which version answers, and that a large body is of one version.
pub(crate) fn load(kiln: &Kiln, allowed: &Allowed) -> Running {
    let allowed = allowed.clone();
    let check = move |answer: &Answer| {
        let version = answer.header("x-version").unwrap_or("none").to_owned();
        allowed.check(&version, answer.begun, answer.ended)?;
        let text = answer.text();
        let of_one = answer.kind == kiln_load::Kind::Poster
            || text.lines().all(|line| line == version) && !text.is_empty();
        of_one.then_some(()).ok_or_else(|| format!("{version} said {}", answer.excerpt()))
    };
    Load::new(kiln.target("hello")).rate(40).check(check).start()
}

/// Waits until so many more requests have ended.
pub(crate) fn let_pass(running: &Running, requests: u64) {
    let from = running.ended();
    until("requests end", Duration::from_secs(60), || running.ended() >= from + requests);
}

#[test]
fn no_request_fails_through_five_ships_and_five_rollbacks() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 0\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let allowed = Allowed::only_now("hello 0");
    let running = load(&kiln, &allowed);
    let_pass(&running, BETWEEN);
    for n in 1..=5 {
        let version = format!("hello {n}");
        project.says(&format!("{version}\n"));
        allowed.also(&version);
        let ship = kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
        allowed.only(&version);
        note(&format!("ship {n}: {:?}", ship.took));
        let_pass(&running, BETWEEN);
    }
    for n in (0..5).rev() {
        let version = format!("hello {n}");
        allowed.also(&version);
        let rollback = kiln.done(["rollback", "hello", "prod", "-m", "back"]);
        allowed.only(&version);
        note(&format!("rollback to {n}: {:?}", rollback.took));
        let_pass(&running, BETWEEN);
    }
    let report = running.stop();
    note(&report.to_string());
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

#[test]
fn no_request_fails_while_instances_are_replaced_and_resized() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 0\n");
    let params = r#"{"min": 1, "desiredCapacity": 3, "max": 4}"#;
    let _put = kiln.put("hello", "deployment-params.json", params).exits(0);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let running = load(&kiln, &Allowed::only_now("hello 0"));
    let_pass(&running, BETWEEN);
    for instance in kiln.list(["instances", "hello", "prod"]) {
        kiln.done(["replace", instance["id"].as_str().unwrap()]);
    }
    for size in ["1", "4", "2"] {
        kiln.done(["resize", "hello", "prod", size]);
    }
    let_pass(&running, BETWEEN);
    let report = running.stop();
    note(&report.to_string());
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}
