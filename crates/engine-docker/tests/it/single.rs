//! One engine.

use crate::machine::{Machine, served, soon};
use crate::way::Way;
use kiln_keeper::{Runtime, Wish};
use kiln_names::{ByteSize, InstanceId};
use kiln_protocol::catalog::Verdict;
use kiln_protocol::configuration::Network;
use kiln_tests::Docker;
use serde_json::json;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Removes what outlives instances.
fn remove_networks(docker: &Docker) {
    let networks = docker.text(["network", "ls", "--quiet", "--filter", "label=io.kiln.install"]);
    for network in networks.lines() {
        docker.text(["network", "rm", network]);
    }
    assert_eq!(docker.text(["ps", "--all", "--quiet"]), "");
}

async fn verdicts(machine: &Machine) -> Vec<Verdict> {
    let findings = kiln_engine_docker::check(&machine.engine).await;
    findings.into_iter().map(|finding| finding.verdict).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_that_the_engine_has_are_not_sent_again() {
    let docker = Docker::start();
    let way = Way::to(&docker.host());
    let machine = Machine::new(&docker, json!({"host": way.host()})).await;
    let runtime = machine.runtime().await;
    let sent = async |image| {
        let before = way.sent();
        let id = runtime.ensure_image(&image).await.unwrap();
        (id, way.sent() - before)
    };
    let (first, all) = sent(machine.group().image).await;
    assert!(all > 500 << 10, "{all} bytes are a whole image with busybox");
    let (second, more) = sent(machine.image_that_says("more")).await;
    assert!(more < 32 << 10, "{more} bytes are more than one file");
    assert_ne!(first, second);
    let page = ["run", "--rm", "--network=none", &second, "/bin/busybox", "cat", "/www/index.html"];
    assert_eq!(docker.text(page), "more");
    // Of an engine that has lost them, nothing is presumed.
    docker.text(["image", "rm", "--force", &first, &second]);
    let (third, again) = sent(machine.image_that_says("again")).await;
    assert!(again > 500 << 10, "{again} bytes are a whole image");
    docker.text(["image", "rm", &third]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_launched_watched_stopped_and_cleaned_up() {
    let docker = Docker::with_networks(&[]);
    let machine = Machine::new(&docker, json!({})).await;
    let runtime = machine.runtime().await;
    let birth = machine.running(&runtime).await;
    assert_eq!(runtime.find(&birth).await, Some(birth.address));
    let usage = runtime.usage(vec![birth.id]).await;
    assert!(usage[0].usage.memory.0 > 0 && usage[0].cpu.is_some(), "{usage:?}");
    let mut log = runtime.log(birth.id);
    assert!(log.more().await.unwrap()[0].ends_with("Z stdout F started"));
    assert_eq!(log.more().await, Some(Vec::new()));
    runtime.stop(&birth).await;
    soon("it ended", runtime.wait(birth.id)).await;
    let exit = runtime.exit(birth.id, None).await.unwrap();
    assert_eq!((exit.code, exit.cause.as_str()), (Some(7), "exited with code 7"));
    let (lines, _) = runtime.last_lines(birth.id, 1).await.unwrap();
    assert!(lines.len() == 1 && lines[0].ends_with("stdout F bye"), "{lines:?}");
    assert!(log.more().await.unwrap()[0].ends_with("stdout F bye"));
    for _ in 0..2 {
        runtime.clean(birth.id).await;
    }
    assert_eq!(log.more().await, None);
    assert!(runtime.last_lines(birth.id, 1).await.is_none());
    assert_eq!(runtime.find(&birth).await, None);
    runtime.release(birth.address);
    remove_networks(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_server_finds_what_runs_and_sweeps_what_nobody_knows() {
    let docker = Docker::with_networks(&[]);
    let machine = Machine::new(&docker, json!({})).await;
    let runtime = machine.runtime().await;
    let (known, unknown) = (machine.running(&runtime).await, machine.running(&runtime).await);
    assert_ne!(known.address, unknown.address);
    drop(runtime);
    let runtime = machine.runtime().await;
    runtime.retake(known.address);
    assert_eq!(runtime.find(&known).await, Some(known.address));
    runtime.sweep(&HashSet::from([known.id])).await;
    soon("the unknown one is gone", runtime.wait(unknown.id)).await;
    assert_eq!(runtime.find(&unknown).await, None);
    served(known.address).await;
    // What is killed is seen at once.
    let killed = Instant::now();
    docker.text(["kill", &docker.text(["ps", "--quiet"])]);
    soon("the kill is seen", runtime.wait(known.id)).await;
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    let exit = runtime.exit(known.id, None).await.unwrap();
    assert_eq!(exit.cause, "exited with code 137, as after SIGKILL");
    runtime.clean(known.id).await;
    remove_networks(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away_takes_nothing_with_it() {
    let docker = Docker::with_networks(&["--live-restore"]);
    let machine = Machine::new(&docker, json!({})).await;
    let runtime = machine.runtime().await;
    let birth = machine.running(&runtime).await;
    assert!(verdicts(&machine).await.iter().all(|verdict| *verdict == Verdict::Good));
    docker.down();
    assert_eq!(verdicts(&machine).await, [Verdict::Bad]);
    served(birth.address).await;
    let size = runtime.size().await.unwrap_err();
    assert!(size.message.contains("does not answer"), "{size}");
    assert_eq!(runtime.find(&birth).await, Some(birth.address));
    // A server that begins meanwhile believes the same.
    let later = machine.runtime().await;
    assert_eq!(later.find(&birth).await, Some(birth.address));
    let waited = tokio::time::timeout(Duration::from_millis(700), later.wait(birth.id)).await;
    assert!(waited.is_err());
    docker.up();
    served(birth.address).await;
    later.stop(&birth).await;
    soon("it ended", later.wait(birth.id)).await;
    soon("both see it", runtime.wait(birth.id)).await;
    later.clean(birth.id).await;
    remove_networks(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kilns_is_not_touched_whatever_it_is_called() {
    let docker = Docker::with_networks(&[]);
    let machine = Machine::new(&docker, json!({})).await;
    let runtime = machine.runtime().await;
    let birth = machine.birth(&runtime, machine.group()).await;
    let image = runtime.ensure_image(&birth.spec.image).await.unwrap();
    let name = machine.name(&birth);
    docker.text(["create", "--name", &name, &image, "/bin/busybox", "true"]);
    let refused = machine.launch(&runtime, &birth).await.unwrap_err();
    let expected = format!("the name {name} is taken by a container that is not this Kiln's");
    assert!(refused.cause.starts_with(&expected), "{refused:?}");
    runtime.clean(birth.id).await;
    runtime.sweep(&HashSet::new()).await;
    soon("a look", runtime.wait(InstanceId::from_random([1; 6]))).await;
    docker.text(["rm", &name]);
    remove_networks(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_runs_out_is_told_and_limits_hold() {
    let docker = Docker::with_networks(&[]);
    let machine = Machine::new(&docker, json!({})).await;
    let runtime = machine.runtime().await;
    let mut spec = machine.group();
    let fill = "/bin/busybox id; touch /var/cache/x /tmp/x /x; /bin/busybox tail /dev/zero";
    spec.run.command = ["/bin/busybox", "sh", "-c", fill].map(str::to_owned).into();
    let birth = machine.birth(&runtime, spec).await;
    machine.launch(&runtime, &birth).await.unwrap();
    soon("it ended", runtime.wait(birth.id)).await;
    let exit = runtime.exit(birth.id, Some(ByteSize::mib(32))).await.unwrap();
    assert!(exit.out_of_memory && exit.cause.contains("memory (limit 32MiB)"), "{exit:?}");
    let (lines, _) = runtime.last_lines(birth.id, 10).await.unwrap();
    let told = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(told("stdout F uid=1000 gid=1000"), 1, "{lines:?}");
    assert_eq!((told("touch: "), told("touch: /x: Read-only file system")), (1, 1), "{lines:?}");
    runtime.clean(birth.id).await;
    remove_networks(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_files_in_memory_that_its_user_reads_and_nobody_writes() {
    let docker = Docker::with_networks(&[]);
    let machine = Machine::new(&docker, json!({})).await;
    let runtime = machine.runtime().await;
    let mut spec = machine.group();
    spec.secrets = machine.secret("token", "hunter2").await;
    let show = "cd /run/kiln/secrets; /bin/busybox stat -c '%a %u %n' . token;
        /bin/busybox cat token; echo; touch x; /bin/busybox grep secrets /proc/mounts";
    spec.run.command = ["/bin/busybox", "sh", "-c", show].map(str::to_owned).into();
    let birth = machine.birth(&runtime, spec).await;
    machine.launch(&runtime, &birth).await.unwrap();
    soon("it ended", runtime.wait(birth.id)).await;
    let (lines, _) = runtime.last_lines(birth.id, 10).await.unwrap();
    let said = lines.join("\n");
    for expected in ["500 1000 .", "400 1000 token", "hunter2", "Read-only file system", "tmpfs"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let inspected = docker.text(["inspect", &machine.name(&birth)]);
    assert!(!inspected.contains("hunter2"));
    let kept = || machine.kept();
    assert_eq!(kept(), [birth.id.to_string()]);
    // Neither a sweep of what is known nor another server takes them away; what is cleaned up is gone.
    let later = machine.runtime().await;
    later.sweep(&HashSet::from([birth.id])).await;
    soon("a look", later.wait(birth.id)).await;
    assert_eq!(kept(), [birth.id.to_string()]);
    runtime.clean(birth.id).await;
    assert_eq!(kept(), [""; 0]);
    remove_networks(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_nobody_wants_ends_and_what_cannot_start_says_why() {
    let docker = Docker::with_networks(&[]);
    let machine = Machine::new(&docker, json!({})).await;
    let runtime = machine.runtime().await;
    let birth = machine.birth(&runtime, machine.group()).await;
    let wish = Wish { withdrawn: Box::pin(std::future::ready(())), say: &|_| {} };
    let refused = runtime.launch(&birth, wish).await;
    assert!(refused.is_err_and(|refused| refused.cause.contains("not wanted any more")));
    runtime.clean(birth.id).await;
    let mut spec = machine.group();
    spec.run.command = vec!["/bin/nothing".to_owned()];
    let birth = machine.birth(&runtime, spec).await;
    machine.launch(&runtime, &birth).await.unwrap();
    machine.has_no_program(&runtime, &birth).await;
    runtime.clean(birth.id).await;
    remove_networks(&docker);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_over_the_network_publishes_instances_at_ports_of_its_own() {
    let docker = Docker::with_networks(&["--host=tcp://127.0.0.1:23750", "--tls=false"]);
    let host = json!({"host": "tcp://127.0.0.1:23750", "ports": "21000-21099"});
    let machine = Machine::new(&docker, host).await;
    let runtime = machine.runtime().await;
    let (one, other) = (machine.running(&runtime).await, machine.running(&runtime).await);
    for birth in [&one, &other] {
        assert!((21_000..=21_099).contains(&birth.address.port()), "{}", birth.address);
    }
    let mut spec = machine.group();
    spec.params.network = Network::Host;
    let birth = machine.birth(&runtime, spec).await;
    machine.launch(&runtime, &birth).await.unwrap();
    served(birth.address).await;
    // A port that somebody else has.
    let refused = machine.birth(&runtime, machine.group()).await;
    let somebody = std::net::TcpListener::bind(("0.0.0.0", refused.address.port())).unwrap();
    let cause = machine.launch(&runtime, &refused).await.unwrap_err().cause;
    assert!(cause.starts_with(&format!("port {} is taken: ", refused.address.port())), "{cause}");
    drop(somebody);
    // All that there is goes with the environment.
    runtime.leave().await.unwrap();
    soon("all are gone", runtime.wait(one.id)).await;
    remove_networks(&docker);
}
