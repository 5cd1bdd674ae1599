//! Memory, processes, processor time, and what is counted of them.

use crate::lab::{Lab, until};
use kiln_container::signal_stop;
use kiln_names::ByteSize;
use std::time::Duration;

#[tokio::test]
async fn an_instance_that_takes_too_much_memory_is_killed_for_that() {
    let lab = Lab::new();
    let mut spec = lab.shell("exec awk 'BEGIN { s = \"x\"; while (1) s = s s }'");
    spec.limits.memory = Some(ByteSize::mib(24));
    let (record, _) = lab.run(&spec).await;
    assert!(record.oom_killed);
    assert_eq!(record.cause, "out of memory: it may use 24MiB");
    let peak = record.peak_memory_bytes.unwrap();
    assert!((20 << 20..=24 << 20).contains(&peak), "{peak}");
}

#[tokio::test]
async fn files_in_memory_are_full_before_the_limit_is() {
    let lab = Lab::new();
    let mut spec = lab.shell("dd if=/dev/zero of=/tmp/x bs=1M count=100; echo $?");
    spec.limits.memory = Some(ByteSize::mib(48));
    let (record, log) = lab.run(&spec).await;
    // Which of the two limits bites first is the kernel's business; that one does is ours.
    assert!(record.oom_killed || log.contains("No space left"), "{record:?} {log}");
}

#[tokio::test]
async fn processes_are_limited() {
    let lab = Lab::new();
    let mut spec = lab.shell("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo ready");
    spec.limits.pids = Some(6);
    let (record, log) = lab.run(&spec).await;
    assert_ne!(record.code, Some(0));
    assert!(log.contains("can't fork") && !log.contains("ready"), "{log}");
}

#[tokio::test]
async fn what_an_instance_uses_is_counted() {
    let lab = Lab::new();
    let mut spec = lab.shell("echo ready; while :; do :; done");
    spec.limits.cpu_millis = Some(200);
    let instance = lab.launch(&spec).await;
    let usage = || lab.cgroups.usage(&spec.instance);
    until("it has used 50 ms of processor time", || {
        usage().cpu.unwrap() > Duration::from_millis(50)
    })
    .await;
    let usage = usage();
    assert_eq!(usage.pids, Some(1));
    assert!(usage.memory_bytes.unwrap() > 0);
    assert!(usage.memory_peak_bytes.unwrap() >= usage.memory_bytes.unwrap() / 2);
    assert!(lab.cgroups.list().contains(&spec.instance));
    signal_stop(&instance.shim, &lab.boot).unwrap();
    lab.ended(&spec, &instance).await;
    assert_eq!(lab.cgroups.usage(&spec.instance), kiln_container::Usage::default());
}

#[tokio::test]
async fn processor_time_beyond_the_limit_is_waited_for() {
    const TENTH: u32 = 100;
    let lab = Lab::new();
    let mut spec = lab.shell("while :; do :; done");
    spec.limits.cpu_millis = Some(TENTH);
    let begun = std::time::Instant::now();
    let instance = lab.launch(&spec).await;
    until("it has used 150 ms of processor time", || {
        lab.cgroups.usage(&spec.instance).cpu.unwrap() > Duration::from_millis(150)
    })
    .await;
    // A tenth of a processor: 1500 ms but for the first slice.
    assert!(begun.elapsed() > Duration::from_millis(1000), "{:?}", begun.elapsed());
    signal_stop(&instance.shim, &lab.boot).unwrap();
    lab.ended(&spec, &instance).await;
}

/// Where the kernel cannot kill a group as one: v1 without a v2 beside it.
#[tokio::test]
async fn a_group_that_forks_without_end_is_killed_whole() {
    let lab = Lab::new();
    // One forks: a second could find the limit reached, and its shell would end before the kill.
    let mut spec =
        lab.shell("echo ready; f() { while :; do sleep 0.001 & done; }; f & exec sleep 1000");
    spec.limits.pids = Some(40);
    let instance = lab.launch(&spec).await;
    lab.until_logged(&spec, "ready").await;
    lab.cgroups.kill(&spec.instance).unwrap();
    assert_eq!(lab.ended(&spec, &instance).await.signal, Some(9));
}
