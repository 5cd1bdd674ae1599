//! Steps of a bake: what they write, and what they do not leave.

use crate::lab::{Lab, PATIENCE, SHIM, isolated, random, until};
use kiln_container::step::{StepSpec, Stream, run};
use kiln_container::{Limits, Network, NetworkMode, WritableLayer};
use kiln_names::InstanceId;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn step(lab: &Lab, script: &str) -> StepSpec {
    let id = InstanceId::from_random(random());
    let make = |name: &str| {
        let dir = lab.dir.path().join(id.to_string()).join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    };
    StepSpec {
        exe: SHIM.into(),
        dir: make("step"),
        install: lab.install,
        id,
        lower: vec![lab.image()],
        layer: WritableLayer { upper: make("upper"), work: make("work") },
        command: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        env: BTreeMap::new(),
        network: NetworkMode::Loopback,
        limits: Limits::default(),
    }
}

/// Every path below, in order.
fn tree(dir: &Path) -> Vec<String> {
    fn walk(root: &Path, dir: &Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path: PathBuf = entry.path();
            into.push(path.strip_prefix(root).unwrap().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                walk(root, &path, into);
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}

#[tokio::test]
async fn a_step_writes_its_layer_and_nothing_of_ours_is_in_it() {
    let lab = Lab::new();
    std::fs::create_dir(lab.image().join("srv")).unwrap();
    let step = step(
        &lab,
        "mkdir -p /etc/app && echo 1 > /etc/app/conf && rm -r /srv && chown 7:8 /etc/app/conf
         touch /tmp/gone /dev/shm/gone && cat /etc/resolv.conf > /dev/null && id -u && echo $HOME
         echo oh >&2; exit 4",
    );
    let mut out = [String::new(), String::new()];
    let record = run(&step, |stream, bytes| {
        out[usize::from(stream == Stream::Stderr)].push_str(std::str::from_utf8(bytes).unwrap());
    })
    .await
    .unwrap();
    assert_eq!((record.code, record.cause.as_str()), (Some(4), "exited with code 4"));
    assert_eq!(out, ["0\n/root\n", "oh\n"]);
    assert_eq!(tree(&step.layer.upper), ["etc", "etc/app", "etc/app/conf", "srv"]);
    assert!(lab.cgroups.list().is_empty());
}

#[tokio::test]
async fn the_next_command_of_a_step_goes_on_in_the_same_layer() {
    let lab = Lab::new();
    let first = step(&lab, "mkdir /made && echo one > /made/file");
    assert_eq!(run(&first, |_, _| ()).await.unwrap().code, Some(0));
    let mut second = step(&lab, "cat /made/file; echo two >> /made/file");
    second.layer = first.layer.clone();
    let mut out = Vec::new();
    let record = run(&second, |_, bytes| out.extend_from_slice(bytes)).await.unwrap();
    assert_eq!((record.code, out.as_slice()), (Some(0), b"one\n".as_slice()));
    let made = std::fs::read_to_string(first.layer.upper.join("made/file")).unwrap();
    assert_eq!(made, "one\ntwo\n");
}

#[tokio::test]
async fn a_dropped_step_is_killed() {
    let lab = Lab::new();
    let step = step(&lab, "echo started; trap '' TERM HUP PIPE; while :; do sleep 0.01; done");
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    {
        let running = run(&step, |_, _| said.send(()).unwrap());
        tokio::select! {
            record = running => panic!("{record:?}"),
            _ = heard.recv() => {}
        }
    }
    until("everything is killed", || lab.cgroups.list().is_empty()).await;
}

#[tokio::test]
async fn much_output_arrives_whole() {
    let lab = Lab::new();
    let step = step(&lab, "seq 1 200000; seq 1 200000 >&2");
    let mut out = [Vec::new(), Vec::new()];
    let running = run(&step, |stream, bytes| {
        out[usize::from(stream == Stream::Stderr)].extend_from_slice(bytes);
    });
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    assert!(out.iter().all(|text| text == expected.as_bytes()));
}

#[tokio::test]
async fn a_step_reaches_out_through_the_bake_bridge() {
    let lab = Lab::new();
    let network = Network::ensure(lab.install, None).unwrap();
    let bridge = network.ensure_bridge(Network::BAKE).unwrap();
    let mut step = step(&lab, "ping -c 1 -W 5 $GATEWAY > /dev/null && ip route | grep -c default");
    step.network = isolated(&bridge, 2);
    step.env.insert("GATEWAY".to_owned(), bridge.gateway().to_string());
    let mut out = String::new();
    let record =
        run(&step, |_, bytes| out.push_str(std::str::from_utf8(bytes).unwrap())).await.unwrap();
    assert_eq!((record.code, out.as_str()), (Some(0), "1\n"));
}

#[tokio::test]
async fn a_step_that_cannot_start_says_why() {
    let lab = Lab::new();
    let mut step = step(&lab, "");
    step.command = vec!["/usr/bin/apt-get".to_owned()];
    let error = run(&step, |_, _| ()).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.ends_with("command /usr/bin/apt-get is not in the image"), "{cause}");
}
