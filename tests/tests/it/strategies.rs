//! How a new release takes over, as the configuration chooses it, with real instances and a real
//! router, and nobody noticing.

use crate::traffic::{let_pass, load};
use kiln_load::Allowed;
use kiln_tests::{Kiln, Project, note, until};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// `hello 1` serves; `hello 2` is baked, and takes over by the strategy when it is deployed.
fn two_versions(strategy: &str) -> Kiln {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works"]);
    let _put = kiln.put("hello", "deployment-params.json", strategy).exits(0);
    project.says("hello 2\n");
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    kiln
}

/// How many of a hundred requests the second version answers.
fn share_of_the_second(kiln: &Kiln) -> usize {
    (0..100).filter(|_| kiln.get("hello").text() == "hello 2\n").count()
}

#[test]
fn a_canary_answers_its_share_until_it_takes_all_of_it() {
    let kiln = two_versions(
        r#"{"pauseBeforeOldRemoved": true, "strategy": {"type": "canary", "steps": [
            {"weight": 20, "duration": "1h"}]}}"#,
    );
    let allowed = Allowed::only_now("hello 1");
    let running = load(&kiln, &allowed);
    let_pass(&running, 40);
    allowed.also("hello 2");
    let deploy = ["deploy", "hello", "prod", "hello:2", "-m", "carefully", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    until("the canary has its share", SOON, || share_of_the_second(&kiln) > 0);
    let share = share_of_the_second(&kiln);
    // 20 of 100 with a deviation of 4: five of those to either side.
    assert!((1..=40).contains(&share), "{share} of 100 at a weight of 20");
    kiln.run(["status", "hello", "prod"]).says(&["20%", "80%"]);
    let undo = kiln.run(["undo", "hello", "prod", "-m", "it coughs"]);
    assert!(matches!(undo.code, Some(0 | 3)), "{undo}");
    kiln.run(["watch", &id]).exits(3).says(&["undone"]);
    assert_eq!(share_of_the_second(&kiln), 0);
    let report = running.stop();
    note(&report.to_string());
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

#[test]
fn a_canary_that_fails_more_is_taken_back_by_what_the_router_counted() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let params = r#"{"healthCheck": {"path": "/greeting"},
        "strategy": {"type": "canary", "steps": [{"weight": 50, "duration": "1s"}]},
        "analysis": {"minRequests": 50, "notEnoughData": "wait"}}"#;
    let _put = kiln.put("hello", "deployment-params.json", params).exits(0);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works"]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Somebody asks all the time; every third answer of the new version is an error.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                kiln_load::get(&kiln.target("hello"), "/").ok();
            }
        });
        project.command(&["flaky"]);
        project.says("hello 2\n");
        let shipped = kiln.run(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
        over.store(true, Ordering::Relaxed);
        assert_eq!(shipped.code, Some(3), "{shipped}");
        assert!(shipped.stderr.contains("hello-prod-web-v002 is worse of "), "{shipped}");
        assert!(shipped.stderr.contains("(old 0.00 %, 1.00 % more allowed)"), "{shipped}");
    });
    assert_eq!(share_of_the_second(&kiln), 0);
}

#[test]
fn a_rolling_deployment_never_has_more_than_one_instance_beyond_the_size() {
    let kiln = two_versions(r#"{"desiredCapacity": 2, "strategy": {"type": "rolling"}}"#);
    let allowed = Allowed::only_now("hello 1");
    let running = load(&kiln, &allowed);
    let_pass(&running, 40);
    allowed.also("hello 2");
    let deploy = ["deploy", "hello", "prod", "hello:2", "-m", "by and by", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    let most = AtomicU64::new(0);
    until("it is done", SOON, || {
        let drained = |group: &serde_json::Value| group["state"] != "draining";
        let status = kiln.json(["status", "hello", "prod"]);
        let groups = status["groups"].as_array().unwrap().iter().filter(|g| drained(g));
        let asked_for = groups.map(|group| group["size"].as_u64().unwrap()).sum();
        most.fetch_max(asked_for, Ordering::Relaxed);
        kiln.json(["deployment", &id])["state"] == "completed"
    });
    let most = most.into_inner();
    assert!(most <= 3, "{most} instances were asked for at once");
    assert_eq!(share_of_the_second(&kiln), 100);
    let report = running.stop();
    note(&report.to_string());
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
    until("the old instances are gone", SOON, || kiln.instance_pids().len() == 2);
}

#[test]
fn a_highlander_is_never_seen_beside_the_one_before() {
    let kiln = two_versions(r#"{"strategy": {"type": "highlander"}}"#);
    let before = kiln.instance_pids();
    kiln.done(["deploy", "hello", "prod", "hello:2", "-m", "alone"]);
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
    let after = kiln.instance_pids();
    assert_eq!(after.len(), 2);
    assert!(before.keys().all(|old| !after.contains_key(old)));
    // Nothing was kept warm: the way back is a deployment of its own, by the same strategy.
    kiln.done(["rollback", "hello", "prod", "-m", "the other one"]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}

/// A service whose image says that it has `libpq5` in the given version.
fn with_libpq(project: &Project, version: &str) {
    let status = format!("Package: libpq5\nStatus: install ok installed\nVersion: {version}\n");
    project.write("dpkg/status", &status);
    let app = "app = \"hello\"\n\n[image]\nbase = \"tiny\"\n";
    let copy = "copy = [{ from = \"files/\", to = \"/srv/\" }, \
        { from = \"dpkg/\", to = \"/var/lib/dpkg/\" }]\n\n";
    let web = "[process.web]\ncommand = [\"/bin/service\", \"serve\"]\nport = 8080\n";
    project.write("kiln.toml", &format!("{app}{copy}{web}"));
}

#[test]
fn a_plan_names_the_packages_that_differ() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    with_libpq(&project, "9.1");
    kiln.done(["bake", "hello", "1", "--dir", project.dir()]);
    kiln.done(["deploy", "hello", "prod", "hello:1", "-m", "works"]);
    with_libpq(&project, "9.6");
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    kiln.run(["plan", "hello", "prod", "hello:2"]).says(&["packages", "libpq5: 9.1 -> 9.6"]);
    kiln.run(["image", "diff", "hello:1", "hello:2"]).says(&["libpq5: 9.1 -> 9.6"]);
    kiln.done(["deploy", "hello", "prod", "hello:2", "-m", "moves"]);
    let back = kiln.run(["plan", "hello", "prod", "--rollback"]);
    back.says(&["libpq5: 9.6 -> 9.1", "move all traffic to hello-prod-web-v001"]);
}
