//! A base from a distribution's packages: mmdebstrap, and the mirrors that this machine uses.

use crate::bakery::blocking;
use crate::tail::Tail;
use crate::{BakeError, BakeEvent, StepFailure, sources};
use kiln_image::{Limits, Staging, Store};
use kiln_protocol::recipe::Package;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc::Sender;

/// Where this machine keeps its sources.
const APT: &str = "/etc/apt";
const PROGRAM: &str = "mmdebstrap";
/// mmdebstrap mounts file systems and does not unmount them when it is killed. In namespaces of its
/// own, they and all its helpers go with it.
const APART: [&str; 6] = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
/// How long killed helpers may take to die, in steps of 10 ms.
const DIES_WITHIN: u32 = 1000;

/// Makes the root file system of `suite` with `include` besides the essential packages; not
/// committed yet. Files that a package brought keep its times, by which Python knows what it
/// compiled; so no `SOURCE_DATE_EPOCH`, to which mmdebstrap would set the times of all of them.
///
/// # Cancellation
/// Dropping the future kills what runs.
pub(crate) async fn debootstrap(
    images: &Store,
    suite: &str,
    include: &[Package],
    events: &Sender<BakeEvent>,
) -> Result<Staging, BakeError> {
    let mut running = Running::start(suite, include)?;
    let archive = running.child.stdout.take().expect("it was asked for");
    let archive = archive.into_owned_fd().map_err(BakeError::io("read from mmdebstrap"))?;
    let stderr = running.child.stderr.take().expect("it was asked for");
    let images = images.clone();
    let unpacked = blocking(move || {
        let unpacked = images.unpack_rootfs(File::from(archive), &Limits::default());
        // The answer of mmdebstrap comes first: an archive that was cut short is its fault.
        Ok(unpacked.map_err(BakeError::from))
    });
    let told = async { Ok(relay(stderr, events).await) };
    let (unpacked, lines) = tokio::select! {
        done = async { tokio::try_join!(unpacked, told) } => done?,
        () = events.closed() => return Err(BakeError::Abandoned),
    };
    let status = running.wait().await.map_err(BakeError::io("wait for mmdebstrap"))?;
    if !status.success() {
        let (step, how) = (format!("{PROGRAM} {suite}"), status.to_string());
        return Err(Box::new(StepFailure { step, how, lines, source: None }).into());
    }
    unpacked
}

/// A running mmdebstrap and its helpers.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Until they have ended by themselves.
    group: Option<Pid>,
    /// Sources, and the tree in the making.
    dir: Option<TempDir>,
}

impl Running {
    fn start(suite: &str, include: &[Package]) -> Result<Self, BakeError> {
        let dir = tempfile::tempdir().map_err(BakeError::io("make a directory for mmdebstrap"))?;
        let sources = host_sources(dir.path(), suite);
        let sources = sources.map_err(BakeError::io("read the package sources"))?;
        let tree = dir.path().join("tree");
        make_tree(&tree).map_err(BakeError::io("make a directory for mmdebstrap"))?;
        let [unshare, apart @ ..] = APART;
        let mut command = Command::new(unshare);
        command.args(apart).args([PROGRAM, "--variant=minbase", "--mode=root", "--format=tar"]);
        if !include.is_empty() {
            let names: Vec<&str> = include.iter().map(Package::as_str).collect();
            command.arg(format!("--include={}", names.join(",")));
        }
        command.arg(suite).arg("-").args(sources);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("TMPDIR", tree)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let child = command.spawn().map_err(BakeError::io("start mmdebstrap"))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, group, dir: Some(dir) })
    }

    async fn wait(mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.group = None;
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(group) = self.group else { return };
        if let Err(error) = kill_process_group(group, Signal::KILL) {
            tracing::warn!(%error, "mmdebstrap was not killed");
        }
        let Some(dir) = self.dir.take().map(TempDir::keep) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(remove(dir));
        }
    }
}

/// Removes a directory in which killed processes may write for a moment.
async fn remove(dir: PathBuf) {
    for _ in 0..DIES_WITHIN {
        match tokio::fs::remove_dir_all(&dir).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            _ => return,
        }
    }
    tracing::warn!(dir = %dir.display(), "the directory of mmdebstrap was not removed");
}

/// apt downloads as a user of its own, who has to get there.
fn make_tree(tree: &Path) -> io::Result<()> {
    fs::create_dir(tree)?;
    let parent = tree.parent().expect("it was joined to one");
    fs::set_permissions(parent, Permissions::from_mode(0o755))
}

async fn relay(mut from: ChildStderr, events: &Sender<BakeEvent>) -> Vec<String> {
    let mut tail = Tail::new(events.clone());
    let mut piece = [0; 4096];
    // What cannot be read is not told; the status says how it ended.
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        tail.push(&piece[..length]);
    }
    tail.finish().0
}

/// This machine's sources of a suite, as files in `dir`; none when it has no such suite, and
/// mmdebstrap uses the distribution's own.
fn host_sources(dir: &Path, suite: &str) -> io::Result<Vec<PathBuf>> {
    let (mut lines, mut stanzas) = (String::new(), String::new());
    for path in source_files(Path::new(APT))? {
        let text = fs::read_to_string(&path)?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => lines.push_str(&sources::of_list(&text, suite)),
            _ => stanzas.push_str(&sources::of_stanzas(&text, suite)),
        }
    }
    let mut files = Vec::new();
    for (name, text) in [("kiln.list", lines), ("kiln.sources", stanzas)] {
        if !text.is_empty() {
            let path = dir.join(name);
            fs::write(&path, text)?;
            files.push(path);
        }
    }
    Ok(files)
}

fn source_files(apt: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    let parts = apt.join("sources.list.d");
    if parts.is_dir() {
        for entry in fs::read_dir(&parts)? {
            found.push(entry?.path());
        }
    }
    found.push(apt.join("sources.list"));
    let is_source = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("list" | "sources")) && path.is_file()
    };
    found.retain(is_source);
    found.sort();
    Ok(found)
}
