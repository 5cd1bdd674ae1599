//! Git's smart HTTP protocol: clone, fetch and push, by git's own `http-backend`.
//!
//! ```text
//! question ─ SmartHttp ─▶ git http-backend ─▶ upload-pack
//!               │                        └──▶ receive-pack ─ pre-receive:  is it valid?
//!               └─ answer, as it comes                     └ post-receive: what has moved
//! ```
//!
//! # Guarantees
//! * Nothing of the request reaches git but what is in [`Question`]: the repository by its checked
//!   names, never by a path.
//! * A push that moved the branch is told to the caller before its answer ends.
//! * Size, time and number of questions are limited; what is over time is killed with all its
//!   processes.
//!
//! # Assumptions
//! Whoever asks has been authenticated.

mod backend;
mod head;
mod hooks;
mod question;

pub use question::{Ask, Encoding, Pack, Protocol, Question};

use crate::Repositories;
use crate::git::GitError;
use crate::repositories::UNFINISHED;
use backend::{Backend, MAX_TIME};
use bytes::Bytes;
use head::Head;
use hooks::Hooks;
use kiln_names::CommitId;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// How many questions are answered at once. Each is two or three processes for some 20 ms.
const AT_ONCE: usize = 8;

/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(20);

/// How the directories begin in which git keeps what is pushed until it is accepted.
const QUARANTINE: &str = "tmp_objdir-incoming-";

/// How many pieces of an answer wait for the one who asked.
const QUEUE: usize = 8;

/// Answers git's questions over HTTP.
#[derive(Debug, Clone)]
pub struct SmartHttp {
    repositories: Repositories,
    hooks: Hooks,
    turns: Arc<Semaphore>,
}

/// What git answers.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Pieces,
}

/// A body as it comes.
#[derive(Debug)]
pub struct Pieces {
    first: Bytes,
    rest: mpsc::Receiver<Result<Bytes, AskError>>,
}

/// A push that moved the main branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The newest commit before.
    pub from: CommitId,
    /// The newest commit now.
    pub to: CommitId,
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Too many others ask.
    #[error("too many fetch and push at once")]
    Busy,
    /// The body is too long.
    #[error("a question of git has at most {0} bytes")]
    TooLong(usize),
    /// The body broke off.
    #[error("the question broke off")]
    Body(#[source] std::io::Error),
    /// It took too long.
    #[error("git did not end within {} s", MAX_TIME.as_secs())]
    Deadline,
    /// The disk refused.
    #[error("prepare to run git")]
    Io(#[from] std::io::Error),
    /// Git failed.
    #[error("let git answer")]
    Git(#[from] GitError),
}

impl SmartHttp {
    /// Answers for `repositories`. `program` is run as `PROGRAM config-hook` to judge a push, as
    /// git's `pre-receive` hook is.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(repositories: Repositories, program: PathBuf) -> std::io::Result<Self> {
        let hooks = Hooks::write(repositories.directory(), program)?;
        for (app, env) in repositories.list()? {
            sweep(&repositories.path(&app, &env))?;
        }
        Ok(Self { repositories, hooks, turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Answers a question about a repository that is there. When it moves the branch, `tell` is
    /// called before the answer ends, even if nobody reads the answer any more.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask<T, F>(
        &self,
        question: Question,
        body: mpsc::Receiver<std::io::Result<Bytes>>,
        tell: T,
    ) -> Result<Answer, AskError>
    where
        T: FnOnce(Moved) -> F + Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let turn = tokio::time::timeout(TURN, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| AskError::Busy)?.expect("the semaphore is never closed");
        let directory = self.repositories.directory();
        let scratch = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(directory)?;
        let report = scratch.path().join("moved");
        let backend = Backend::spawn(&question, directory, &self.hooks, &report)?;
        let (pieces, mut rest) = mpsc::channel(QUEUE);
        // On its own: a push goes on to its end when the one who pushed is gone.
        tokio::spawn(async move {
            let ended = backend.answer(body, &pieces).await;
            if let Some(moved) = hooks::moved(&report).await {
                tell(moved).await;
            }
            drop((scratch, turn));
            if let Err(error) = ended {
                // Nobody is left to tell when the one who asked is gone.
                pieces.send(Err(error)).await.ok();
            }
        });
        let Head { status, headers, first } = Head::read(&mut rest).await?;
        Ok(Answer { status, headers, body: Pieces { first, rest } })
    }
}

/// Removes what pushes left in quarantine that were killed.
fn sweep(repository: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(repository.join("objects")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(QUARANTINE) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

impl Pieces {
    /// The next piece; nothing after the last. An error is the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, AskError>> {
        if self.first.is_empty() {
            self.rest.recv().await
        } else {
            Some(Ok(std::mem::take(&mut self.first)))
        }
    }
}
