//! What an instance cannot do, tried from inside, mostly as root with every right that a bake has: the
//! worst that Kiln ever starts.

use crate::lab::{Lab, SHIM, status};
use kiln_container::{InstanceSpec, signal_stop, step};
use std::fs::{File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

/// As root, with the rights of a step of a bake.
fn mighty(lab: &Lab, script: &str) -> InstanceSpec {
    let mut spec = lab.shell(script);
    spec.user.uid = 0;
    spec.user.gid = 0;
    spec.capabilities = step::CAPABILITIES.map(str::to_owned).into();
    spec
}

/// What a script says, each line of its standard output after the other.
async fn says(lab: &Lab, spec: &InstanceSpec) -> Vec<String> {
    let (_, log) = lab.run(spec).await;
    let lines = log.lines().filter_map(|line| line.strip_prefix("stdout F "));
    let lines: Vec<_> = lines.map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{log}");
    lines
}

#[tokio::test]
async fn filters_are_in_force_for_the_command_and_all_that_it_starts() {
    let lab = Lab::new();
    let script = "grep -h -e ^NoNewPrivs -e ^Seccomp /proc/1/status /proc/self/status";
    let own = status(i32::try_from(std::process::id()).unwrap(), "Seccomp_filters");
    let filters = own.parse::<u32>().unwrap() + 2;
    let expected = ["NoNewPrivs:\t1", "Seccomp:\t2", &format!("Seccomp_filters:\t{filters}")];
    assert_eq!(says(&lab, &lab.shell(script)).await, [expected, expected].concat());
}

/// Makes the call inside: `ok`, or the number of the error.
async fn answer(lab: &Lab, spec: &InstanceSpec, call: libc::c_long, arguments: &[i64]) -> String {
    let mut spec = lab.again(spec);
    let numbers = [call].into_iter().chain(arguments.iter().copied());
    let numbers = numbers.map(|number| number.to_string());
    spec.command = ["/kiln-probe".to_owned()].into_iter().chain(numbers).collect();
    says(lab, &spec).await.concat()
}

async fn check(call: libc::c_long, arguments: &[i64], expected: &str) {
    let lab = Lab::new();
    lab.install(env!("CARGO_BIN_EXE_kiln-probe"));
    for spec in [lab.shell(""), mighty(&lab, "")] {
        let answer = answer(&lab, &spec, call, arguments).await;
        assert_eq!(answer, expected, "{call} {arguments:?} as {}", spec.user.uid);
    }
}

const EPERM: &str = "1";
const ENOSYS: &str = "38";

#[tokio::test]
async fn nobody_starts_a_namespace_not_even_one_of_users() {
    let user = i64::from(libc::CLONE_NEWUSER);
    check(libc::SYS_unshare, &[user], EPERM).await;
    check(libc::SYS_clone, &[user | i64::from(libc::SIGCHLD)], EPERM).await;
    check(libc::SYS_clone3, &[], ENOSYS).await;
}

#[tokio::test]
async fn nobody_mounts() {
    check(libc::SYS_mount, &[], EPERM).await;
    check(libc::SYS_fsopen, &[], EPERM).await;
    check(libc::SYS_open_tree, &[], EPERM).await;
}

#[tokio::test]
async fn sockets_have_the_usual_families() {
    for family in [libc::AF_VSOCK, libc::AF_ALG, libc::AF_PACKET, 9999] {
        check(libc::SYS_socket, &[family.into(), libc::SOCK_RAW.into()], EPERM).await;
    }
    for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
        check(libc::SYS_socket, &[family.into(), libc::SOCK_STREAM.into()], "ok").await;
    }
    check(libc::SYS_socket, &[libc::AF_NETLINK.into(), libc::SOCK_RAW.into()], "ok").await;
}

#[tokio::test]
async fn protections_of_memory_stay_on() {
    check(libc::SYS_personality, &[libc::ADDR_NO_RANDOMIZE.into()], EPERM).await;
    check(libc::SYS_personality, &[-1], "ok").await;
    check(libc::SYS_userfaultfd, &[1], EPERM).await;
}

#[tokio::test]
async fn key_rings_and_programs_for_the_kernel_are_nobodys() {
    check(libc::SYS_keyctl, &[0, -3], EPERM).await;
    check(libc::SYS_bpf, &[], EPERM).await;
    check(libc::SYS_kcmp, &[1, 1, 0], EPERM).await;
}

#[tokio::test]
async fn a_call_that_nobody_has_heard_of_does_not_exist() {
    const ANOTHER_ABI: libc::c_long = 0x4000_0000;
    for call in [9999, libc::SYS_io_uring_setup, ANOTHER_ABI + libc::SYS_getpid] {
        check(call, &[], ENOSYS).await;
    }
}

#[tokio::test]
async fn nobody_makes_a_device_and_a_step_makes_a_pipe() {
    let lab = Lab::new();
    let script = "mknod /tmp/disk b 8 0 || echo no disk; mkfifo /tmp/pipe && ls /tmp";
    for spec in [lab.shell(script), mighty(&lab, script)] {
        assert_eq!(says(&lab, &spec).await, ["no disk", "pipe"]);
    }
}

#[tokio::test]
async fn the_kernels_secrets_are_hidden_and_its_switches_stay() {
    let lab = Lab::new();
    let script = "for at in kcore keys latency_stats sched_debug timer_list interrupts; do
             [ ! -e /proc/$at ] || [ -z \"$(head -c 1 /proc/$at)\" ] || echo read $at
         done
         for at in acpi scsi asound; do [ -z \"$(ls /proc/$at 2>/dev/null)\" ] || echo listed $at; done
         for at in /sys/firmware /sys/devices/virtual/powercap; do
             [ -z \"$(ls $at 2>/dev/null)\" ] || echo listed $at
         done
         for at in sysrq-trigger sys/kernel/core_pattern sys/kernel/panic sys/vm/swappiness; do
             value=$(cat /proc/$at 2>/dev/null)
             (echo \"$value\" > /proc/$at) 2>/dev/null && echo wrote $at
         done
         (echo 10 > /sys/kernel/mm/ksm/sleep_millisecs) 2>/dev/null && echo wrote sys
         mkdir /sys/fs/cgroup/x 2>/dev/null && echo made a group
         chmod 0777 /proc/sys/kernel/core_pattern 2>/dev/null && echo changed a mode
         echo end";
    for spec in [lab.shell(script), mighty(&lab, script)] {
        assert_eq!(says(&lab, &spec).await, ["end"]);
    }
}

/// Some of the shim's descriptors are directories of the host's.
#[tokio::test]
async fn no_working_directory_leads_out() {
    let lab = Lab::new();
    for number in 0..32 {
        for beyond in ["", "/..", "/../../../../.."] {
            let mut spec = lab.shell("pwd");
            spec.cwd = format!("/proc/self/fd/{number}{beyond}").into();
            lab.try_launch(&spec).await.unwrap_err();
        }
    }
}

/// Root outside can do all that root inside could ever do: what it cannot write through the process,
/// nobody can.
#[tokio::test]
async fn the_program_behind_an_instance_cannot_be_written_through_it() {
    let lab = Lab::new();
    // Nobody else runs from this copy: a file that is busy could not be written either, for a while.
    let copy = lab.dir.path().join("copy");
    std::fs::copy(SHIM, &copy).unwrap();
    let spec = lab.shell("exec sleep 1000");
    let place = lab.place(&spec);
    std::fs::create_dir_all(&place).unwrap();
    spec.write(&place).unwrap();
    let instance = kiln_container::launch(&copy, &place).await.unwrap();
    let program = File::open(format!("/proc/{}/exe", instance.shim.pid)).unwrap();
    signal_stop(&instance.shim, &lab.boot).unwrap();
    lab.ended(&spec, &instance).await;
    let again = format!("/proc/self/fd/{}", program.as_raw_fd());
    let refused = OpenOptions::new().write(true).open(again).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
    let refused = program.set_permissions(Permissions::from_mode(0o777)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
}

#[tokio::test]
async fn no_socket_and_no_file_of_kiln_is_inside() {
    let lab = Lab::new();
    let spec = mighty(&lab, "find / -xdev -type s; find /run -type f; ls -A /run; echo end");
    assert_eq!(says(&lab, &spec).await, ["kiln", "end"]);
}
