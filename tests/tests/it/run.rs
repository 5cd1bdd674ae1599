//! `kiln run`: the image itself, here and now, watched, and nothing of it left.

use kiln_tests::{Kiln, Project, Ran, note, until, until_some};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// A Kiln with `hello:1`, which answers `hello 1`.
fn with_hello() -> (Kiln, Project) {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    kiln.done(["bake", "hello", "1", "--dir", project.dir()]);
    (kiln, project)
}

/// Everything that instances leave: files, control groups, network links.
fn left(kiln: &Kiln) -> Vec<PathBuf> {
    let install = kiln.install();
    let names = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let begins = |path: &Path, text: &str| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(text))
    };
    let mut left = names(&kiln.data().join("instances"));
    let hierarchies = names(Path::new("/sys/fs/cgroup"));
    let groups = hierarchies.iter().map(PathBuf::as_path).chain([Path::new("/sys/fs/cgroup")]);
    let groups = groups.flat_map(|root| names(&root.join("kiln").join(&install)));
    left.extend(groups.filter(|path| begins(path, "i-")));
    let links = names(Path::new("/sys/class/net")).into_iter();
    left.extend(links.filter(|path| begins(path, &format!("kv{install}"))));
    left
}

#[track_caller]
fn nothing_is_left(kiln: &Kiln) {
    assert_eq!(left(kiln), Vec::<PathBuf>::new());
}

/// A run that goes on while the test does other things.
struct Running {
    child: Child,
    directory: PathBuf,
}

impl Running {
    fn start(kiln: &Kiln, name: &str, arguments: &[&str]) -> Self {
        let directory = kiln.scratch().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let file = |name: &str| File::create(directory.join(name)).unwrap();
        let mut command = kiln.command([&["run"], arguments].concat());
        let command = command.stdout(file("stdout")).stderr(file("stderr"));
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        Self { child, directory }
    }

    fn said(&self, stream: &str) -> String {
        std::fs::read_to_string(self.directory.join(stream)).unwrap()
    }

    fn until_says(&self, text: &str) {
        until(&format!("it says {text:?}"), SOON, || self.said("stdout").contains(text));
    }

    /// Where it says that it listens.
    fn address(&self) -> SocketAddr {
        until_some("it says where it listens", SOON, || {
            let said = self.said("stderr");
            let rest = said.split_once("http://")?.1;
            rest.split_once(';')?.0.parse().ok()
        })
    }

    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    fn code(&mut self) -> Option<i32> {
        until("the command has ended", SOON, || {
            Path::new(&format!("/proc/{}/stat", self.child.id())).exists() && {
                let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
                stat.is_ok_and(|text| text.contains(") Z "))
            }
        });
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a service answers that has no route.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn shell(kiln: &Kiln, script: &str) -> Ran {
    kiln.run(["run", "hello:1", "--", "/bin/sh", "-c", script])
}

#[test]
fn a_run_says_what_its_command_says_and_ends_as_it_does() {
    let (kiln, _project) = with_hello();
    let ran = shell(&kiln, "echo out; echo err >&2; cat; printf 'no end'; exit 7").exits(7);
    assert_eq!(ran.stdout, "out\nno end");
    assert!(ran.stderr.ends_with("err\n"), "{ran}");
    nothing_is_left(&kiln);
    let lines = kiln.run(["run", "hello:1", "--json", "--", "/bin/echo", "x"]).exits(0).lines();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["started", "output", "ended"]);
    assert_eq!((&lines[1]["text"], &lines[1]["source"]), (&"x".into(), &"stdout".into()));
    assert_eq!(kiln.list(["deployments"]).len(), 0, "nothing is recorded");
    nothing_is_left(&kiln);
}

/// Not judged: a busy machine is no mistake.
#[test]
fn how_long_a_run_takes_is_shown() {
    let (kiln, _project) = with_hello();
    let took = || kiln.done(["run", "hello:1", "--", "/bin/echo", "x"]).took;
    let first = took();
    let mut more: Vec<Duration> = (0..10).map(|_| took()).collect();
    more.sort();
    note(&format!("kiln run IMAGE -- /bin/echo x: first {first:?}, then {:?}", more[5]));
}

#[test]
fn a_run_is_walled_in_as_an_instance_is() {
    let (kiln, _project) = with_hello();
    let ran = shell(&kiln, "cat /proc/self/status; echo > /srv/x || echo read-only");
    let ran = ran.exits(0);
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "Uid:\t65532"] {
        assert!(ran.stdout.contains(line), "{line}: {ran}");
    }
    ran.says(&["read-only"]);
}

#[test]
fn a_service_listens_where_its_run_says_and_stops_when_asked() {
    let (kiln, _project) = with_hello();
    let mut run = Running::start(&kiln, "service", &["hello:1"]);
    let address = run.address();
    run.until_says("listening on 8080");
    assert!(get(address, "/").ends_with("hello 1\n"));
    let routed = kiln_load::get(&kiln.target("hello"), "/").unwrap();
    assert_eq!(routed.status.as_u16(), 404, "a run has no route");
    run.send(Signal::INT);
    assert_eq!(
        run.code(),
        Some(0),
        "the service ends well when it is told to: {}",
        run.said("stderr")
    );
    nothing_is_left(&kiln);
}

#[test]
fn a_run_that_a_signal_ends_is_told_by_128_and_its_number() {
    let (kiln, _project) = with_hello();
    let mut run = Running::start(&kiln, "service", &["hello:1"]);
    let address = run.address();
    run.until_says("listening on 8080");
    get(address, "/crash");
    let code = run.code().unwrap();
    assert!((129..160).contains(&code), "{code}");
    assert!(run.said("stderr").contains("killed by SIG"), "{}", run.said("stderr"));
}

#[test]
fn a_second_interrupt_kills_what_minds_none() {
    let (kiln, _project) = with_hello();
    let deaf = "trap '' TERM; echo deaf; while true; do sleep 1; done";
    let mut run = Running::start(&kiln, "deaf", &["hello:1", "--", "/bin/sh", "-c", deaf]);
    run.until_says("deaf");
    run.send(Signal::TERM);
    until("it says how to kill", SOON, || run.said("stderr").contains("again kills"));
    run.send(Signal::INT);
    assert_eq!(run.code(), Some(128 + 9), "{}", run.said("stderr"));
    nothing_is_left(&kiln);
}

#[test]
fn a_run_ends_with_the_command_that_watches_it() {
    let (kiln, _project) = with_hello();
    let run = Running::start(&kiln, "service", &["hello:1"]);
    run.until_says("listening on 8080");
    assert_eq!(kiln.instance_pids().len(), 1);
    run.send(Signal::KILL);
    until("nothing is left", SOON, || left(&kiln).is_empty());
}

#[test]
fn a_run_ends_with_the_server_and_the_next_one_removes_what_is_left() {
    let (kiln, _project) = with_hello();
    let mut run = Running::start(&kiln, "service", &["hello:1"]);
    run.until_says("listening on 8080");
    kiln.kill_control_plane();
    assert_eq!(run.code(), Some(8), "{}", run.said("stderr"));
    until("nothing runs", SOON, || kiln.instance_pids().is_empty());
    assert_ne!(left(&kiln), Vec::<PathBuf>::new(), "nobody was there to remove its files");
    kiln.up().unwrap();
    nothing_is_left(&kiln);
    kiln.done(["run", "hello:1", "--", "/bin/true"]);
}

#[test]
fn a_run_in_an_environment_has_its_configuration_and_its_network() {
    let (kiln, project) = with_hello();
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let _put = kiln.put("hello", "application-properties.json", r#"{"greeting": "hi"}"#).exits(0);
    let at = kiln.list(["instances", "hello", "prod"])[0]["address"].as_str().unwrap().to_owned();
    let (host, port) = at.split_once(':').unwrap();
    let ask = format!(
        "echo $GREETING $KILN_ENV; cat /run/kiln/application.properties; \
         {{ printf 'GET / HTTP/1.0\\r\\n\\r\\n'; sleep 1; }} | busybox nc -w 2 {host} {port}"
    );
    let ran = kiln.done(["run", "hello:1", "--env", "prod", "--", "/bin/sh", "-c", &ask]);
    ran.says(&["hi prod\n", "greeting=hi", "hello 1"]);
    let alone = shell(&kiln, &ask);
    assert!(!alone.stdout.contains("hello 1") && !alone.stdout.contains("hi"), "{alone}");
    kiln.run(["run", "hello:1", "--env", "prd"]).exits(6).says(&["prd"]);
}

#[test]
fn two_runs_outside_of_environments_do_not_meet() {
    let (kiln, _project) = with_hello();
    let service = Running::start(&kiln, "service", &["hello:1"]);
    let address = service.address();
    service.until_says("listening on 8080");
    let ask = format!(
        "{{ printf 'GET / HTTP/1.0\\r\\n\\r\\n'; sleep 1; }} | busybox nc -w 2 {} {}; echo asked",
        address.ip(),
        address.port()
    );
    let asked = shell(&kiln, &ask);
    assert_eq!(asked.stdout, "asked\n", "{asked}");
}

#[test]
fn launch_data_that_fails_is_the_runs_failure() {
    let (kiln, _project) = with_hello();
    let launch = r#"["echo preparing", "echo no disk >&2; exit 3"]"#;
    let _put = kiln.put("hello", "launch-data.json", launch).exits(0);
    let ran = kiln.run(["run", "hello:1", "--env", "prod"]).exits(122);
    ran.says(&["preparing", "no disk", "launch command"]);
    nothing_is_left(&kiln);
}

#[test]
fn a_run_that_takes_too_much_memory_is_said_to_have() {
    let (kiln, _project) = with_hello();
    let ran = kiln.run(["run", "hello:1", "--memory", "32MiB", "--", "/bin/service", "hungry"]);
    ran.exits(128 + 9).says(&["out of memory (limit 32MiB)"]);
    nothing_is_left(&kiln);
}

#[test]
fn a_directory_is_baked_without_a_name_and_run() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let cat = ["run", "--dir", project.dir(), "--", "/bin/cat", "/srv/version"];
    assert_eq!(kiln.done(cat).stdout, "hello 1\n");
    project.says("hello 2\n");
    assert_eq!(kiln.done(cat).stdout, "hello 2\n");
    assert_eq!(kiln.list(["image", "list"]).len(), 0, "no version was named");
    assert!(kiln.json(["image", "gc", "--older", "0s"])["removed"].as_u64() > Some(0));
    assert_eq!(kiln.done(cat).stdout, "hello 2\n");
}

#[test]
fn an_image_that_is_run_is_not_collected() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let run = Running::start(&kiln, "service", &["--dir", project.dir(), "--json"]);
    run.until_says("listening on 8080");
    kiln.done(["image", "gc", "--older", "0s"]);
    let started = run.said("stdout").lines().next().unwrap().to_owned();
    let started: serde_json::Value = serde_json::from_str(&started).unwrap();
    kiln.run(["image", "remove", started["image"].as_str().unwrap()]).exits(5).says(&["run"]);
    let address = started["address"].as_str().unwrap().parse().unwrap();
    assert!(get(address, "/").ends_with("hello 1\n"));
}

#[test]
fn what_cannot_be_run_is_refused_with_the_reason() {
    let (kiln, _project) = with_hello();
    kiln.run(["run", "hello:1", "--", "/bin/nowhere"]).exits(4).says(&["/bin/nowhere"]);
    kiln.run(["run", "hello:2"]).exits(6).says(&["hello:2"]);
    kiln.run(["run", "hello:1", "--process", "worker"]).exits(6).says(&["worker", "web"]);
    kiln.run(["run", "hello:1", "--app", "other"]).exits(4).says(&["hello", "other"]);
    kiln.run(["run", "hello:1", "--memory", "1MiB"]).exits(4).says(&["4MiB"]);
    kiln.run(["run"]).exits(2).says(&["<IMAGE|--dir"]);
    nothing_is_left(&kiln);
}

#[test]
fn there_are_only_so_many_runs_at_once() {
    let (kiln, _project) = with_hello();
    let sleeping = ["hello:1", "--", "/bin/sh", "-c", "echo here; exec sleep 1000"];
    let name = |n: i32| format!("run-{n}");
    let runs: Vec<_> = (0..16).map(|n| Running::start(&kiln, &name(n), &sleeping)).collect();
    runs.iter().for_each(|run| run.until_says("here"));
    kiln.run(["run", "hello:1", "--", "/bin/true"]).exits(5).says(&["16 runs"]);
    drop(runs);
    until("nothing is left", SOON, || left(&kiln).is_empty());
    kiln.done(["run", "hello:1", "--", "/bin/true"]);
}

#[test]
fn a_reader_that_sleeps_holds_the_run_up_and_not_its_end() {
    let (kiln, _project) = with_hello();
    let mut command =
        kiln.command(["run", "hello:1", "--", "/bin/sh", "-c", "while true; do echo yes; done"]);
    // Nobody ever reads this pipe.
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let directory = kiln.scratch().to_owned();
    let run = Running { child, directory };
    until("it runs", SOON, || !kiln.instance_pids().is_empty());
    run.send(Signal::INT);
    until("it has ended", SOON, || left(&kiln).is_empty());
}
