//! A Docker daemon of a test's own: its socket, data and control groups are nobody else's, and all of
//! it goes with it.

use crate::{Ran, cache, until};
use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// What its networks have addresses of.
const POOL: &str = "base=10.213.0.0/16,size=24";
/// What Docker calls the bridge of a Swarm, and leaves to the next one.
pub const SWARM_BRIDGE: &str = "docker_gwbridge";
/// How long the daemon may take to begin, and to end, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A running daemon. Dropping it ends it, and panics if anything is left.
#[derive(Debug)]
pub struct Docker {
    scratch: TempDir,
    options: Vec<String>,
    daemon: Mutex<Option<Child>>,
    /// Networks, and the ports of a Swarm, are the machine's: one daemon with them at a time, or the
    /// nodes of one Swarm.
    alone: Option<Arc<File>>,
    /// Whether it was started again.
    anew: AtomicBool,
    place: Option<Place>,
}

/// Where a daemon runs that is a machine of its own to others.
#[derive(Debug)]
pub(crate) struct Place {
    /// The network namespace.
    pub(crate) network: String,
    /// The host name.
    pub(crate) name: String,
}

impl Docker {
    /// Starts one without a network: nothing of the machine's is touched.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::try_start(None, None, &[])
            .expect("dockerd starts; it comes with the package docker.io")
    }

    /// Starts one without a network, which listens where more options say as well.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn listening(options: impl IntoIterator<Item = String>) -> Self {
        let options: Vec<String> = options.into_iter().collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Self::try_start(None, None, &options).expect("dockerd starts")
    }

    /// Starts one that makes networks, with addresses of a range of its own.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn with_networks(options: &[&str]) -> Self {
        let alone = cache::lock("docker").expect("a lock that waits its turn");
        // What a test left that was killed.
        remove_links();
        Self::try_start(Some(Arc::new(alone)), None, options).expect("dockerd starts")
    }

    /// Starts one as a machine of its own.
    pub(crate) fn in_place(alone: Arc<File>, place: Place, options: &[&str]) -> Self {
        Self::try_start(Some(alone), Some(place), options).expect("dockerd starts")
    }

    /// The same as the manager of a Swarm of one.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn swarm() -> Self {
        let docker = Self::with_networks(&[]);
        let only_here = ["--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377"];
        docker.done(["swarm", "init"].iter().chain(&only_here));
        docker
    }

    fn try_start(alone: Option<Arc<File>>, place: Option<Place>, options: &[&str]) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("kiln-d-").tempdir()?;
        std::fs::write(scratch.path().join("none.json"), "{}")?;
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let daemon = Mutex::default();
        let anew = AtomicBool::default();
        let docker = Self { scratch, options, daemon, alone, anew, place };
        docker.try_up()?;
        Ok(docker)
    }

    /// Starts the daemon again.
    ///
    /// # Panics
    /// When it does not start.
    pub fn up(&self) {
        self.anew.store(true, Ordering::Relaxed);
        self.try_up().expect("dockerd starts");
    }

    fn try_up(&self) -> Result<()> {
        let path = |name: &str| self.scratch.path().join(name);
        let log = File::options().create(true).append(true).open(path("log"))?;
        let daemon = dockerd(self.place.as_ref())
            .arg("--host")
            .arg(self.host())
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--config-file")
            .arg(path("none.json"))
            .arg("--cgroup-parent")
            .arg(format!("/{}", group(&self.scratch)))
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
            .args(["--default-address-pool", POOL])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("spawn dockerd")?;
        *self.daemon() = Some(daemon);
        until("dockerd answers", SOON, || self.run(["version"]).code == Some(0));
        Ok(())
    }

    /// Ends the daemon, as a restart does.
    ///
    /// # Panics
    /// When it does not end.
    pub fn down(&self) {
        let pid = self.daemon().as_ref().and_then(|daemon| i32::try_from(daemon.id()).ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else { return };
        // Gone already is as good.
        kill_process(pid, Signal::TERM).ok();
        let ended = |daemon: &mut Child| matches!(daemon.try_wait(), Ok(Some(_)) | Err(_));
        until("dockerd ends", SOON, || self.daemon().as_mut().is_none_or(ended));
        self.daemon().take();
    }

    fn daemon(&self) -> MutexGuard<'_, Option<Child>> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Types a command of `docker` to this daemon.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        let mut command = Command::new("docker");
        command.arg("--host").arg(self.host()).args(arguments).stdin(Stdio::null());
        Ran::of(command)
    }

    /// Types a command of `docker`, which succeeds.
    ///
    /// # Panics
    /// When it does not.
    pub fn done<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}\n{}", self.log());
        ran
    }

    /// What a command of `docker` that succeeds says.
    ///
    /// # Panics
    /// When it does not.
    pub fn text<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        self.done(arguments).stdout.trim().to_owned()
    }

    /// Where it listens.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.scratch.path().join("sock").display())
    }

    /// What it has said, for messages.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }

    fn stop(&self) -> Result<()> {
        self.down();
        control_groups(&group(&self.scratch)).iter().for_each(|path| remove_group(path));
        if self.alone.is_some() {
            self.take_down_networks()?;
        }
        let scratch = self.scratch.path().to_string_lossy().into_owned();
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        ensure!(!mounts.contains(&scratch), "mounts are left: {mounts}");
        let left = control_groups(&group(&self.scratch));
        ensure!(left.is_empty(), "control groups are left: {left:?}");
        Ok(())
    }

    /// Of what an engine makes for itself it leaves some: what it mounted, and the bridge of a Swarm.
    /// A network of Kiln's that is left is somebody's mistake.
    fn take_down_networks(&self) -> Result<()> {
        for own in ["data", "exec/netns/default"] {
            unmount(self.scratch.path().join(own), UnmountFlags::DETACH).ok();
        }
        let mut left = links();
        remove_links();
        // One that began anew forgets bridges of a Swarm's networks.
        let forgets = self.anew.load(Ordering::Relaxed);
        left.retain(|link| link != SWARM_BRIDGE && !(forgets && link.starts_with("br-")));
        ensure!(left.is_empty(), "networks are left: {left:?}");
        Ok(())
    }
}

/// The command that becomes the daemon, where it shall run.
fn dockerd(place: Option<&Place>) -> Command {
    let Some(Place { network, name }) = place else { return Command::new("dockerd") };
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{network}")).args(["unshare", "--uts", "sh", "-c"]);
    command.args(["hostname \"$0\" && exec dockerd \"$@\"", name]);
    command
}

/// Removes the interfaces of the range.
pub fn remove_links() {
    for link in links() {
        Command::new("ip").args(["link", "delete", &link]).status().ok();
    }
}

/// The interfaces with addresses of the range.
#[must_use]
pub fn links() -> Vec<String> {
    let output = Command::new("ip").args(["-oneline", "-4", "address"]).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let ours = text.lines().filter(|line| line.contains(" 10.213."));
    ours.filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect()
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
