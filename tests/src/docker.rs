//! A Docker daemon of a test's own: its socket, data and control groups are nobody else's, and all of
//! it goes with it.

use crate::{Ran, until};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// How long the daemon may take to begin, and to end, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A running daemon. Dropping it ends it, and panics if anything is left.
#[derive(Debug)]
pub struct Docker {
    scratch: TempDir,
    daemon: Mutex<Child>,
}

impl Docker {
    /// Starts one without a network: nothing of the machine's is touched.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::try_start().expect("dockerd starts; it comes with the package docker.io")
    }

    fn try_start() -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("kiln-d-").tempdir()?;
        let path = |name: &str| scratch.path().join(name);
        let log = File::create(path("log"))?;
        let daemon = Command::new("dockerd")
            .arg("--host")
            .arg(format!("unix://{}", path("sock").display()))
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--config-file")
            .arg(path("none.json"))
            .arg("--cgroup-parent")
            .arg(format!("/{}", group(&scratch)))
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("spawn dockerd")?;
        let docker = Self { scratch, daemon: Mutex::new(daemon) };
        std::fs::write(docker.scratch.path().join("none.json"), "{}")?;
        until("dockerd answers", SOON, || docker.run(["version"]).code == Some(0));
        Ok(docker)
    }

    /// Types a command of `docker` to this daemon.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        let mut command = Command::new("docker");
        let socket = format!("unix://{}", self.scratch.path().join("sock").display());
        command.arg("--host").arg(socket).args(arguments).stdin(Stdio::null());
        Ran::of(command)
    }

    /// What it has said, for messages.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }

    fn stop(&self) -> Result<()> {
        let daemon = || self.daemon.lock().expect("nobody panics while it is held");
        let pid = i32::try_from(daemon().id()).ok().and_then(Pid::from_raw);
        // Gone already is as good.
        pid.map(|pid| kill_process(pid, Signal::TERM).ok());
        until("dockerd ends", SOON, || matches!(daemon().try_wait(), Ok(Some(_)) | Err(_)));
        control_groups(&group(&self.scratch)).iter().for_each(|path| remove_group(path));
        let scratch = self.scratch.path().to_string_lossy().into_owned();
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        ensure!(!mounts.contains(&scratch), "mounts are left: {mounts}");
        let left = control_groups(&group(&self.scratch));
        ensure!(left.is_empty(), "control groups are left: {left:?}");
        Ok(())
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let stopped = self.stop();
        if !std::thread::panicking() {
            stopped.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
        }
    }
}

/// The control group of its containers, by the name of its directory.
fn group(scratch: &TempDir) -> String {
    scratch.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn control_groups(name: &str) -> Vec<PathBuf> {
    let roots = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let roots = roots.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
    roots.map(|root| root.join(name)).filter(|path| path.is_dir()).collect()
}

/// Removes a group and what is below: empty ones, for their processes have ended.
fn remove_group(path: &Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_group(&entry.path());
        }
    }
    // What cannot be removed is found afterwards.
    std::fs::remove_dir(path).ok();
}
