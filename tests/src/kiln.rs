//! One Kiln of its own: started, asked, hurt, taken down, and looked after.

mod typed;

use crate::ports::Ports;
use crate::{Leaks, Ran, SmallDisk, image, program, until, until_some};
use anyhow::{Context, Result};
use kiln_load::{Answer, Target};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// Who types the commands, as Kiln is told.
pub const USER: &str = "ada";
/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running Kiln. Dropping it takes it down, and panics if anything is left.
#[derive(Debug)]
pub struct Kiln {
    /// Before what it is mounted in, which is removed after it.
    disk: Option<SmallDisk>,
    scratch: TempDir,
    data: PathBuf,
    ready: Mutex<Ready>,
    up: Mutex<Option<Child>>,
    #[expect(dead_code, reason = "its ports are its own for as long as it lives")]
    ports: Ports,
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
struct Ready {
    api: SocketAddr,
    http: SocketAddr,
}

/// A part of it that can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What watches the other two.
    Up,
    /// The control plane.
    Server,
    /// The data plane.
    Router,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Server => "server",
            Self::Router => "router",
        }
    }
}

impl Kiln {
    /// Starts one in a directory of its own, on free ports.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::try_start().expect("kiln starts; these tests need root")
    }

    /// Starts one in a directory of its own, on free ports.
    ///
    /// # Errors
    /// When it does not start.
    pub fn try_start() -> Result<Self> {
        Self::try_start_on(Ports::take()?)
    }

    /// Starts one whose API and router listen on every address of the machine.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn on_every_address() -> Self {
        let ports = Ports::take().expect("ports are free").everywhere();
        Self::try_start_on(ports).expect("kiln starts; these tests need root").knowing_tiny()
    }

    /// Starts one whose API is reached from other machines, as nodes of a Swarm reach it.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn reached_from_elsewhere() -> Self {
        let ports = Ports::take().expect("ports are free").api_everywhere();
        Self::try_start_on(ports).expect("kiln starts; these tests need root").knowing_tiny()
    }

    /// One that nobody has started yet, on free ports.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn not_started() -> Self {
        Self::prepared(Ports::take().expect("ports are free")).expect("a directory can be made")
    }

    fn prepared(ports: Ports) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("kiln-").tempdir()?;
        Ok(Self::prepared_in(scratch, None, ports))
    }

    fn prepared_in(scratch: TempDir, disk: Option<SmallDisk>, ports: Ports) -> Self {
        let data = disk.as_ref().map_or(scratch.path(), SmallDisk::path).join("data");
        let ready = Mutex::new(Ready { api: ports.api, http: ports.http });
        Self { disk, scratch, data, ready, up: Mutex::new(None), ports }
    }

    fn try_start_on(ports: Ports) -> Result<Self> {
        let kiln = Self::prepared(ports)?;
        kiln.up()?;
        Ok(kiln)
    }

    /// Starts one whose data lie on a file system of their own, which can be filled; it knows the
    /// base `tiny`, and environment `prod`.
    ///
    /// # Panics
    /// When that does not work.
    #[must_use]
    pub fn on_small_disk() -> Self {
        let scratch = tempfile::Builder::new().prefix("kiln-").tempdir().expect("a directory");
        let disk = SmallDisk::mount(scratch.path()).expect("a file system; these tests need root");
        let ports = Ports::take().expect("ports are free");
        let kiln = Self::prepared_in(scratch, Some(disk), ports);
        kiln.up().expect("kiln starts; these tests need root");
        kiln.knowing_tiny()
    }

    /// The file system that its data lie on.
    ///
    /// # Panics
    /// When they lie on the machine's.
    #[must_use]
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("it was started on a small disk")
    }

    /// Starts one that knows the base `tiny`, and environment `prod`.
    ///
    /// # Panics
    /// When that does not work.
    #[must_use]
    pub fn with_tiny() -> Self {
        Self::start().knowing_tiny()
    }

    fn knowing_tiny(self) -> Self {
        self.know_tiny();
        self
    }

    /// Makes the base `tiny` and the environment `prod`.
    ///
    /// # Panics
    /// When that does not work.
    pub fn know_tiny(&self) {
        let archive = image::rootfs().expect("a root file system");
        self.done(["base", "bake", "tiny", "--rootfs", &archive.to_string_lossy()]);
        self.done(["env", "create", "prod"]);
    }

    /// Types `kiln up` on its data, on the ports it had before.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn up(&self) -> Result<()> {
        self.up_from(&program::kiln())
    }

    /// The same with another program.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn up_from(&self, program: &Path) -> Result<()> {
        let Ready { api, http } = *self.ready.lock().expect("nobody panicked");
        let mut child = self
            .command_of(program, ["up", "--json"])
            .args(["--api", &api.to_string(), "--http", &http.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log("up.log")?)
            .spawn()
            .context("spawn kiln up")?;
        let stdout = child.stdout.take().context("its output is a pipe")?;
        *self.up.lock().expect("nobody panicked") = Some(child);
        let line = first_line(stdout)?;
        *self.ready.lock().expect("nobody panicked") = Ready::parse(&line)
            .with_context(|| format!("kiln up said {line:?}, and {}", self.logs()))?;
        Ok(())
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A directory for the test's own files.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Where its API listens.
    #[must_use]
    pub fn api(&self) -> SocketAddr {
        self.ready.lock().expect("nobody panicked").api
    }

    /// Where its router listens.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.ready.lock().expect("nobody panicked").http
    }

    /// Its id.
    #[must_use]
    pub fn install(&self) -> String {
        std::fs::read_to_string(self.data.join("install")).unwrap_or_default().trim().to_owned()
    }

    /// Application `app` in `prod`, as clients see it.
    ///
    /// # Panics
    /// When the router does not listen on the loopback interface.
    #[must_use]
    pub fn target(&self, app: &str) -> Target {
        Target::new(self.http(), format!("{app}.prod.localhost")).expect("it listens on loopback")
    }

    /// What application `app` in `prod` answers to `GET /`.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    #[track_caller]
    pub fn get(&self, app: &str) -> Answer {
        kiln_load::get(&self.target(app), "/").unwrap_or_else(|e| panic!("{e}\n{}", self.logs()))
    }

    /// A program that does the same as `kiln` and is another: what an upgrade would be to.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn newer_program(&self, name: &str) -> PathBuf {
        let path = self.scratch.path().join(name);
        let mut bytes = std::fs::read(program::kiln()).expect("it is built");
        bytes.extend_from_slice(name.as_bytes());
        std::fs::write(&path, bytes).expect("the scratch directory takes files");
        executable(&path);
        path
    }

    /// A program that is a shell script: what a broken upgrade would be to.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.scratch.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("the directory takes files");
        executable(&path);
        path
    }

    /// How many routers have handed over and still have connections.
    #[must_use]
    pub fn leaving_routers(&self) -> usize {
        let run = Path::new("/run/kiln").join(self.install());
        let names = std::fs::read_dir(run).into_iter().flatten().flatten().map(|e| e.file_name());
        let of_one = |name: &str| name.strip_prefix("router.")?.strip_suffix(".sock").map(drop);
        names.filter(|name| name.to_str().and_then(of_one).is_some()).count()
    }

    /// The file that a part runs from.
    #[must_use]
    pub fn runs_from(&self, part: Part) -> Option<PathBuf> {
        Some(PathBuf::from(self.player(part)?["program"].as_str()?))
    }

    fn player(&self, part: Part) -> Option<Value> {
        let path = format!("/run/kiln/{}/{}.json", self.install(), part.name());
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// The process that plays a part; none while nobody does.
    #[must_use]
    pub fn pid(&self, part: Part) -> Option<i32> {
        let player = self.player(part)?;
        let pid = i32::try_from(player["process"]["pid"].as_i64()?).ok()?;
        Path::new(&format!("/proc/{pid}")).exists().then_some(pid)
    }

    /// Kills a part with SIGKILL, and returns when that process is gone.
    ///
    /// # Panics
    /// When nobody plays it.
    #[track_caller]
    pub fn kill(&self, part: Part) {
        let pid = self.pid(part).unwrap_or_else(|| panic!("no {} runs", part.name()));
        kill(pid);
        if part == Part::Up {
            self.reap();
        }
        until("a killed process is gone", START, || self.pid(part) != Some(pid));
    }

    /// Kills `up` and the server, as the loss of the control plane would.
    pub fn kill_control_plane(&self) {
        self.kill(Part::Up);
        self.kill(Part::Server);
    }

    /// Waits until another process than `old` plays the part.
    #[must_use]
    pub fn successor(&self, part: Part, old: i32) -> i32 {
        until_some("the part is played again", START, || self.pid(part).filter(|pid| *pid != old))
    }

    /// All processes that it started.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        Leaks::processes(&self.install(), &self.data)
    }

    /// The pids of the programs that run as instances, by instance.
    #[must_use]
    pub fn instance_pids(&self) -> std::collections::BTreeMap<String, Vec<i32>> {
        Leaks::instance_processes(&self.install())
    }

    /// The shims that run, by instance.
    #[must_use]
    pub fn shims(&self) -> std::collections::BTreeMap<String, i32> {
        Leaks::shims(&self.data)
    }

    /// Kills the shim of an instance with SIGKILL; answers whether there was one.
    pub fn kill_shim(&self, instance: &str) -> bool {
        let pid = self.shims().remove(instance);
        pid.map(kill).is_some()
    }

    /// Kills everything of it at once, as a loss of power would, and waits until all are gone.
    pub fn lose_power(&self) {
        let install = self.install();
        until("everything is dead", START, || {
            let pids = Leaks::processes(&install, &self.data);
            pids.iter().copied().for_each(kill);
            self.reap();
            pids.is_empty()
        });
    }

    /// What a power cut and a start of the machine leave of a Kiln: its data, and nothing else.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn reboot(&self) {
        self.lose_power();
        let run = Path::new("/run/kiln").join(self.install());
        std::fs::remove_dir_all(run).expect("root may remove it");
        self.up().expect("it starts again");
    }

    /// Lets it go on after this program has ended.
    pub fn keep(self) {
        // What takes it down and removes its files is its `Drop`.
        std::mem::forget(self);
    }

    /// Types `kiln down`.
    pub fn down(&self) -> Ran {
        let ran = self.run(["down"]);
        self.reap();
        ran
    }

    /// What it has left on the machine, besides its data.
    #[must_use]
    pub fn leaks(&self) -> Leaks {
        Leaks::of(&self.install(), &self.data)
    }

    /// What its parts have said, for messages.
    #[must_use]
    pub fn logs(&self) -> String {
        let read = |path: PathBuf| {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(30)..].join("\n");
            format!("--- {}\n{last}\n", path.display())
        };
        let logs = self.data.join("log");
        [self.scratch.path().join("up.log"), logs.join("server.log"), logs.join("router.log")]
            .map(read)
            .concat()
    }

    fn log(&self, name: &str) -> Result<std::fs::File> {
        let path = self.scratch.path().join(name);
        Ok(std::fs::OpenOptions::new().create(true).append(true).open(path)?)
    }

    fn reap(&self) {
        let child = self.up.lock().expect("nobody panicked").take();
        if let Some(mut child) = child {
            // Gone already is as good.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Drop for Kiln {
    fn drop(&mut self) {
        let logs = self.logs();
        let down = self.down();
        let leaks = self.leaks();
        if std::thread::panicking() {
            let text = format!("{logs}{down}{leaks}");
            std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).ok();
            leaks.remove();
            return;
        }
        let clean = down.code == Some(0) && leaks.is_empty();
        if !clean {
            leaks.remove();
        }
        assert!(clean, "{logs}{down}{leaks}");
    }
}

impl Ready {
    fn parse(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line)?;
        let address = |key: &str| -> Result<SocketAddr> {
            Ok(value[key].as_str().with_context(|| format!("no {key}"))?.parse()?)
        };
        Ok(Self { api: address("api")?, http: address("http")? })
    }
}

/// The first line of a pipe that stays open; the rest is read by nobody, and there is none.
fn first_line(pipe: std::process::ChildStdout) -> Result<String> {
    let (sender, line) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let mut reader = BufReader::new(pipe);
        let read = reader.read_line(&mut text).map(|_| text);
        sender.send(read).ok();
        // Held open, so that whoever writes more is not killed for it.
        std::io::copy(&mut reader, &mut std::io::sink()).ok();
    });
    Ok(line.recv_timeout(START).context("kiln up is not ready in time")??)
}

fn executable(path: &Path) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path, mode).expect("it is this test's own");
}

pub(crate) fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // Gone already is as good.
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    }
}
