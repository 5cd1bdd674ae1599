//! Hooks: commands of the configuration's in the new image, while the old release serves.

use crate::crashes::{SOON, serving};
use crate::traffic::load;
use kiln_load::Allowed;
use kiln_tests::{Kiln, Part, Project, Ran, until};
use serde_json::{Value, json};
use std::process::Command;

/// Lets a shell command run before the traffic moves.
fn before_shift(kiln: &Kiln, command: &str, deadline: &str) {
    let hook = json!({"command": ["/bin/sh", "-c", command], "deadline": deadline});
    let params = json!({"hooks": {"beforeShift": hook}}).to_string();
    let _put = kiln.put("hello", "deployment-params.json", &params).exits(0);
}

/// The machine's time, as a hook sees it.
fn seconds() -> u64 {
    let mut date = Command::new("date");
    date.arg("+%s");
    Ran::of(date).stdout.trim().parse().unwrap()
}

pub(crate) fn ship_next(kiln: &Kiln, project: &Project) -> Ran {
    project.says("hello 2\n");
    kiln.run(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"])
}

/// The newest deployment's hook as it went last, by its record.
pub(crate) fn hook(kiln: &Kiln) -> Value {
    let newest = &kiln.list(["deployments", "hello", "prod", "--limit", "1"])[0];
    let deployment = kiln.json(["deployment", newest["id"].as_str().unwrap()]);
    let actions = deployment["actions"].as_array().unwrap().clone();
    actions.into_iter().rfind(|action| action["name"] == "run-hook").unwrap()
}

#[test]
fn a_migration_runs_in_the_new_image_with_its_secrets_before_the_traffic_moves() {
    let (kiln, project) = serving();
    let _set = kiln.set_token("hello", b"hunter2").exits(0);
    let migrate = "cat /srv/version; test \"$(cat /run/kiln/secrets/token)\" = hunter2 && \
        echo \"$KILN_HOOK $KILN_ENV\"";
    before_shift(&kiln, migrate, "30s");
    let plan = kiln.done(["plan", "hello", "prod"]);
    assert!(plan.stdout.contains("beforeShift, at most 30s: /bin/sh -c"), "{plan}");
    let running = load(&kiln, &{
        let allowed = Allowed::only_now("hello 1");
        allowed.also("hello 2");
        allowed
    });
    let shipped = ship_next(&kiln, &project);
    assert_eq!(shipped.code, Some(0), "{shipped}{}", kiln.logs());
    assert_eq!(hook(&kiln)["note"], "beforeShift prod");
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
}

#[test]
fn a_migration_that_fails_leaves_the_old_release_and_says_why() {
    let (kiln, project) = serving();
    before_shift(&kiln, "echo no such table: users >&2; exit 3", "30s");
    let shipped = ship_next(&kiln, &project);
    assert_eq!(shipped.code, Some(3), "{shipped}");
    assert!(shipped.stderr.contains("hook beforeShift: exited with code 3"), "{shipped}");
    assert!(shipped.stderr.contains("no such table: users"), "{shipped}");
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    // One that never ends is stopped.
    before_shift(&kiln, "while :; do sleep 1; done", "1s");
    let shipped = ship_next(&kiln, &project);
    assert!(shipped.stderr.contains("it did not end within 1s"), "{shipped}");
    until("nothing of it is left", SOON, || kiln.shims().len() == 2);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}

#[test]
fn a_retry_runs_the_hook_anew() {
    let (kiln, project) = serving();
    let soon = seconds() + 5;
    before_shift(&kiln, &format!("test $(/bin/busybox date +%s) -ge {soon} && echo now"), "30s");
    project.says("hello 2\n");
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    let held = kiln.run(["deploy", "hello", "prod", "hello:2", "-m", "on", "--hold"]);
    assert!(held.stderr.contains("hook beforeShift: exited with code 1"), "{held}");
    until("it would go well", SOON, || seconds() >= soon);
    kiln.done(["retry", "hello", "prod"]);
    until("it goes well", SOON, || kiln.get("hello").text() == "hello 2\n");
    assert_eq!(hook(&kiln)["note"], "now");
}

#[test]
fn a_hook_runs_again_after_its_server_was_killed_and_ends_with_its_deployment() {
    let (kiln, project) = serving();
    before_shift(&kiln, "sleep 2; echo done", "60s");
    project.says("hello 2\n");
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    let deploy = ["deploy", "hello", "prod", "hello:2", "-m", "on", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    // Four instances, and the hook.
    until("the hook runs", SOON, || kiln.shims().len() == 5);
    let server = kiln.pid(Part::Server).unwrap();
    kiln.kill(Part::Server);
    assert_ne!(kiln.successor(Part::Server, server), server);
    kiln.done(["watch", &id]);
    assert_eq!(hook(&kiln)["note"], "done");
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
    // Of a deployment that is aborted, it does not go on.
    before_shift(&kiln, "sleep 600", "1h");
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    let hooked = || kiln.json(["deployment", &id])["actions"].to_string().contains("sleep 600");
    until("the plan has it", SOON, hooked);
    until("the hook runs again", SOON, || kiln.shims().len() == 7);
    kiln.done(["abort", "hello", "prod"]);
    until("the hook has ended", SOON, || kiln.shims().len() == 6);
    kiln.done(["undo", "hello", "prod"]);
    until("only the old ones are left", SOON, || kiln.shims().len() == 4);
}
