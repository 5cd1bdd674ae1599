//! Checks that look at instances from inside: a worker that hangs is replaced as one that died is, and
//! a service that says of itself that it is ill.

use crate::debian::kiln;
use kiln_tests::{Kiln, until, until_some};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

const RECIPE: &str = r#"
app = "queue"

[image]
base = "debian-12"
copy = [{ from = "files/", to = "/srv/" }]

[process.web]
command = ["/usr/bin/python3", "-m", "http.server", "8080", "--directory", "/srv"]
port = 8080
stop = { timeout = "2s" }

[process.worker]
command = ["/usr/bin/python3", "/srv/worker.py"]
stop = { timeout = "2s" }
"#;

/// Works until it hangs.
const WORKER: &str = r#"
import os, pathlib, time
while not os.path.exists("/tmp/hang"):
    pathlib.Path("/tmp/alive").touch()
    time.sleep(0.1)
time.sleep(3600)
"#;

fn params(web: &str) -> String {
    format!(
        r#"{{"min": 1, "processes": {{
            "web": {{"healthCheck": {{"type": "command", "command": {web}, "interval": "200ms"}}}},
            "worker": {{"healthCheck": {{"type": "heartbeat", "file": "/tmp/alive", "maxAge": "2s",
                "interval": "200ms"}}}}}}}}"#
    )
}

fn ship(kiln: &Kiln) -> kiln_tests::Ran {
    let directory = kiln.scratch().join("queue");
    std::fs::create_dir_all(directory.join("files")).unwrap();
    std::fs::write(directory.join("kiln.toml"), RECIPE).unwrap();
    std::fs::write(directory.join("files/worker.py"), WORKER).unwrap();
    kiln.run(["ship", "queue", "prod", "--dir", &directory.to_string_lossy(), "-m", "on"])
}

/// The healthy instance of a process.
fn healthy(kiln: &Kiln, process: &str) -> Option<Value> {
    let mut instances = kiln.list(["instances", "queue", "prod"]).into_iter();
    instances.find(|it| it["process"] == process && it["state"] == "healthy")
}

/// A place in the files of an instance, as the machine sees it.
fn inside(kiln: &Kiln, instance: &Value, path: &str) -> PathBuf {
    let pids = kiln.instance_pids();
    let pid = pids[instance["id"].as_str().unwrap()][0];
    Path::new(&format!("/proc/{pid}/root")).join(path)
}

/// Waits until another instance has taken its place.
fn is_replaced(kiln: &Kiln, process: &str, before: &Value) {
    until("another one takes its place", SOON, || {
        healthy(kiln, process).is_some_and(|now| now["id"] != before["id"])
    });
}

#[test]
fn a_worker_that_hangs_and_a_service_that_is_ill_are_seen_from_inside_and_replaced() {
    let kiln = kiln();
    kiln.done(["app", "create", "queue"]);
    let well = r#"["/bin/sh", "-c", "! cat /tmp/ill"]"#;
    let _put = kiln.put("queue", "deployment-params.json", &params(well)).exits(0);
    let _first = ship(&kiln).exits(0);

    let worker = until_some("it works", SOON, || healthy(&kiln, "worker"));
    let said = worker["last_check"].as_str().unwrap();
    assert_eq!(said, "heartbeat /tmp/alive → exited with code 0");
    std::fs::write(inside(&kiln, &worker, "tmp/hang"), "").unwrap();
    is_replaced(&kiln, "worker", &worker);

    let web = until_some("it serves", SOON, || healthy(&kiln, "web"));
    std::fs::write(inside(&kiln, &web, "tmp/ill"), "a cold\n").unwrap();
    is_replaced(&kiln, "web", &web);
    assert_eq!(kiln.get("queue").status, 200);

    let never = r#"["/bin/sh", "-c", "echo the queue is away; exit 3"]"#;
    let never =
        params(never).replace(r#""min": 1"#, r#""min": 1, "startupCheck": {"timeout": "2s"}"#);
    let _put = kiln.put("queue", "deployment-params.json", &never).exits(0);
    let refused = kiln.run(["redeploy", "queue", "prod", "-m", "checked otherwise"]);
    assert_eq!(refused.code, Some(3), "{refused}");
    refused.says(&["exited with code 3: the queue is away"]);
    assert_eq!(kiln.get("queue").status, 200);
}
