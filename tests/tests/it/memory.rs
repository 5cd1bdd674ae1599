//! What instances use of memory: the peak that the kernel counted, what would do, what still fits.

use kiln_names::ByteSize;
use kiln_tests::{Kiln, Project, until_some};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn bytes(value: &Value) -> u64 {
    ByteSize::parse(value.as_str().unwrap_or_else(|| panic!("{value} is no size"))).unwrap().0
}

#[test]
fn a_spike_of_memory_is_seen_and_a_limit_is_suggested_for_it() {
    let kiln = Kiln::with_tiny();
    let project = Project::running(&kiln, "hello", &["spiky"]);
    project.says("hello 1\n");
    let ran = kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    ran.says(&["of 512MiB at its peak", r#""processes": {"web": {"memory": ""#]);
    for instance in kiln.list(["instances", "hello", "prod"]) {
        let (now, peak) = (bytes(&instance["memory"]), bytes(&instance["memory_peak"]));
        assert!(peak > 48 << 20 && now < 40 << 20, "{instance}");
        assert_eq!(instance["memory_limit"], "512MiB");
    }
    let status = kiln.json(["status", "hello", "prod"]);
    let advice = &status["memory"][0];
    assert_eq!((&advice["process"], &advice["verdict"]), (&"web".into(), &"too_large".into()));
    let (peak, suggested) = (bytes(&advice["peak"]), bytes(&advice["suggested"]));
    assert!(suggested >= peak + peak / 4 && suggested <= peak * 2, "{advice}");
    assert!(bytes(&status["groups"][0]["memory_peak"]) > 48 << 20, "{status}");
    // What is suggested is enough, and then there is no more to say.
    let params = format!(r#"{{"processes": {{"web": {{"memory": {}}}}}}}"#, advice["suggested"]);
    let _put = kiln.put("hello", "deployment-params.json", &params).exits(0);
    let ran = kiln.done(["redeploy", "hello", "prod", "-m", "as suggested"]);
    assert!(!ran.stderr.contains("at its peak"), "{ran}");
    assert_eq!(kiln.json(["status", "hello", "prod"])["memory"][0]["verdict"], "fits");
}

#[test]
fn an_instance_that_ended_keeps_its_peak_and_says_that_memory_ran_out() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works"]);
    let params = r#"{"memory": "32MiB", "startupCheck": {"timeout": "20s"}}"#;
    let _put = kiln.put("hello", "deployment-params.json", params).exits(0);
    project.command(&["hungry"]);
    let ran = kiln.run(["ship", "hello", "prod", "--dir", project.dir(), "-m", "fails"]).exits(3);
    ran.says(&["out of memory (limit 32MiB)"]);
    let ended = until_some("the end is recorded", SOON, || {
        let all = kiln.list(["instances", "hello", "prod", "--ended"]);
        all.into_iter().find(|instance| instance["out_of_memory"] == true)
    });
    assert_eq!(ended["exit"], "out of memory (limit 32MiB)");
    assert_eq!((&ended["memory_limit"], &ended["process"]), (&"32MiB".into(), &"web".into()));
    let peak = bytes(&ended["memory_peak"]);
    assert!((30 << 20..=33 << 20).contains(&peak), "{ended}");
    let id = ended["id"].as_str().unwrap();
    kiln.done(["logs", "hello", "prod", "--instance", id]).says(&["out of memory (limit 32MiB)"]);
    kiln.done(["instances", "hello", "prod", "--ended"]).says(&[id, "out of memory"]);
    // What the kernel killed for is not suggested again, though what runs needs far less.
    let advice = &kiln.json(["status", "hello", "prod"])["memory"][0];
    assert_eq!(advice["too_small"], "32MiB");
    assert!(bytes(&advice["suggested"]) > 32 << 20, "{advice}");
}

#[test]
fn as_many_more_fit_as_the_planner_takes() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let sized = |count: u64| format!(r#"{{"memory": "1GiB", "desiredCapacity": {count}}}"#);
    let _put = kiln.put("hello", "deployment-params.json", &sized(2)).exits(0);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let capacity = kiln.json(["status", "--capacity"]);
    let part = &capacity["parts"][0];
    assert_eq!((&part["promised"], &part["at_height"]), (&"2GiB".into(), &"4GiB".into()));
    assert!(bytes(&part["used"]) > 0 && bytes(&part["peak"]) > 0, "{part}");
    assert_eq!(capacity["memory"]["promised"], 2_u64 << 30);
    let fits = part["fits"].as_u64().unwrap();
    assert_eq!(fits, capacity["memory"]["left"].as_u64().unwrap() >> 30);
    let _put = kiln.put("hello", "deployment-params.json", &sized(fits)).exits(0);
    kiln.done(["plan", "hello", "prod"]);
    let _put = kiln.put("hello", "deployment-params.json", &sized(fits + 1)).exits(0);
    let _refused = kiln.run(["plan", "hello", "prod"]).exits(4);
    let shown = kiln.done(["status", "--capacity"]).stdout;
    assert!(shown.contains(&format!("{fits} more")), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}
