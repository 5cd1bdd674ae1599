//! One `git http-backend` at work.

use super::hooks::Hooks;
use super::{Ask, AskError, Pack, Question};
use crate::git::{self, GitError};
use bytes::{Bytes, BytesMut};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Error as IoError;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::mpsc::{Receiver, Sender};

/// How long a question and its answer may take in all. A configuration takes a fraction of a
/// second; a push over a slow line some seconds.
pub(super) const MAX_TIME: Duration = Duration::from_secs(120);

/// The longest question, packed or not. Three files of 1 MiB at most and their history are less.
pub(super) const MAX_BODY: usize = 16 << 20;

/// How much of an answer is read at once.
const PIECE: usize = 32 << 10;

/// How much is kept of what git says when it fails.
const MAX_WORDS: u64 = 4 << 10;

/// Settings of a push and a fetch: objects are checked, a branch only grows, a pack has the size of
/// a question however well it is compressed.
const SETTINGS: [&str; 7] = [
    "transfer.fsckObjects=true",
    "receive.denyNonFastForwards=true",
    "receive.denyDeletes=true",
    "receive.maxInputSize=16777216",
    "receive.autogc=false",
    "http.getanyfile=false",
    "uploadpack.allowFilter=false",
];

/// How long git may take to clean up when it is told to end: its locks lie on the disk.
const FAREWELL: Duration = Duration::from_secs(5);

/// The process and its descendants, a process group of their own. Dropped before its end, all are
/// told to end.
#[derive(Debug)]
pub(super) struct Backend(Child);

impl Drop for Backend {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

impl Backend {
    pub(super) fn spawn(
        question: &Question,
        root: &Path,
        hooks: &Hooks,
        report: &Path,
    ) -> Result<Self, AskError> {
        let mut command = git::command();
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if question.ask == Ask::Exchange(Pack::Receive) {
            hooks.check()?;
        }
        let child = command
            .arg("-c")
            .arg(hooks.setting())
            .arg("http-backend")
            .envs(question.environment(root))
            .envs(hooks.environment(report))
            .process_group(0)
            .spawn()?;
        Ok(Self(child))
    }

    /// Hands the body to git and then git's answer to `pieces`, to the end.
    pub(super) async fn answer(
        mut self,
        body: Receiver<std::io::Result<Bytes>>,
        pieces: &Sender<Result<Bytes, AskError>>,
    ) -> Result<(), AskError> {
        let ended = tokio::time::timeout(MAX_TIME, self.work(body, pieces)).await;
        let ended = ended.unwrap_or(Err(AskError::Deadline));
        if ended.is_err() {
            self.end().await;
        }
        ended
    }

    async fn end(&mut self) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(FAREWELL, self.0.wait()).await.is_err() {
            self.signal(Signal::KILL);
        }
    }

    /// Signals the group for as long as its leader has not been waited for: its id is not another's.
    fn signal(&self, signal: Signal) {
        let leader = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(leader) = leader {
            // Gone already is as good.
            kill_process_group(leader, signal).ok();
        }
    }

    async fn work(
        &mut self,
        body: Receiver<std::io::Result<Bytes>>,
        pieces: &Sender<Result<Bytes, AskError>>,
    ) -> Result<(), AskError> {
        let stdin = self.0.stdin.take().expect("it was asked for as a pipe");
        let mut stdout = self.0.stdout.take().expect("it was asked for as a pipe");
        let stderr = self.0.stderr.take().expect("it was asked for as a pipe");
        // The answer begins when the question is whole, as git's clients expect; git itself answers
        // no earlier, so that its pipe does not fill meanwhile.
        let exchange = async {
            let fed = feed(body, stdin).await;
            match &fed {
                Ok(()) => pass(stdout, pieces).await?,
                // Git refuses what has no end. It cleans up only when it ends by itself.
                Err(_) => drop(tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await?),
            }
            fed
        };
        let words = async { Ok(last_words(stderr).await?) };
        let ((), words) = tokio::try_join!(exchange, words)?;
        let status = self.0.wait().await?;
        if status.success() {
            return Ok(());
        }
        let words = words.trim().to_owned();
        Err(GitError::Failed { command: "http-backend", status, words }.into())
    }
}

/// Hands the body on. Git may have heard enough before its end; the rest is read all the same, or
/// the one who asked would not come to read the answer.
async fn feed(
    mut body: Receiver<std::io::Result<Bytes>>,
    stdin: ChildStdin,
) -> Result<(), AskError> {
    let mut stdin = Some(stdin);
    let mut size = 0;
    while let Some(piece) = body.recv().await {
        let piece = piece.map_err(AskError::Body)?;
        size += piece.len();
        if size > MAX_BODY {
            return Err(AskError::TooLong(MAX_BODY));
        }
        if let Some(open) = &mut stdin
            && open.write_all(&piece).await.is_err()
        {
            stdin = None;
        }
    }
    Ok(())
}

/// Hands the answer on. It is read to its end even if nobody takes it: a push ends as it would.
async fn pass(
    mut stdout: ChildStdout,
    pieces: &Sender<Result<Bytes, AskError>>,
) -> Result<(), IoError> {
    loop {
        let mut piece = BytesMut::with_capacity(PIECE);
        if stdout.read_buf(&mut piece).await? == 0 {
            return Ok(());
        }
        pieces.send(Ok(piece.freeze())).await.ok();
    }
}

/// The beginning of what git says on its standard error, read to its end.
async fn last_words(mut stderr: impl AsyncRead + Unpin) -> Result<String, IoError> {
    let mut words = Vec::new();
    (&mut stderr).take(MAX_WORDS).read_to_end(&mut words).await?;
    tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&words).into_owned())
}
