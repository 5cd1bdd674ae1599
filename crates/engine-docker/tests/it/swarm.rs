//! A Swarm of one node.

use crate::machine::{Machine, served, soon};
use crate::way::Way;
use kiln_keeper::Runtime;
use kiln_names::{ByteSize, Span};
use kiln_protocol::configuration::Network;
use kiln_tests::docker::{SWARM_BRIDGE, links, remove_links};
use kiln_tests::{Docker, until};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

/// How long a Swarm may take to clear up.
const SOON: Duration = Duration::from_secs(60);

/// Removes what outlives instances, and the Swarm.
fn end(docker: &Docker) {
    assert_eq!(docker.text(["service", "ls", "--quiet"]), "");
    assert_eq!(docker.text(["secret", "ls", "--quiet"]), "");
    until("containers are gone", SOON, || docker.text(["ps", "--all", "--quiet"]).is_empty());
    assert_eq!(docker.text(["volume", "ls", "--quiet"]), "");
    let networks = docker.text(["network", "ls", "--quiet", "--filter", "label=io.kiln.install"]);
    for network in networks.lines() {
        docker.text(["network", "rm", network]);
    }
    let bridges = || links().into_iter().filter(|link| link != SWARM_BRIDGE).count();
    until("bridges are gone", SOON, || bridges() == 0);
    docker.text(["swarm", "leave", "--force"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_launched_reached_stopped_and_tells_how_it_ended() {
    let docker = Docker::swarm();
    let machine = Machine::new(&docker, json!({"swarm": true})).await;
    let runtime = machine.runtime().await;
    let size = runtime.size().await.unwrap();
    assert!(size.total.cpu_millis >= 1000 && size.total.memory > ByteSize::mib(100), "{size:?}");
    let birth = machine.running(&runtime).await;
    // A later server finds it.
    let later = machine.runtime().await;
    assert_eq!(later.find(&birth).await, Some(birth.address));
    let mut log = later.log(birth.id);
    let first = soon("it says something", async {
        loop {
            if let Some(line) = log.more().await.unwrap().into_iter().next() {
                break line;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(first.await.ends_with("Z stdout F started"));
    runtime.stop(&birth).await;
    soon("it ended", runtime.wait(birth.id)).await;
    let exit = runtime.exit(birth.id, None).await.unwrap();
    assert_eq!((exit.code, exit.cause.as_str()), (Some(7), "exited with code 7"));
    let (lines, _) = runtime.last_lines(birth.id, 1).await.unwrap();
    assert!(lines.len() == 1 && lines[0].ends_with("stdout F bye"), "{lines:?}");
    soon("the later one sees it", later.wait(birth.id)).await;
    for _ in 0..2 {
        runtime.clean(birth.id).await;
    }
    assert_eq!(later.find(&birth).await, None);
    end(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_takes_its_time_to_be_made_is_not_taken_for_removed() {
    let docker = Docker::swarm();
    let slow = Way::slow(&docker.host(), "/services/create", Duration::from_millis(1500));
    let machine = Machine::new(&docker, json!({"swarm": true, "host": slow.host()})).await;
    let runtime = machine.runtime().await;
    let birth = machine.running(&runtime).await;
    served(birth.address).await;
    runtime.stop(&birth).await;
    soon("it ended", runtime.wait(birth.id)).await;
    runtime.clean(birth.id).await;
    end(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_node_can_run_says_why_and_is_given_up() {
    let docker = Docker::swarm();
    let machine = Machine::new(&docker, json!({"swarm": true})).await;
    let runtime = machine.runtime().await;
    let mut spec = machine.group();
    spec.params.memory = ByteSize::mib(10 << 20);
    spec.params.startup_check.timeout = Span::seconds(2);
    let birth = machine.birth(&runtime, spec).await;
    let refused = machine.launch(&runtime, &birth).await.unwrap_err();
    let why = "no suitable node (insufficient resources on 1 node)";
    assert_eq!(refused.cause, format!("no node ran it within 2s: {why}"));
    assert!(refused.gave_up);
    assert_eq!(*machine.said.lock().unwrap(), [why]);
    runtime.clean(birth.id).await;
    // A program that is not there.
    let mut spec = machine.group();
    spec.run.command = vec!["/bin/nothing".to_owned()];
    let birth = machine.birth(&runtime, spec).await;
    machine.launch(&runtime, &birth).await.unwrap();
    machine.has_no_program(&runtime, &birth).await;
    runtime.clean(birth.id).await;
    // A port that somebody else has.
    let birth = machine.birth(&runtime, machine.group()).await;
    let other = std::net::TcpListener::bind(("0.0.0.0", birth.address.port())).unwrap();
    let refused = machine.launch(&runtime, &birth).await.unwrap_err();
    let expected = format!("port {} is taken: on node ", birth.address.port());
    assert!(refused.cause.starts_with(&expected), "{refused:?}");
    drop(other);
    runtime.clean(birth.id).await;
    end(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_has_its_secrets_and_places_to_write_and_its_end_says_what_killed_it() {
    let docker = Docker::swarm();
    let machine = Machine::new(&docker, json!({"swarm": true})).await;
    let runtime = machine.runtime().await;
    let mut spec = machine.group();
    spec.secrets = machine.secret("token", "hunter2").await;
    let fill = "/bin/busybox ls -ln /run/kiln/secrets/; /bin/busybox cat /run/kiln/secrets/token; touch /var/cache/x /tmp/x /run/kiln/x /x; /bin/busybox grep cache /proc/mounts;
        /bin/busybox usleep 700000; /bin/busybox tail /dev/zero";
    spec.run.command = ["/bin/busybox", "sh", "-c", fill].map(str::to_owned).into();
    let birth = machine.birth(&runtime, spec).await;
    machine.launch(&runtime, &birth).await.unwrap();
    soon("it ended", runtime.wait(birth.id)).await;
    let exit = runtime.exit(birth.id, Some(ByteSize::mib(32))).await.unwrap();
    assert!(exit.out_of_memory && exit.cause.contains("memory (limit 32MiB)"), "{exit:?}");
    let (lines, _) = runtime.last_lines(birth.id, 10).await.unwrap();
    let secret = lines.iter().any(|line| line.contains("-r--------") && line.contains(" 1000 "));
    assert!(secret && lines.iter().any(|line| line.contains("hunter2")), "{lines:?}");
    let told = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!((told("touch: "), told("touch: /x: Read-only file system")), (1, 1), "{lines:?}");
    runtime.clean(birth.id).await;
    // On the machine's own network, and killed from outside.
    let mut spec = machine.group();
    spec.params.network = Network::Host;
    let mut birth = machine.birth(&runtime, spec).await;
    birth.address = machine.launch(&runtime, &birth).await.unwrap();
    served(birth.address).await;
    docker.text(["kill", &docker.text(["ps", "--quiet"])]);
    soon("the kill is seen", runtime.wait(birth.id)).await;
    let exit = runtime.exit(birth.id, None).await.unwrap();
    assert_eq!(exit.cause, "exited with code 137, as after SIGKILL");
    runtime.clean(birth.id).await;
    end(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_is_swept_and_what_is_not_kilns_is_left_alone() {
    let docker = Docker::swarm();
    let machine = Machine::new(&docker, json!({"swarm": true})).await;
    let runtime = machine.runtime().await;
    let (known, unknown) = (machine.running(&runtime).await, machine.running(&runtime).await);
    let image = runtime.ensure_image(&known.spec.image).await.unwrap();
    drop(runtime);
    let runtime = machine.runtime().await;
    let birth = machine.birth(&runtime, machine.group()).await;
    let name = machine.name(&birth);
    let create = ["service", "create", "--detach", "--name", &name, "--replicas", "0", &image];
    docker.text(create);
    let refused = machine.launch(&runtime, &birth).await.unwrap_err();
    let expected = format!("the name {name} is taken by a service that is not this Kiln's");
    assert!(refused.cause.starts_with(&expected), "{refused:?}");
    runtime.clean(birth.id).await;
    runtime.sweep(&HashSet::from([known.id])).await;
    soon("the unknown one is gone", runtime.wait(unknown.id)).await;
    served(known.address).await;
    docker.text(["service", "rm", &name]);
    // An engine that is away takes nothing with it.
    docker.down();
    assert_eq!(runtime.find(&known).await, Some(known.address));
    let waited = tokio::time::timeout(Duration::from_millis(500), runtime.wait(known.id)).await;
    assert!(waited.is_err());
    docker.up();
    runtime.clean(known.id).await;
    soon("it is gone", runtime.wait(known.id)).await;
    // Docker itself forgets the bridge of a network that a node had when it began anew.
    remove_links();
    end(&docker);
}
