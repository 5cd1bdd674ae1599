//! What a deployed instance reaches of the machine that it runs on, and what the kernel says of it.

use kiln_tests::{Kiln, Project, until};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// The gateway is an address of the machine like any other: what listens on all of them listens there.
#[test]
fn an_instance_talks_to_others_through_the_router_and_not_to_the_api() {
    let kiln = Kiln::on_every_address();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let script = format!(
        "gateway=$(busybox ip route | busybox awk '/default/ {{ print $3 }}')
         ask() {{ printf 'GET / HTTP/1.0\\r\\nHost: hello.prod.localhost\\r\\n\\r\\n' |
                 busybox nc -w 5 $gateway $1; }}
         until ask {} | busybox grep 'hello 1'; do sleep 0.1; done
         ask {} && echo the API answers || echo the API is out of reach
         exec sleep 100000",
        kiln.http().port(),
        kiln.api().port(),
    );
    project.write("files/probe", &script);
    project.recipe(
        "[process.web]\ncommand = [\"/bin/service\", \"serve\"]\nport = 8080\n\n\
         [process.probe]\ncommand = [\"/bin/sh\", \"/srv/probe\"]\n",
    );
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    until("the probe has asked both", SOON, || {
        kiln.done(["logs", "hello", "prod"]).stdout.contains("the API is out of reach")
    });
    let logs = kiln.done(["logs", "hello", "prod"]).stdout;
    assert!(logs.contains("hello 1") && !logs.contains("the API answers"), "{logs}");
}

#[test]
fn every_deployed_instance_is_filtered_and_without_rights() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let pids: Vec<i32> = kiln.instance_pids().into_values().flatten().collect();
    assert_eq!(pids.len(), 2);
    for pid in pids {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000"] {
            assert!(status.lines().any(|it| it == line), "{line} in {status}");
        }
    }
}
