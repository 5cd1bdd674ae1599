//! The server's side of a visit: a command run inside a running instance, within the same walls.
//!
//! The server itself enters nothing. A process with one thread does, see [`crate::shim::visit`]; what
//! it says at its end is all that comes back.

use crate::program::ReadOnly;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// How many lines of output come back.
pub const LINES: usize = 20;
/// How much of each.
pub const LINE_CHARACTERS: usize = 300;

/// How long a visit may take beyond its deadline: to kill what it started, which takes milliseconds
/// unless the kernel is busy with it.
const GRACE: Duration = Duration::from_secs(20);
/// How much of what a visit says is read. Twenty lines of characters that JSON writes as six bytes
/// each have 36 KiB.
const WORD_BYTES: u64 = 64 << 10;

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// What it returned, when it returned.
    pub code: Option<i32>,
    /// What ended it, when a signal did.
    pub signal: Option<i32>,
    /// Whether it ran until the deadline and was killed for that.
    pub late: bool,
    /// The last [`LINES`] lines of its standard output and standard error as they were written, each
    /// cut after [`LINE_CHARACTERS`] characters. Characters that would move a terminal's cursor are
    /// replaced.
    pub lines: Vec<String>,
}

/// Why a command did not run.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// There is no process to enter by.
    #[error("no process could be started for it")]
    Spawn(#[source] io::Error),
    /// The instance does not run any more.
    #[error("{0}")]
    Ended(String),
    /// It runs, and the command could not be started in it.
    #[error("{0}")]
    Refused(String),
    /// Nobody could enter, which says nothing of what runs inside.
    #[error("{0}")]
    Broken(String),
    /// Nothing was heard in time; whatever was started is killed by the next visit, or when the
    /// instance ends.
    #[error("the process that entered it said nothing within {} s of the deadline", GRACE.as_secs())]
    Silent,
    /// The process that entered ended without a word.
    #[error("the process that entered it broke off: {0}")]
    BrokeOff(String),
}

/// What a visit says at its end.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Word {
    Done(Entered),
    Ended(String),
    Refused(String),
    Broken(String),
}

/// Runs `command` in the instance whose files are in `dir`, as its user, with its environment and
/// within its walls, limits and namespaces, and returns when it has ended. The process that enters is
/// `exe` run as `exe enter DIR MILLISECONDS COMMAND…`.
///
/// # Guarantees
/// * The kernel confirmed the walls before the command began.
/// * What the command started ends with it, whatever it did to leave: a session of its own, a parent
///   that ends first. After the return nothing of it runs.
///
/// # Cancellation
/// Dropping the future kills everything that was started. The kill happens in the process that
/// entered: it may outlive the future by some milliseconds.
///
/// # Errors
/// [`EnterError`] when the command did not run, or its end was not seen. A command that failed or
/// came late is no error.
pub async fn enter(
    exe: &Path,
    dir: &Path,
    command: &[String],
    deadline: Duration,
) -> Result<Entered, EnterError> {
    let mut child = start(exe, dir, command, deadline).map_err(EnterError::Spawn)?;
    // The visit ends when nobody holds the other end.
    let held = child.stdin.take();
    let listened = tokio::time::timeout(deadline.saturating_add(GRACE), listen(&mut child)).await;
    drop(held);
    let Ok(listened) = listened else {
        child.kill().await.map_err(EnterError::Spawn)?;
        return Err(EnterError::Silent);
    };
    let (word, complaint) = listened.map_err(EnterError::Spawn)?;
    match serde_json::from_slice(&word) {
        Ok(Word::Done(entered)) => Ok(entered),
        Ok(Word::Ended(why)) => Err(EnterError::Ended(why)),
        Ok(Word::Refused(why)) => Err(EnterError::Refused(why)),
        Ok(Word::Broken(why)) => Err(EnterError::Broken(why)),
        Err(_) => Err(EnterError::BrokeOff(String::from_utf8_lossy(&complaint).trim().to_owned())),
    }
}

fn start(exe: &Path, dir: &Path, command: &[String], deadline: Duration) -> io::Result<Child> {
    let program = ReadOnly::of(exe)?;
    Command::new(program.path())
        .arg0(exe)
        .arg("enter")
        .arg(dir)
        .arg(deadline.as_millis().to_string())
        .args(command)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Its word, and what it complained about.
async fn listen(child: &mut Child) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let out = child.stdout.take().expect("it was asked for");
    let err = child.stderr.take().expect("it was asked for");
    let both = tokio::try_join!(bounded(out), bounded(err))?;
    child.wait().await?;
    Ok(both)
}

async fn bounded(stream: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(WORD_BYTES).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
