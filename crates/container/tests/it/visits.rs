//! Commands run inside a running instance.

use crate::lab::{Lab, PATIENCE, SHIM, status, until};
use kiln_container::{EnterError, Entered, Instance, InstanceSpec, enter, signal_stop, step};
use kiln_init::{HEARTBEAT, InitSpec};
use kiln_names::ByteSize;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::{Duration, Instant};

/// A service that never reaps what it did not start.
const SERVICE: &str = "echo here > /tmp/mark; echo ready; exec sleep 1000";

async fn service(lab: &Lab, change: impl FnOnce(&mut InstanceSpec)) -> (InstanceSpec, Instance) {
    let mut spec = lab.shell(SERVICE);
    change(&mut spec);
    let instance = lab.launch(&spec).await;
    lab.until_logged(&spec, "ready").await;
    (spec, instance)
}

async fn within(
    lab: &Lab,
    spec: &InstanceSpec,
    script: &str,
    deadline: Duration,
) -> Result<Entered, EnterError> {
    let command = ["/bin/sh", "-c", script].map(str::to_owned);
    enter(Path::new(SHIM), &lab.place(spec), &command, deadline).await
}

async fn run(lab: &Lab, spec: &InstanceSpec, script: &str) -> Entered {
    within(lab, spec, script, PATIENCE).await.unwrap()
}

/// What a script says that succeeds.
async fn says(lab: &Lab, spec: &InstanceSpec, script: &str) -> Vec<String> {
    let entered = run(lab, spec, script).await;
    assert_eq!((entered.code, entered.signal, entered.late), (Some(0), None, false), "{entered:?}");
    entered.lines
}

/// Nothing of any visit is left: no process, not even a dead one, and no control group.
fn alone(lab: &Lab, spec: &InstanceSpec) -> bool {
    lab.cgroups.usage(&spec.instance).pids == Some(1) && groups(lab, spec).is_empty()
}

fn groups(lab: &Lab, spec: &InstanceSpec) -> Vec<String> {
    let group = format!("kiln/{}/i-{}", lab.install, spec.instance);
    let mounts = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|it| it.path());
    let entries = mounts.chain(["/sys/fs/cgroup".into()]).filter_map(|mount| {
        std::fs::read_dir(mount.join(&group)).ok() // Not all have the group.
    });
    let names = entries.flatten().flatten().filter(|it| it.file_type().unwrap().is_dir());
    names.map(|it| it.file_name().into_string().unwrap()).collect()
}

async fn stop(lab: &Lab, spec: &InstanceSpec, instance: &Instance) {
    signal_stop(&instance.shim, &lab.boot).unwrap();
    assert_eq!(lab.ended(spec, instance).await.cause, "stopped by SIGTERM");
}

/// How many files its main process may open.
fn files(instance: &Instance) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", instance.pid)).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_ascii_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_command_sees_what_the_instance_sees() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |spec| {
        spec.env.insert("GREETING".to_owned(), "hello".to_owned());
        spec.cwd = "/tmp".into();
    })
    .await;
    let script = "cat mark; hostname; id -u; id -g; id -G; pwd; umask; echo $GREETING $PATH
         ps -o comm | grep -c '^sleep$'; ulimit -n; ls /proc/self/fd | tr '\\n' ' '; echo
         readlink /proc/self/fd/0; for kind in mnt pid net ipc uts cgroup user; do
             [ $(readlink /proc/1/ns/$kind) = $(readlink /proc/self/ns/$kind) ] || echo $kind
         done";
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let expected = ["here", "lab", "4242", "4343", "4343", "/tmp", "0022"].map(str::to_owned);
    let expected = expected.into_iter().chain([format!("hello {path}")]);
    let expected =
        expected.chain(["1", &files(&instance), "0 1 2 3 ", "/dev/null"].map(str::to_owned));
    // The third is the directory that `ls` reads.
    assert_eq!(says(&lab, &spec, script).await, expected.collect::<Vec<_>>());
    assert!(alone(&lab, &spec));
    stop(&lab, &spec, &instance).await;
}

#[tokio::test]
async fn a_command_has_the_walls_of_the_instance() {
    let lab = Lab::new();
    lab.install(env!("CARGO_BIN_EXE_kiln-probe"));
    let rights: [&dyn Fn(&mut InstanceSpec); 3] =
        [&|_| {}, &|spec| spec.capabilities = vec!["NET_BIND_SERVICE".to_owned()], &|spec| {
            (spec.user.uid, spec.user.gid) = (0, 0);
            spec.capabilities = step::CAPABILITIES.map(str::to_owned).into();
        }];
    for right in rights {
        let (spec, instance) = service(&lab, right).await;
        // Not by a shell, which has signals of its own to ignore.
        let fields = "^(Cap.*|Seccomp.*|NoNewPrivs|[UG]id|Groups|SigIgn|SigBlk):";
        let command = ["/bin/grep", "-E", fields, "/proc/self/status"].map(str::to_owned);
        let entered = enter(Path::new(SHIM), &lab.place(&spec), &command, PATIENCE).await;
        let lines = entered.unwrap().lines;
        let its = lines.iter().map(|line| line.split_once(": ").unwrap());
        assert!(its.clone().count() > 10, "{lines:?}");
        for (field, value) in its {
            assert_eq!(value, status(instance.pid, field).replace('\t', " "), "{field}");
        }
        let calls = [libc::SYS_mount, libc::SYS_bpf, libc::SYS_keyctl, libc::SYS_io_uring_setup];
        let calls = calls.map(|call| format!("/kiln-probe {call}; ")).concat();
        let user = libc::CLONE_NEWUSER;
        let script = format!("{calls} /kiln-probe {} {user}", libc::SYS_unshare);
        assert_eq!(says(&lab, &spec, &script).await, ["1", "1", "1", "38", "1"]);
        stop(&lab, &spec, &instance).await;
    }
}

#[tokio::test]
async fn a_command_tells_how_it_ended_and_what_it_said_last() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    let entered =
        run(&lab, &spec, "echo out; echo err >&2; echo again > /dev/stdout; exit 7").await;
    assert_eq!((entered.code, entered.signal, entered.late), (Some(7), None, false));
    assert_eq!(entered.lines, ["out", "err", "again"]);
    let entered = run(&lab, &spec, "kill -USR1 $$").await;
    assert_eq!((entered.code, entered.signal), (None, Some(10)));
    let script = "i=0; while [ $i -lt 5000 ]; do echo $i; i=$((i + 1)); done
         head -c 3000000 /dev/zero | tr '\\0' x; echo; printf '\\033[2J'";
    let lines = says(&lab, &spec, script).await;
    assert_eq!(lines.len(), 20);
    assert_eq!((lines[0].as_str(), lines[17].as_str()), ("4982", "4999"));
    assert_eq!((lines[18].as_str(), lines[19].as_str()), (&*"x".repeat(300), "\u{fffd}[2J"));
    stop(&lab, &spec, &instance).await;
}

#[tokio::test]
async fn what_cannot_be_run_says_why() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    let check = async |command: &[&str], expected: &str| {
        let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        let entered = enter(Path::new(SHIM), &lab.place(&spec), &command, PATIENCE).await;
        let Err(EnterError::Refused(why)) = entered else { panic!("{entered:?}") };
        assert_eq!(why, expected);
        assert!(alone(&lab, &spec));
    };
    check(&["no-such"], "failed to run no-such: No such file or directory (os error 2)").await;
    check(&["/tmp"], "failed to run /tmp: Permission denied (os error 13)").await;
    check(&[], "failed to understand what to run: the command is empty").await;
    stop(&lab, &spec, &instance).await;
}

#[tokio::test]
async fn memory_of_a_command_counts_as_the_instances() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |it| it.limits.memory = Some(ByteSize::mib(24))).await;
    let entered = run(&lab, &spec, "exec awk 'BEGIN { s = \"x\"; while (1) s = s s }'").await;
    assert_eq!((entered.code, entered.signal, entered.late), (None, Some(9), false));
    assert!(lab.cgroups.oom_kills(&spec.instance) > 0);
    assert!(lab.cgroups.usage(&spec.instance).memory_peak_bytes.unwrap() > 20 << 20);
    assert_eq!(says(&lab, &spec, "echo fine").await, ["fine"], "the service was spared");
    signal_stop(&instance.shim, &lab.boot).unwrap();
    assert!(lab.ended(&spec, &instance).await.oom_killed);
}

#[tokio::test]
async fn processes_of_a_command_count_as_the_instances() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |it| it.limits.pids = Some(8)).await;
    let bomb = "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo made";
    let entered = run(&lab, &spec, bomb).await;
    assert!(entered.lines.iter().any(|line| line.contains("can't fork")), "{entered:?}");
    assert!(alone(&lab, &spec));
    stop(&lab, &spec, &instance).await;
}

/// Detached in every way there is: a session of its own, no parent, no terminal, signals ignored.
const DAEMON: &str = "(trap '' HUP TERM; setsid sh -c \
    'echo $$ > /tmp/daemon; while :; do sleep 0.01 & wait; done' > /dev/null 2>&1 &) ; \
    until [ -s /tmp/daemon ]; do :; done; ";

#[tokio::test]
async fn what_a_command_leaves_running_is_killed_and_reaped() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    let lines = says(&lab, &spec, &format!("{DAEMON} echo left $(cat /tmp/daemon)")).await;
    assert!(lines[0].starts_with("left "), "{lines:?}");
    assert!(alone(&lab, &spec), "{:?}", lab.cgroups.members(&spec.instance));
    stop(&lab, &spec, &instance).await;
}

#[tokio::test]
async fn a_deadline_kills_all_that_the_command_started() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    let begun = Instant::now();
    let script = format!("{DAEMON} echo waiting; sleep 1000");
    let entered = within(&lab, &spec, &script, Duration::from_secs(1)).await.unwrap();
    assert!((1000..5000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    let lines = vec!["waiting".to_owned()];
    assert_eq!(entered, Entered { code: None, signal: Some(9), late: true, lines });
    assert!(alone(&lab, &spec));
    stop(&lab, &spec, &instance).await;
}

#[tokio::test]
async fn a_visit_that_nobody_waits_for_any_more_is_killed() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    let script = format!("{DAEMON} echo daemon >> /tmp/mark; sleep 1000");
    // The deadline is far: it is not what ends it.
    let dropped = within(&lab, &spec, &script, PATIENCE * 100);
    tokio::time::timeout(Duration::from_secs(1), dropped).await.unwrap_err();
    until("nothing of it is left", || alone(&lab, &spec)).await;
    let marks = says(&lab, &spec, "cat /tmp/mark").await;
    assert_eq!(marks, ["here", "daemon"], "it had got that far");
    stop(&lab, &spec, &instance).await;
}

#[tokio::test]
async fn visits_do_not_disturb_each_other() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    let scripts: Vec<String> =
        (0..8).map(|it| format!("{DAEMON} sleep 0.0{it}; echo {it}")).collect();
    let visits = scripts.iter().map(|script| says(&lab, &spec, script));
    for (number, lines) in crate::lifecycle::futures(visits).await.into_iter().enumerate() {
        assert_eq!(lines, [number.to_string()]);
    }
    assert!(alone(&lab, &spec));
    stop(&lab, &spec, &instance).await;
}

async fn refused(lab: &Lab, spec: &InstanceSpec) -> EnterError {
    within(lab, spec, "echo in", PATIENCE).await.expect_err("nobody is to be entered")
}

#[tokio::test]
async fn an_instance_that_ended_is_not_entered() {
    let lab = Lab::new();
    let spec = lab.shell("exit 3");
    std::fs::create_dir_all(lab.place(&spec)).unwrap();
    spec.write(&lab.place(&spec)).unwrap();
    let error = refused(&lab, &spec).await;
    assert_eq!(error.to_string(), "failed to find the instance: it has not started");
    let instance = lab.launch(&spec).await;
    lab.ended(&spec, &instance).await;
    let error = refused(&lab, &spec).await;
    let why = "failed to find the instance: it has ended: exited with code 3";
    assert!(matches!(&error, EnterError::Ended(text) if text == why), "{error:?}");
}

#[tokio::test]
async fn an_instance_without_its_shim_is_not_entered() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    kill_process(Pid::from_raw(instance.shim.pid).unwrap(), Signal::KILL).unwrap();
    kiln_container::wait(&instance.shim, &lab.boot).await.unwrap();
    let error = refused(&lab, &spec).await;
    let why = "failed to find the instance: it has ended, and its shim did not say how";
    assert!(matches!(&error, EnterError::Ended(text) if text == why), "{error:?}");
    kiln_container::cleanup(&lab.place(&spec), &lab.cgroups).unwrap();
}

#[tokio::test]
async fn whoever_has_the_number_of_an_instance_now_is_not_entered() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    let (other, other_instance) = service(&lab, |_| {}).await;
    let path = lab.place(&spec).join("state.json");
    let truth = std::fs::read_to_string(&path).unwrap();
    let tell = |field: &str, was: String, is: String| {
        let (was, is) = (format!("\"{field}\":{was}"), format!("\"{field}\":{is}"));
        assert!(truth.contains(&was), "{truth}");
        std::fs::write(&path, truth.replace(&was, &is)).unwrap();
    };
    // Another instance's process; one of the host's; the shim itself.
    for pid in [other_instance.pid, 1, instance.shim.pid] {
        tell("pid", instance.pid.to_string(), pid.to_string());
        let error = refused(&lab, &spec).await.to_string();
        let shim = instance.shim.pid;
        let why = format!("process {pid} is not the one that shim {shim} started");
        assert_eq!(error, format!("failed to find the instance: {why}"));
    }
    // Another shim with the number of the old one.
    let start = instance.shim.start_time;
    tell("start_time", start.to_string(), (start - 1).to_string());
    assert!(matches!(refused(&lab, &spec).await, EnterError::Ended(_)));
    std::fs::write(&path, truth).unwrap();
    assert_eq!(says(&lab, &spec, "echo in").await, ["in"]);
    stop(&lab, &spec, &instance).await;
    stop(&lab, &other, &other_instance).await;
}

#[tokio::test]
async fn an_instance_that_ends_meanwhile_ends_the_visit() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    let visit = within(&lab, &spec, "echo in; sleep 1000", PATIENCE);
    let end = async {
        until("it is in", || lab.cgroups.members(&spec.instance).len() > 2).await;
        stop(&lab, &spec, &instance).await;
    };
    let (entered, ()) = tokio::join!(visit, end);
    assert_eq!(entered.unwrap().signal, Some(9));
    assert!(lab.cgroups.list().is_empty());
}

#[tokio::test]
async fn a_visit_whose_process_was_killed_is_cleaned_up_by_the_next() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |_| {}).await;
    let script = format!("{DAEMON} echo in >> /tmp/mark; sleep 1000");
    let visit = within(&lab, &spec, &script, PATIENCE);
    let kill = async {
        until("it is in", || lab.cgroups.members(&spec.instance).len() > 3).await;
        until("its daemon runs", || {
            let mark = format!("/proc/{}/root/tmp/mark", instance.pid);
            std::fs::read_to_string(mark).unwrap().contains("in")
        })
        .await;
        let [group] = &groups(&lab, &spec)[..] else { panic!() };
        let pid = group.split('-').nth(1).unwrap().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::KILL).unwrap();
    };
    let (entered, ()) = tokio::join!(visit, kill);
    assert!(matches!(entered, Err(EnterError::BrokeOff(_))), "{entered:?}");
    assert_eq!(groups(&lab, &spec).len(), 1, "nobody was left to remove it");
    assert_eq!(says(&lab, &spec, "echo next").await, ["next"]);
    assert_eq!(groups(&lab, &spec), [""; 0]);
    until("only the service runs", || lab.cgroups.members(&spec.instance).len() == 1).await;
    stop(&lab, &spec, &instance).await;
}

/// A root that may do what a bake may, and does all it can to keep a visit from ending.
#[tokio::test]
async fn a_service_cannot_keep_a_visit_from_ending() {
    let lab = Lab::new();
    let (spec, instance) = service(&lab, |spec| {
        (spec.user.uid, spec.user.gid) = (0, 0);
        spec.capabilities = step::CAPABILITIES.map(str::to_owned).into();
    })
    .await;
    says(&lab, &spec, "rm /dev/null; mkfifo /dev/null").await;
    let begun = Instant::now();
    let entered = within(&lab, &spec, "echo in", Duration::from_millis(500)).await.unwrap();
    assert!(entered.late && entered.lines.is_empty(), "{entered:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    until("it is alone", || alone(&lab, &spec)).await;
    stop(&lab, &spec, &instance).await;
}

/// As a service that Kiln baked: `kiln-init` starts it, and looks at its heartbeat.
#[tokio::test]
async fn a_heartbeat_is_looked_at_from_inside() {
    let lab = Lab::new();
    lab.install_init();
    let settings = InitSpec {
        command: ["/bin/sh", "-c", SERVICE].map(str::to_owned).into(),
        env: [("GREETING".to_owned(), "hello".to_owned())].into(),
        ..InitSpec::default()
    };
    let (spec, instance) = service(&lab, |spec| {
        spec.command = vec!["/kiln-init".to_owned()];
        spec.init = Some(settings);
    })
    .await;
    let look = async |age: &str| {
        let command = ["/kiln-init", HEARTBEAT, "/tmp/mark", age].map(str::to_owned);
        let entered = enter(Path::new(SHIM), &lab.place(&spec), &command, PATIENCE).await.unwrap();
        (entered.code, entered.lines)
    };
    assert_eq!(look("60000").await, (Some(0), vec![]));
    says(&lab, &spec, "touch -d '2001-01-01 00:00' /tmp/mark").await;
    let (code, lines) = look("60000").await;
    assert_eq!(code, Some(1));
    assert!(lines[0].starts_with("/tmp/mark is ") && lines[0].ends_with(" s old, 60 s allowed"));
    says(&lab, &spec, "rm /tmp/mark").await;
    assert_eq!(look("60000").await, (Some(1), vec!["there is no /tmp/mark".to_owned()]));
    let lines = says(&lab, &spec, "echo $GREETING; env | grep -c KILN || true").await;
    assert_eq!(lines, ["hello", "0"], "{lines:?}");
    stop(&lab, &spec, &instance).await;
}
