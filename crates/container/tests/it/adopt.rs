//! A server's death, a shim's death, a reboot.

use crate::lab::{Lab, SHIM, until};
use kiln_container::{Adopted, Boot, Instance, cleanup, signal_stop};
use rustix::process::{Pid, Signal, kill_process};

#[tokio::test]
async fn the_next_server_finds_what_runs_and_what_ended() {
    let lab = Lab::new();
    let spec = lab.shell("exec sleep 1000");
    let started = lab.launch(&spec).await;
    let place = lab.place(&spec);
    let adopt = || Instance::adopt(&place, &lab.boot).unwrap();
    assert_eq!(adopt(), Adopted::Running(started.clone()));
    signal_stop(&started.shim, &lab.boot).unwrap();
    let record = lab.ended(&spec, &started).await;
    assert_eq!(adopt(), Adopted::Ended(record));
}

#[tokio::test]
async fn after_a_reboot_an_instance_is_lost_whatever_has_its_pid() {
    let lab = Lab::new();
    let spec = lab.shell("exec sleep 1000");
    let started = lab.launch(&spec).await;
    let path = lab.dir.path().join("boot_id");
    std::fs::write(&path, "00000000-0000-0000-0000-000000000000\n").unwrap();
    let later = Boot::read(&path).unwrap();
    let place = lab.place(&spec);
    assert_eq!(Instance::adopt(&place, &later).unwrap(), Adopted::Lost);
    signal_stop(&started.shim, &later).expect("nobody is signalled");
    assert!(started.shim.is_alive(&lab.boot));
    signal_stop(&started.shim, &lab.boot).unwrap();
    lab.ended(&spec, &started).await;
}

#[tokio::test]
async fn a_killed_shim_takes_its_instance_along_and_is_cleaned_up_after() {
    let lab = Lab::new();
    let spec = lab.shell("(sleep 1000) & echo ready; exec sleep 1000");
    let instance = lab.launch(&spec).await;
    lab.until_logged(&spec, "ready").await;
    kill_process(Pid::from_raw(instance.shim.pid).unwrap(), Signal::KILL).unwrap();
    kiln_container::wait(&instance.shim, &lab.boot).await.unwrap();
    let place = lab.place(&spec);
    assert_eq!(Instance::adopt(&place, &lab.boot).unwrap(), Adopted::Lost);
    until("the container has died with its shim", || {
        lab.cgroups.usage(&spec.instance).pids == Some(0)
    })
    .await;
    for _twice in 0..2 {
        cleanup(&place, &lab.cgroups).unwrap();
    }
    let Adopted::Ended(record) = Instance::adopt(&place, &lab.boot).unwrap() else { panic!() };
    assert_eq!((record.cause.as_str(), record.code), ("shim lost", None));
    assert!(record.started_at.is_some());
    assert!(lab.cgroups.list().is_empty());
}

#[tokio::test]
async fn an_instance_outlives_the_server_that_started_it() {
    let lab = Lab::new();
    let spec = lab.shell("echo ready; exec sleep 1000");
    let place = lab.place(&spec);
    std::fs::create_dir_all(&place).unwrap();
    spec.write(&place).unwrap();
    // A server that is killed together with its whole session.
    let script = format!("{SHIM} shim {} & sleep 1000", place.display());
    let mut server = std::process::Command::new("setsid")
        .args(["--wait", "sh", "-c", &script])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    lab.until_logged(&spec, "ready").await;
    let leader = Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap();
    let child = std::fs::read_to_string(format!("/proc/{leader}/task/{leader}/children")).unwrap();
    let session = child.trim().parse().ok().and_then(Pid::from_raw).unwrap_or(leader);
    rustix::process::kill_process_group(session, Signal::KILL).unwrap();
    server.wait().unwrap();
    let Adopted::Running(instance) = Instance::adopt(&place, &lab.boot).unwrap() else { panic!() };
    signal_stop(&instance.shim, &lab.boot).unwrap();
    lab.ended(&spec, &instance).await;
}

#[tokio::test]
async fn an_instance_whose_caller_dies_while_it_starts_does_not_stay() {
    let lab = Lab::new();
    let spec = lab.shell("exec sleep 1000");
    let place = lab.place(&spec);
    std::fs::create_dir_all(&place).unwrap();
    spec.write(&place).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let shim = std::process::Command::new(SHIM).arg("shim").arg(&place).stdout(writer).status();
    assert!(!shim.unwrap().success());
    let Adopted::Ended(record) = Instance::adopt(&place, &lab.boot).unwrap() else { panic!() };
    assert!(record.cause.contains("failed to tell its caller"), "{}", record.cause);
    assert!(lab.cgroups.list().is_empty());
}
