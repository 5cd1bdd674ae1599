//! Secrets: in memory, for the instance's user alone, and nowhere else.

use crate::lab::{Lab, SHIM, random};
use kiln_container::{InstanceSpec, LaunchError, User, launch_with, signal_stop};
use kiln_names::{SecretName, SecretValue, SecretVersion};
use std::path::Path;

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn value(bytes: &[u8]) -> SecretValue {
    SecretValue::new(bytes.to_vec()).unwrap()
}

/// A shell that is told of the given secrets.
fn knowing(lab: &Lab, names: &[&str], script: &str) -> InstanceSpec {
    let secrets = names.iter().map(|text| (name(text), SecretVersion(3))).collect();
    InstanceSpec { secrets, ..lab.shell(script) }
}

async fn start(
    lab: &Lab,
    spec: &InstanceSpec,
    values: &[SecretValue],
) -> Result<kiln_container::Instance, LaunchError> {
    let place = lab.place(spec);
    std::fs::create_dir_all(&place).unwrap();
    spec.write(&place).unwrap();
    launch_with(Path::new(SHIM), &place, values).await
}

async fn run(lab: &Lab, spec: &InstanceSpec, values: &[SecretValue]) -> Vec<String> {
    let instance = start(lab, spec, values).await.unwrap();
    lab.ended(spec, &instance).await;
    lab.log(spec).lines().map(|line| line.trim_start_matches("stdout F ").to_owned()).collect()
}

#[tokio::test]
async fn an_instance_finds_its_secrets_as_files_for_its_user_alone() {
    let lab = Lab::new();
    let spec = knowing(
        &lab,
        &["TOKEN", "tls.key"],
        "cd /run/kiln/secrets; stat -c '%n %a %u %g' . *; od -An -tx1 TOKEN
         tr -d '\\000' < tls.key | wc -c; wc -c < tls.key; readlink /proc/self/fd/0
         grep ' /run/kiln/secrets ' /proc/self/mountinfo | cut -d' ' -f6 | cut -c1-22",
    );
    let large = vec![0; SecretValue::MAX];
    let said = run(&lab, &spec, &[value(b"\nhi\0\xff"), value(&large)]).await;
    let expected = [
        ". 500 4242 4343",
        "TOKEN 400 4242 4343",
        "tls.key 400 4242 4343",
        " 0a 68 69 00 ff",
        "0",
        "65536",
        "/dev/null",
        "ro,nosuid,nodev,noexec",
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn nobody_inside_changes_removes_or_runs_them_root_included() {
    let lab = Lab::new();
    let script = "cd /run/kiln/secrets
        for what in 'echo x > TOKEN' 'rm -f TOKEN' 'touch more' 'chmod 777 TOKEN' \\
            'mv TOKEN /tmp' 'mount -o remount,rw /run/kiln/secrets' './TOKEN' 'chown 1:1 TOKEN'; do
            (eval \"$what\") 2>/dev/null && echo did $what
        done
        cat TOKEN";
    for user in [User { uid: 4242, gid: 4343 }, User { uid: 0, gid: 0 }] {
        let spec = InstanceSpec {
            user,
            capabilities: vec!["CHOWN".to_owned(), "DAC_OVERRIDE".to_owned(), "FOWNER".to_owned()],
            ..knowing(&lab, &["TOKEN"], script)
        };
        let spec = if user.uid == 0 { spec } else { InstanceSpec { capabilities: vec![], ..spec } };
        let said = run(&lab, &spec, &[value(b"#!/bin/true\n")]).await;
        assert_eq!(said, ["#!/bin/true"], "{user:?}");
    }
}

#[tokio::test]
async fn a_value_is_in_no_file_argument_or_variable_and_goes_with_its_instance() {
    let lab = Lab::new();
    let canary: String = random::<16>().map(|byte| format!("{byte:02x}")).concat();
    let script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let spec = knowing(&lab, &["TOKEN"], script);
    let instance = start(&lab, &spec, &[value(canary.as_bytes())]).await.unwrap();
    lab.until_logged(&spec, "ready").await;
    let inside = format!("/proc/{}/root/run/kiln/secrets/TOKEN", instance.pid);
    assert_eq!(std::fs::read_to_string(&inside).unwrap(), canary);
    for pid in [instance.pid, instance.shim.pid] {
        for file in ["cmdline", "environ"] {
            let said = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&said).contains(&canary), "{pid} {file}");
        }
    }
    signal_stop(&instance.shim, &lab.boot).unwrap();
    lab.ended(&spec, &instance).await;
    for entry in std::fs::read_dir(lab.place(&spec)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let said = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&said).contains(&canary), "{}", path.display());
        }
    }
    let frozen = std::fs::read_to_string(lab.place(&spec).join(InstanceSpec::FILE)).unwrap();
    assert!(frozen.contains(r#""secrets":{"TOKEN":3}"#), "{frozen}");
    let stage = lab.place(&spec).join("stage");
    assert_eq!(std::fs::read_dir(stage).unwrap().count(), 0, "memory is gone with the instance");
}

#[tokio::test]
async fn an_instance_without_all_of_its_secrets_does_not_start() {
    let lab = Lab::new();
    let spec = knowing(&lab, &["a", "b"], "true");
    let refused = async |values: &[SecretValue], words: &str| {
        let spec = lab.again(&spec);
        let said = start(&lab, &spec, values).await.unwrap_err().to_string();
        assert_eq!(said, format!("failed to receive its secrets: {words}"));
    };
    refused(&[], "there are fewer than the spec names").await;
    refused(&[value(b"1")], "there are fewer than the spec names").await;
    refused(&[value(b"1"), value(b"2"), value(b"3")], "there are more than the spec names").await;
}
