//! Start, output, stop, end.

use crate::lab::{Lab, PATIENCE, until};
use kiln_container::{ExitRecord, InstanceSpec, Output, log_files, signal_stop};
use kiln_init::InitSpec;
use kiln_names::Span;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

#[tokio::test]
async fn an_instance_runs_logs_and_tells_how_it_ended() {
    let lab = Lab::new();
    let (record, log) = lab.run(&lab.shell("echo out; echo err >&2; exit 7")).await;
    assert_eq!((record.code, record.signal, record.oom_killed), (Some(7), None, false));
    assert_eq!(record.cause, "exited with code 7");
    assert!(record.started_at.unwrap() <= record.ended_at);
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["stderr F err", "stdout F out"]);
}

#[tokio::test]
async fn a_command_that_ends_before_anybody_looks_is_recorded() {
    let lab = Lab::new();
    let (record, log) = lab.run(&lab.shell("true")).await;
    assert_eq!((record.code, log.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn more_output_than_a_log_keeps_leaves_five_files_and_the_end() {
    let lab = Lab::new();
    let lines = 900_000;
    let count = format!("for (i = 1; i <= {lines}; i++) printf \"%080d\\n\", i");
    let spec = lab.shell(&format!("awk 'BEGIN {{ {count} }}'"));
    let (record, log) = lab.run(&spec).await;
    assert_eq!(record.code, Some(0), "{}", record.cause);
    let files = log_files(&lab.place(&spec));
    assert_eq!(files.len(), 5);
    let largest = files.iter().map(|file| file.metadata().unwrap().len()).max().unwrap();
    assert!(largest < 11 << 20, "{largest}");
    let numbers: Vec<u32> =
        log.lines().map(|line| line.trim_start_matches("stdout F ").parse().unwrap()).collect();
    let first = numbers[0];
    assert!(numbers.iter().copied().eq(first..=lines), "the end, without a gap");
}

async fn stopped(lab: &Lab, spec: &InstanceSpec) -> (ExitRecord, std::time::Duration) {
    let instance = lab.launch(spec).await;
    lab.until_logged(spec, "ready").await;
    let asked = Instant::now();
    signal_stop(&instance.shim, &lab.boot).unwrap();
    let record = lab.ended(spec, &instance).await;
    (record, asked.elapsed())
}

#[tokio::test]
async fn a_stopped_service_gets_its_signal_and_may_finish() {
    let lab = Lab::new();
    let mut spec =
        lab.shell("trap 'echo bye; exit 3' USR1; echo ready; while :; do sleep 0.01; done");
    spec.stop.signal = "SIGUSR1".to_owned();
    let (record, _) = stopped(&lab, &spec).await;
    assert_eq!((record.code, record.cause.as_str()), (Some(3), "stopped by SIGUSR1"));
    assert!(lab.log(&spec).contains("stdout F bye"));
}

#[tokio::test]
async fn a_service_that_does_not_stop_is_killed_at_the_timeout() {
    let lab = Lab::new();
    let mut spec = lab.shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    spec.stop.timeout = Span::millis(300);
    let (record, took) = stopped(&lab, &spec).await;
    assert_eq!(record.cause, "killed: still running 300ms after SIGTERM");
    assert_eq!(record.signal, Some(9));
    assert!(took.as_millis() >= 300, "{took:?}");
}

#[tokio::test]
async fn a_service_that_never_heard_of_the_signal_does_not_wait_for_the_timeout() {
    let lab = Lab::new();
    let mut spec = lab.shell("echo ready; exec sleep 1000");
    spec.stop.timeout = Span::seconds(600);
    let (record, _) = stopped(&lab, &spec).await;
    assert_eq!(record.cause, "stopped by SIGTERM");
}

#[tokio::test]
async fn a_second_request_kills_at_once() {
    let lab = Lab::new();
    let mut spec = lab.shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    spec.stop.timeout = Span::seconds(600);
    let instance = lab.launch(&spec).await;
    lab.until_logged(&spec, "ready").await;
    signal_stop(&instance.shim, &lab.boot).unwrap();
    // The second is only a second one once the first has been taken.
    let pending = || crate::lab::status(instance.shim.pid, "ShdPnd") != "0000000000000000";
    until("the first request is taken", || !pending()).await;
    signal_stop(&instance.shim, &lab.boot).unwrap();
    assert_eq!(lab.ended(&spec, &instance).await.cause, "killed on request");
    signal_stop(&instance.shim, &lab.boot).expect("a shim that has ended needs no stopping");
}

#[tokio::test]
async fn what_the_main_process_leaves_running_dies_with_it() {
    let lab = Lab::new();
    let spec = lab.shell("(trap '' HUP TERM; sleep 1000) & echo ready");
    let started = Instant::now();
    let (record, _) = lab.run(&spec).await;
    assert_eq!(record.code, Some(0));
    assert!(started.elapsed() < PATIENCE);
    assert!(lab.cgroups.list().is_empty(), "its group is gone, so its processes are");
}

#[tokio::test]
async fn a_service_starts_through_kiln_init_with_its_settings() {
    let lab = Lab::new();
    let mut spec = lab.shell("");
    lab.install_init();
    let script = "cat /run/kiln/application.properties; echo $GREETING; ls -ld /run/kiln; id -u";
    let mut settings = InitSpec {
        launch: vec!["echo launching".to_owned()],
        command: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        ..InitSpec::default()
    };
    settings.properties.insert("greeting".to_owned(), "hello: you".into());
    settings.env.insert("GREETING".to_owned(), "hello: you".to_owned());
    spec.command = vec!["/kiln-init".to_owned()];
    spec.init = Some(settings);
    let (record, log) = lab.run(&spec).await;
    assert_eq!(record.code, Some(0), "{log}");
    let lines: Vec<&str> = log.lines().map(|it| it.trim_start_matches("stdout F ")).collect();
    assert_eq!(lines[..3], ["launching", "greeting=hello\\: you", "hello: you"]);
    assert!(lines[3].starts_with("drwxr-xr-x") && lines[3].contains(" 4242"), "{}", lines[3]);
    assert_eq!(lines[4], "4242");
}

#[tokio::test]
async fn what_cannot_start_says_why_and_leaves_nothing() {
    let lab = Lab::new();
    let check = async |change: &dyn Fn(&mut InstanceSpec), expected: &str| {
        let mut spec = lab.shell("true");
        change(&mut spec);
        let error = lab.try_launch(&spec).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        let record = kiln_container::exit_record(&lab.place(&spec)).unwrap().unwrap();
        assert_eq!((record.cause, record.started_at), (error, None));
        assert!(lab.cgroups.list().is_empty());
    };
    check(&|it| it.command[0] = "/usr/bin/x".into(), "command /usr/bin/x is not in the image")
        .await;
    check(&|it| it.command[0] = "no-such".into(), "command no-such is not in the image").await;
    check(&|it| it.root.lower.push("/no/layer".into()), "there is no layer /no/layer").await;
    check(&|it| it.cwd = "/bin/busybox".into(), "/bin/busybox").await;
    check(&|it| it.capabilities = vec!["NO_SUCH".into()], "failed to create the container").await;
    check(&|it| it.writable = vec!["/bin/busybox/x".into()], "/bin/busybox").await;
    check(&|it| it.v = 2, "version 2").await;
    let broken = lab.image().join("broken");
    std::fs::write(lab.image().join("text"), "not a program").unwrap();
    std::fs::write(&broken, "#!/text\n").unwrap();
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    check(&|it| it.command = vec!["/broken".into()], "/broken could not be executed").await;
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o700)).unwrap();
    check(&|it| it.command = vec!["/broken".into()], "may not execute /broken").await;
}

#[tokio::test]
async fn an_instance_whose_caller_listens_ends_with_the_caller() {
    let lab = Lab::new();
    let mut spec = lab.shell("exec sleep 1000");
    spec.output = Output::Caller;
    // `launch` hangs up as soon as it knows that the command runs.
    let instance = lab.launch(&spec).await;
    assert!(lab.ended(&spec, &instance).await.cause.contains("has gone"));
}

#[tokio::test]
async fn many_instances_start_and_stop_side_by_side() {
    let lab = Lab::new();
    let specs: Vec<_> = (0..16).map(|_| lab.shell("echo ready; exec sleep 1000")).collect();
    let started = futures(specs.iter().map(|spec| lab.launch(spec))).await;
    for instance in &started {
        signal_stop(&instance.shim, &lab.boot).unwrap();
    }
    for (spec, instance) in specs.iter().zip(&started) {
        assert_eq!(lab.ended(spec, instance).await.cause, "stopped by SIGTERM");
    }
}

pub(crate) async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        let ready = done.iter().all(Option::is_some);
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
