//! A base from a distribution's packages: mmdebstrap, and the mirrors that this machine uses.

use crate::bakery::blocking;
use crate::tail::Tail;
use crate::{BakeError, BakeEvent, StepFailure, sources};
use kiln_image::{Limits, Staging, Store};
use kiln_protocol::recipe::Package;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc::Sender;

/// Where this machine keeps its sources.
const APT: &str = "/etc/apt";
const PROGRAM: &str = "mmdebstrap";

/// Makes the root file system of `suite` with `include` besides the essential packages; not
/// committed yet. Files that a package brought keep its times, by which Python knows what it
/// compiled; so no `SOURCE_DATE_EPOCH`, to which mmdebstrap would set the times of all of them.
///
/// # Cancellation
/// Dropping the future asks mmdebstrap to end, which cleans up after itself.
pub(crate) async fn debootstrap(
    images: &Store,
    suite: &str,
    include: &[Package],
    events: &Sender<BakeEvent>,
) -> Result<Staging, BakeError> {
    let sources = host_sources(suite).map_err(BakeError::io("read the package sources"))?;
    let mut running = spawn(suite, include, &sources.files)?;
    let archive = running.child.stdout.take().expect("it was asked for");
    let archive = archive.into_owned_fd().map_err(BakeError::io("read from mmdebstrap"))?;
    let stderr = running.child.stderr.take().expect("it was asked for");
    let images = images.clone();
    let unpacked =
        blocking(move || Ok(images.unpack_rootfs(File::from(archive), &Limits::default())?));
    let told = async { Ok(relay(stderr, events).await) };
    let (unpacked, lines) = tokio::join!(unpacked, told);
    let status = running.wait().await.map_err(BakeError::io("wait for mmdebstrap"))?;
    if !status.success() {
        let (step, how) = (format!("{PROGRAM} {suite}"), status.to_string());
        let lines = lines.unwrap_or_else(|_: BakeError| Vec::new());
        return Err(Box::new(StepFailure { step, how, lines, source: None }).into());
    }
    unpacked
}

/// A running mmdebstrap and its helpers.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    async fn wait(mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.group = None;
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group
            && let Err(error) = kill_process_group(group, Signal::TERM)
        {
            tracing::warn!(%error, "mmdebstrap was not told to end");
        }
    }
}

fn spawn(suite: &str, include: &[Package], sources: &[PathBuf]) -> Result<Running, BakeError> {
    let mut command = Command::new(PROGRAM);
    command.args(["--variant=minbase", "--mode=root", "--format=tar"]);
    if !include.is_empty() {
        let names: Vec<&str> = include.iter().map(Package::as_str).collect();
        command.arg(format!("--include={}", names.join(",")));
    }
    command.arg(suite).arg("-").args(sources);
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = command.spawn().map_err(BakeError::io(
        "start mmdebstrap, which makes such bases: install it, or bake the base from a rootfs",
    ))?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    Ok(Running { group: pid.and_then(Pid::from_raw), child })
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

/// This machine's sources of a suite, as files; none when it has no such suite, and mmdebstrap uses
/// the distribution's own.
struct Sources {
    files: Vec<PathBuf>,
    /// Removes the files at the end.
    _dir: tempfile::TempDir,
}

fn host_sources(suite: &str) -> io::Result<Sources> {
    let (mut lines, mut stanzas) = (String::new(), String::new());
    for path in source_files(Path::new(APT))? {
        let text = fs::read_to_string(&path)?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => lines.push_str(&sources::of_list(&text, suite)),
            _ => stanzas.push_str(&sources::of_stanzas(&text, suite)),
        }
    }
    let dir = tempfile::tempdir()?;
    let mut files = Vec::new();
    for (name, text) in [("kiln.list", lines), ("kiln.sources", stanzas)] {
        if !text.is_empty() {
            let path = dir.path().join(name);
            fs::write(&path, text)?;
            files.push(path);
        }
    }
    Ok(Sources { files, _dir: dir })
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
