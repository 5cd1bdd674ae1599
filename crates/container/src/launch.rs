//! The server's side of a shim: starting it, finding it again, waiting for it, cleaning up after it.

use crate::cgroups::Cgroups;
use crate::clock::Timestamp;
use crate::ident::{Boot, ProcessIdent};
use crate::network::remove_link;
use crate::program::ReadOnly;
use crate::record::{ExitRecord, State, read_file};
use crate::spec::InstanceSpec;
use kiln_names::SecretValue;
use rustix::process::{Signal, pidfd_send_signal};
use serde::Deserialize;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest, unix::AsyncFd};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long a shim may take to say whether its command runs. It takes milliseconds; a machine that
/// swaps may take seconds.
const SPEAKS_WITHIN: Duration = Duration::from_secs(20);

/// How much of what a shim says is read. It says one short line.
const WORD_BYTES: u64 = 64 << 10;

/// A started instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The process that owns it.
    pub shim: ProcessIdent,
    /// Its main process, as the host numbers it. For looking, not for signals: see
    /// [`signal_stop`].
    pub pid: i32,
}

/// What is found of an instance that somebody else started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopted {
    /// It runs.
    Running(Instance),
    /// It ended and said how.
    Ended(ExitRecord),
    /// It neither runs nor said how it ended: a reboot, or a killed shim. [`cleanup`] is due.
    Lost,
}

/// Why an instance did not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no shim.
    #[error("the shim could not be started")]
    Spawn(#[source] io::Error),
    /// The shim says why.
    #[error("{0}")]
    Refused(String),
    /// The shim said nothing in time and was killed.
    #[error("the shim said nothing within {} s", SPEAKS_WITHIN.as_secs())]
    Silent,
    /// The shim ended without a word; what it wrote to standard error is in `shim.err`.
    #[error("the shim broke off: {0}")]
    BrokeOff(String),
}

/// Why an instance could not be cleaned up.
#[derive(Debug, thiserror::Error)]
#[error("{doing} of a lost instance could not be removed")]
pub struct CleanupError {
    doing: &'static str,
    #[source]
    source: io::Error,
}

/// Starts the instance whose spec is in `dir` and returns once its command runs. The shim is `exe`
/// run as `exe shim DIR`; it lives on when the caller ends.
///
/// # Cancellation
/// Dropping the future leaves a shim behind that may or may not have started: [`Instance::adopt`]
/// tells.
///
/// # Errors
/// [`LaunchError`]. Of a refused instance nothing is left but the files in `dir`; after any other
/// error [`cleanup`] is due.
pub async fn launch(exe: &Path, dir: &Path) -> Result<Instance, LaunchError> {
    launch_with(exe, dir, &[]).await
}

/// The same for a spec with secrets: `secrets` are their values, in the order of their names. They
/// go to the shim through a pipe.
///
/// # Cancellation
/// As [`launch`].
///
/// # Errors
/// As [`launch`].
pub async fn launch_with(
    exe: &Path,
    dir: &Path,
    secrets: &[SecretValue],
) -> Result<Instance, LaunchError> {
    let Shim { mut child, instance, .. } = spawn(exe, dir, secrets).await?;
    // Reaped as long as this server lives; the next one is not its parent.
    tokio::spawn(async move { child.wait().await });
    Ok(instance)
}

/// A shim whose command runs.
#[derive(Debug)]
pub(crate) struct Shim {
    pub(crate) child: Child,
    pub(crate) out: BufReader<ChildStdout>,
    pub(crate) instance: Instance,
}

/// Starts a shim, hands it the values of its secrets, and waits for its word.
pub(crate) async fn spawn(
    exe: &Path,
    dir: &Path,
    secrets: &[SecretValue],
) -> Result<Shim, LaunchError> {
    let input = if secrets.is_empty() { Stdio::null() } else { Stdio::piped() };
    let mut child = start(exe, dir, input).map_err(LaunchError::Spawn)?;
    let mut out = BufReader::new(child.stdout.take().expect("it was asked for"));
    let input = child.stdin.take();
    let mut line = String::new();
    let word = async {
        if let Some(input) = input {
            // A shim that does not listen says why, or breaks off.
            hand_over(input, secrets).await.ok();
        }
        (&mut out).take(WORD_BYTES).read_line(&mut line).await
    };
    match tokio::time::timeout(SPEAKS_WITHIN, word).await {
        Err(_) => return end(child, LaunchError::Silent).await,
        Ok(Err(error)) => return end(child, LaunchError::Spawn(error)).await,
        Ok(Ok(_)) => {}
    }
    match serde_json::from_str(&line) {
        Ok(Word::Runs { shim, pid }) => Ok(Shim { child, out, instance: Instance { shim, pid } }),
        Ok(Word::Refused { error }) => end(child, LaunchError::Refused(error)).await,
        Err(_) => {
            let said = read_file(&dir.join(STDERR), WORD_BYTES).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            end(child, LaunchError::BrokeOff(said)).await
        }
    }
}

/// What a shim says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Runs { shim: ProcessIdent, pid: i32 },
    Refused { error: String },
}

const STDERR: &str = "shim.err";

/// Each value behind its length, 32 bits with the highest byte first; then the end of the pipe.
async fn hand_over(mut pipe: ChildStdin, secrets: &[SecretValue]) -> io::Result<()> {
    for value in secrets {
        let bytes = value.as_ref();
        let length = u32::try_from(bytes.len()).expect("a value has at most 64 KiB");
        pipe.write_all(&length.to_be_bytes()).await?;
        pipe.write_all(bytes).await?;
    }
    pipe.shutdown().await
}

fn start(exe: &Path, dir: &Path, input: Stdio) -> io::Result<Child> {
    let program = ReadOnly::of(exe)?;
    Command::new(program.path())
        .arg0(exe)
        .arg("shim")
        .arg(dir)
        .env_clear()
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(File::create(dir.join(STDERR))?)
        .spawn()
}

async fn end<T>(mut child: Child, error: LaunchError) -> Result<T, LaunchError> {
    match error {
        // It is on its way out by itself and has cleaning up to do.
        LaunchError::Refused(_) => child.wait().await.map(drop),
        _ => child.kill().await,
    }
    .map_err(LaunchError::Spawn)?;
    Err(error)
}

impl Instance {
    /// Finds what became of the instance in `dir`, whoever started it.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn adopt(dir: &Path, boot: &Boot) -> io::Result<Adopted> {
        if let Some(State { shim, pid, .. }) = State::read(dir)?
            && shim.is_alive(boot)
        {
            return Ok(Adopted::Running(Self { shim, pid }));
        }
        // Looked for last: it is written before the shim ends.
        Ok(ExitRecord::read(dir)?.map_or(Adopted::Lost, Adopted::Ended))
    }
}

/// How the instance in `dir` ended; `None` as long as nobody wrote it down.
///
/// # Errors
/// When the record is there and cannot be read.
pub fn exit_record(dir: &Path) -> io::Result<Option<ExitRecord>> {
    ExitRecord::read(dir)
}

/// Returns when the process has ended, at once if it already has; whoever its parent is.
///
/// # Errors
/// When the kernel will not let it be watched.
pub async fn wait(process: &ProcessIdent, boot: &Boot) -> io::Result<()> {
    let Some(pidfd) = process.pidfd(boot)? else { return Ok(()) };
    watch(pidfd)?.readable().await.map(drop)
}

#[expect(unsafe_code, reason = "tokio cannot tell owned descriptors from numbers")]
fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor is open, and always the same one, until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?)
}

/// Asks the shim to stop its instance as the spec says; asked a second time it kills at once. A shim
/// that has ended is not an error.
///
/// # Errors
/// When the kernel refuses.
pub fn signal_stop(shim: &ProcessIdent, boot: &Boot) -> io::Result<()> {
    let Some(pidfd) = shim.pidfd(boot)? else { return Ok(()) };
    match pidfd_send_signal(pidfd, Signal::TERM) {
        Err(error) if error != rustix::io::Errno::SRCH => Err(error.into()),
        _ => Ok(()),
    }
}

/// Removes what is left of an instance whose shim is gone: processes, control groups, its link. The
/// record then says that the shim was lost, unless there is one already. Mounts need no care: they
/// were in the container's namespace alone. Idempotent. Blocks until the processes have died.
///
/// # Assumptions
/// The shim does not run: see [`Instance::adopt`].
///
/// # Errors
/// When something cannot be removed.
pub fn cleanup(dir: &Path, cgroups: &Cgroups) -> Result<(), CleanupError> {
    let doing = |doing| move |source| CleanupError { doing, source };
    let spec = InstanceSpec::read(dir).map_err(doing("the spec"))?;
    let usage = cgroups.usage(&spec.instance);
    let oom_killed = cgroups.oom_kills(&spec.instance) > 0;
    cgroups.kill(&spec.instance).map_err(doing("processes"))?;
    cgroups.remove(&spec.instance).map_err(doing("control groups"))?;
    remove_link(spec.install, spec.instance).map_err(doing("the network link"))?;
    if ExitRecord::read(dir).map_err(doing("the exit record"))?.is_some() {
        return Ok(());
    }
    let started_at = State::read(dir).ok().flatten().map(|state| state.started_at);
    let record = ExitRecord {
        code: None,
        signal: None,
        oom_killed,
        started_at,
        ended_at: Timestamp::now().to_string(),
        peak_memory_bytes: usage.memory_peak_bytes,
        cause: "shim lost".to_owned(),
    };
    record.write(dir).map_err(doing("the exit record"))
}
