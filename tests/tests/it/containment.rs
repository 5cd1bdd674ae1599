//! What a deployed instance reaches of the machine that it runs on, and what the kernel says of it.

use kiln_tests::{Kiln, Project, until};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// Asks an address for the front page of `hello`, and says whether it answered. The asking end stays
/// open for a while: a client that hangs up wants no answer.
const PROBE: &str = "\
    page() { printf 'GET / HTTP/1.0\\r\\nHost: hello.prod.localhost\\r\\n\\r\\n'; sleep 2; }
    ask() { page | busybox nc -w 2 $2 $3 | busybox grep -q 'hello 1' &&
        echo \"$1 answers\" || echo \"$1 is silent\"; }
    gateway=$(busybox ip route | busybox awk '/default/ { print $3 }')
";

/// The gateway is an address of the machine like any other: what listens on all of them listens there.
#[test]
fn environments_meet_at_the_router_and_nowhere_else() {
    let kiln = Kiln::on_every_address();
    let hello = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["ship", "hello", "prod", "--dir", hello.dir(), "-m", "first light"]);
    let instance = &kiln.list(["instances", "hello", "prod"])[0];
    let (at, port) = instance["address"].as_str().unwrap().split_once(':').unwrap();
    let asked = format!(
        "{PROBE}ask router $gateway {}\nask api $gateway {}\nask instance {at} {port}\n\
         echo end\nexec sleep 100000\n",
        kiln.http().port(),
        kiln.api().port(),
    );
    let probe = Project::running(&kiln, "probe", &[]);
    probe.write("files/probe", &asked);
    probe.recipe("[process.probe]\ncommand = [\"/bin/sh\", \"/srv/probe\"]\n");
    kiln.done(["env", "create", "test"]);
    kiln.done(["ship", "probe", "test", "--dir", probe.dir(), "-m", "who is there"]);
    let logs = || kiln.done(["logs", "probe", "test"]).stdout;
    until("the probe has asked all", SOON, || logs().contains("end"));
    for said in ["router answers", "api is silent", "instance is silent"] {
        assert!(logs().contains(said), "{}", logs());
    }
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
