//! Nobody notices: every kind of client asks without pause, and no answer is wrong.

use kiln_load::{Allowed, Answer, Kind, Load, Offer, Running, Target};
use kiln_tests::{Kiln, Project, note, until};
use std::time::Duration;

/// Requests between two changes: enough for every client to have some.
const BETWEEN: u64 = 40;

/// A load on `hello` that checks which version answers, and that a large body is of one version.
pub(crate) fn load(kiln: &Kiln, allowed: &Allowed) -> Running {
    load_on(kiln.target("hello"), allowed)
}

/// The same wherever `hello` is reached.
pub(crate) fn load_on(hello: Target, allowed: &Allowed) -> Running {
    Load::new(hello).rate(40).check(check(allowed)).start()
}

/// Says what is wrong with an answer: it is not of one version, or of none that may answer.
fn check(allowed: &Allowed) -> impl Fn(&Answer) -> Result<(), String> + Send + Sync + use<> {
    let allowed = allowed.clone();
    move |answer: &Answer| {
        let version = answer.header("x-version").unwrap_or("none").to_owned();
        allowed.check(&version, answer.begun, answer.ended)?;
        let text = answer.text();
        let of_one = matches!(answer.kind, Kind::Poster | Kind::Upload)
            || text.lines().all(|line| line == version) && !text.is_empty();
        of_one.then_some(()).ok_or_else(|| format!("{version} said {}", answer.excerpt()))
    }
}

/// Waits until so many more requests have ended.
pub(crate) fn let_pass(running: &Running, requests: u64) {
    let from = running.ended();
    until("requests end", Duration::from_secs(60), || running.ended() >= from + requests);
}

#[test]
fn no_request_fails_through_five_ships_and_five_rollbacks() {
    nobody_notices(&Kiln::with_tiny(), 5);
}

/// Ships to `prod`, whatever runs that, and goes back again, while every client asks.
pub(crate) fn nobody_notices(kiln: &Kiln, changes: u32) {
    let project = Project::serving(kiln, "hello", "hello 0\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let allowed = Allowed::only_now("hello 0");
    let running = load(kiln, &allowed);
    ship_and_roll_back(kiln, &project, &running, &allowed, changes);
    let report = running.stop();
    note(&report.to_string());
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

#[test]
fn every_request_at_a_fixed_rate_is_answered_through_ships_and_rollbacks() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 0\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let allowed = Allowed::only_now("hello 0");
    // Its uploads and slow requests outlast a switch; many are under way at every one.
    let running = Offer::new(kiln.target("hello"), 200).check(check(&allowed)).start();
    ship_and_roll_back(&kiln, &project, &running, &allowed, 4);
    let report = running.stop();
    note(&report.to_string());
    assert!(Kind::ALL.iter().all(|kind| report.tallies.contains_key(kind)), "{report}");
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

/// So many versions after `hello 0`, and back again, one by one.
pub(crate) fn ship_and_roll_back(
    kiln: &Kiln,
    project: &Project,
    running: &Running,
    allowed: &Allowed,
    changes: u32,
) {
    let_pass(running, BETWEEN);
    for n in 1..=changes {
        let version = format!("hello {n}");
        project.says(&format!("{version}\n"));
        allowed.also(&version);
        let ship = kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
        allowed.only(&version);
        note(&format!("ship {n}: {:?}", ship.took));
        let_pass(running, BETWEEN);
    }
    for n in (0..changes).rev() {
        let version = format!("hello {n}");
        allowed.also(&version);
        let rollback = kiln.done(["rollback", "hello", "prod", "-m", "back"]);
        allowed.only(&version);
        note(&format!("rollback to {n}: {:?}", rollback.took));
        let_pass(running, BETWEEN);
    }
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
