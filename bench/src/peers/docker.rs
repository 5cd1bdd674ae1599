//! A dockerd of our own: its socket, data, processes, control groups and network are nobody else's.

use super::{Background, Socket, installed};
use crate::stage;
use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long dockerd may take to start.
const START: Duration = Duration::from_secs(60);
/// The image that services are built on, the same root file system as Kiln's base.
const BASE: &str = "base";

/// A running dockerd. Dropping it removes its containers and ends it.
pub(crate) struct Docker {
    /// Ended before its files are removed.
    daemon: Option<Background>,
    scratch: TempDir,
    cgroup: String,
    buildkit: bool,
}

impl Docker {
    pub(crate) fn start() -> Result<Self> {
        installed("dockerd")?;
        installed("docker")?;
        let scratch = tempfile::Builder::new().prefix("kiln-bench-docker-").tempdir()?;
        let cgroup = format!("kiln-bench-{}", std::process::id());
        let at = |name: &str| scratch.path().join(name);
        let log = File::create(at("log"))?;
        let mut command = Command::new("dockerd");
        command
            .arg(format!("--host=unix://{}", at("docker.sock").display()))
            .arg(format!("--data-root={}", at("data").display()))
            .arg(format!("--exec-root={}", at("exec").display()))
            .arg(format!("--pidfile={}", at("pid").display()))
            .arg(format!("--cgroup-parent=/{cgroup}"))
            .stdout(log.try_clone()?)
            .stderr(log);
        let daemon = Some(Background::start(&mut command)?);
        let mut docker = Self { daemon, scratch, cgroup, buildkit: false };
        docker.await_ready()?;
        docker.import(&stage::base()?, BASE)?;
        docker.buildkit = docker.builds_with_buildkit()?;
        Ok(docker)
    }

    fn await_ready(&self) -> Result<()> {
        let began = Instant::now();
        while self.socket().get("/version").is_err() {
            ensure!(began.elapsed() < START, "dockerd does not start: {}", self.log());
            crate::timing::pause(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The newer builder is the faster one, where the client can use it.
    fn builds_with_buildkit(&self) -> Result<bool> {
        let context = self.scratch.path().join("probe");
        std::fs::create_dir_all(&context)?;
        std::fs::write(context.join("Dockerfile"), "FROM base\nLABEL probe=1\n")?;
        let mut build = self.command(["build", "--quiet"]);
        build.arg(&context).env("DOCKER_BUILDKIT", "1");
        Ok(build.output()?.status.success())
    }

    /// An image from a root file system, without a registry.
    pub(crate) fn import(&self, archive: &Path, name: &str) -> Result<()> {
        self.say(["import", &archive.to_string_lossy(), name]).map(drop)
    }

    /// The client of this dockerd.
    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("docker");
        command.args(arguments);
        self.envelop(&mut command);
        command
    }

    /// Lets a command, or a script, speak to this dockerd.
    pub(crate) fn envelop(&self, command: &mut Command) {
        let host = format!("unix://{}", self.socket().0.display());
        command.env("DOCKER_HOST", host).env("DOCKER_CONFIG", self.scratch.path().join("client"));
        command.env("DOCKER_BUILDKIT", if self.buildkit { "1" } else { "0" });
        command.env("PATH", super::PATH);
    }

    /// What a command that must succeed prints.
    pub(crate) fn say<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<String> {
        let mut command = self.command(arguments);
        let output = command.output().with_context(|| format!("run {command:?}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Builds a directory; the image's id.
    pub(crate) fn build(&self, directory: &str) -> Result<String> {
        self.say(["build", "--quiet", directory])
    }

    pub(crate) fn socket(&self) -> Socket {
        Socket(self.scratch.path().join("docker.sock"))
    }

    /// The pids of dockerd and of the containerd that it runs.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let own = self.daemon.as_ref().map(Background::pid);
        let containerd = self.scratch.path().join("exec/containerd/containerd.pid");
        let containerd = std::fs::read_to_string(containerd).ok();
        own.into_iter().chain(containerd.and_then(|pid| pid.trim().parse().ok())).collect()
    }

    /// Removes containers by name or id.
    pub(crate) fn remove(&self, containers: &[&str]) -> Result<()> {
        if containers.is_empty() {
            return Ok(());
        }
        self.say(["rm", "--force"].into_iter().chain(containers.iter().copied())).map(drop)
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // What does not work here is left, and has no namespace to be seen in.
        self.say(["swarm", "leave", "--force"]).ok();
        let all = self.say(["ps", "--all", "--quiet"]).unwrap_or_default();
        self.remove(&all.split_whitespace().collect::<Vec<_>>()).ok();
        drop(self.daemon.take());
        unmount_below(self.scratch.path());
        remove_cgroups(&self.cgroup);
    }
}

/// What dockerd leaves mounted would keep its files from being removed.
fn unmount_below(directory: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    for point in points.filter(|point| Path::new(point).starts_with(directory)) {
        unmount(point, UnmountFlags::DETACH).ok();
    }
}

/// Control groups outlive every namespace.
fn remove_cgroups(name: &str) {
    let Ok(hierarchies) = std::fs::read_dir("/sys/fs/cgroup") else { return };
    for hierarchy in hierarchies.flatten() {
        remove_group(&hierarchy.path().join(name));
    }
    remove_group(&PathBuf::from("/sys/fs/cgroup").join(name));
}

fn remove_group(path: &Path) {
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        remove_group(&entry.path());
    }
    std::fs::remove_dir(path).ok();
}
