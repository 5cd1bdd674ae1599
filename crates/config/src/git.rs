//! Running the `git` program: nothing of the machine's or the user's settings reaches it.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// How long any one call may take; the slowest takes some 20 ms.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Where programs are looked for, whatever the caller's own path is.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of every call. Replaced objects and lazy fetches would let one commit mean another
/// thing on another day.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("PATH", PATH),
    ("LC_ALL", "C"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ATTR_NOSYSTEM", "1"),
];

/// Settings of every call: no hooks, no work of its own accord, patience with another writer's lock,
/// and a commit that is acknowledged is on the disk.
const SETTINGS: [&str; 8] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "gc.auto=0",
    "-c",
    "core.filesRefLockTimeout=5000",
    "-c",
    "core.fsync=objects,derived-metadata,reference",
];

/// Why a call of git failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be started, or its pipes broke.
    #[error("run git")]
    Io(#[from] std::io::Error),
    /// It ran and refused.
    #[error("git {command} failed ({status}): {words}")]
    Failed {
        /// The subcommand.
        command: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        words: String,
    },
    /// It did not end in time.
    #[error("git did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    /// It answered something that this program does not understand.
    #[error("git answered {0:?}")]
    Answer(String),
}

/// What a call left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) words: String,
}

impl Output {
    /// The output of a call that succeeded.
    pub(crate) fn success(self, command: &'static str) -> Result<String, GitError> {
        match self.status.success() {
            true => Ok(self.stdout),
            false => Err(self.failure(command)),
        }
    }

    pub(crate) fn failure(self, command: &'static str) -> GitError {
        GitError::Failed { command, status: self.status, words: self.words }
    }
}

/// Runs `git ARGUMENTS` on the repository to its end, with `input` as its standard input.
pub(crate) async fn run(
    repository: &Path,
    arguments: &[&str],
    input: &[u8],
) -> Result<Output, GitError> {
    let mut child = spawn(repository, arguments)?;
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            stdin.write_all(input).await?;
            stdin.shutdown().await?;
        }
        Ok::<(), std::io::Error>(())
    };
    let both = async { tokio::join!(feed, child.wait_with_output()) };
    let (fed, output) =
        tokio::time::timeout(DEADLINE, both).await.map_err(|_| GitError::Deadline)?;
    let output = output?;
    // A git that refuses may end before it has read all: then its own words say more.
    if output.status.success() {
        fed?;
    }
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        words: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Starts `git ARGUMENTS` on the repository; it dies with the handle.
pub(crate) fn spawn(repository: &Path, arguments: &[&str]) -> Result<Child, GitError> {
    Ok(on(repository, arguments).spawn()?)
}

/// `git ARGUMENTS` on the repository.
pub(crate) fn on(repository: &Path, arguments: &[&str]) -> Command {
    let mut command = command();
    command.arg("--git-dir").arg(repository).args(arguments);
    command
}

/// `git` with pipes, and with nothing of the machine's or the user's settings.
pub(crate) fn command() -> Command {
    let mut command = Command::new("git");
    command
        .args(SETTINGS)
        .env_clear()
        .envs(ENVIRONMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}
