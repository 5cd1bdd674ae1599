//! Reading objects: one process answers any number of questions.

use crate::git::{self, GitError};
use kiln_names::CommitId;
use std::ffi::OsString;
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// A `git cat-file` that waits for questions. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Objects {
    /// Kept because the process dies with it.
    _process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What git knows of a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It names one object.
    One {
        id: String,
        size: usize,
    },
    Nothing,
    /// It is the beginning of several ids.
    Several,
}

impl Objects {
    pub(crate) fn open(repository: &Path) -> Result<Self, GitError> {
        Self::open_with(repository, &[])
    }

    /// The same with more in git's environment: where objects lie that are not the repository's yet.
    pub(crate) fn open_with(
        repository: &Path,
        environment: &[(OsString, OsString)],
    ) -> Result<Self, GitError> {
        let mut command = git::on(repository, &["cat-file", "--batch-command"]);
        let pairs = environment.iter().map(|(name, value)| (name, value));
        let mut process = command.envs(pairs).spawn()?;
        let questions = process.stdin.take().expect("it was asked for as a pipe");
        let answers = process.stdout.take().expect("it was asked for as a pipe");
        Ok(Self { _process: process, questions, answers: BufReader::new(answers) })
    }

    /// What `name` names; it must be of one line.
    pub(crate) async fn find(&mut self, name: &str) -> Result<Found, GitError> {
        self.ask("info", name).await
    }

    /// The commit that `name` names.
    pub(crate) async fn commit(&mut self, name: &str) -> Result<Option<CommitId>, GitError> {
        match self.find(&format!("{name}^{{commit}}")).await? {
            Found::One { id, .. } => Ok(Some(commit_id(&id)?)),
            Found::Nothing | Found::Several => Ok(None),
        }
    }

    /// The content of an object that was found to be of `size` bytes.
    pub(crate) async fn content(&mut self, id: &str, size: usize) -> Result<Vec<u8>, GitError> {
        let answer = self.ask("contents", id).await?;
        if !matches!(&answer, Found::One { size: now, .. } if *now == size) {
            return Err(GitError::Answer(format!("{answer:?}")));
        }
        let mut content = vec![0; size + 1];
        self.answers.read_exact(&mut content).await?;
        content.truncate(size);
        Ok(content)
    }

    async fn ask(&mut self, question: &str, name: &str) -> Result<Found, GitError> {
        self.questions.write_all(format!("{question} {name}\n").as_bytes()).await?;
        let mut line = String::new();
        self.answers.read_line(&mut line).await?;
        answer(line.trim_end_matches('\n'))
    }
}

/// `ID KIND SIZE`, `NAME missing` or `NAME ambiguous`.
fn answer(line: &str) -> Result<Found, GitError> {
    let unknown = || GitError::Answer(line.to_owned());
    let mut words = line.rsplit(' ');
    match words.next() {
        Some("missing") => Ok(Found::Nothing),
        Some("ambiguous") => Ok(Found::Several),
        Some(size) => {
            let size = size.parse().map_err(|_| unknown())?;
            let id = words.nth(1).ok_or_else(unknown)?.to_owned();
            Ok(Found::One { id, size })
        }
        None => Err(unknown()),
    }
}

pub(crate) fn commit_id(text: &str) -> Result<CommitId, GitError> {
    CommitId::parse(text).map_err(|_| GitError::Answer(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_git_is_understood_or_an_error() {
        let id = "6311791b29a56a76b362aa86d6f1ed09cf9dcd3c";
        let one = Found::One { id: id.into(), size: 149 };
        assert_eq!(answer(&format!("{id} commit 149")).unwrap(), one);
        assert_eq!(answer("abcd missing").unwrap(), Found::Nothing);
        assert_eq!(answer("abcd ambiguous").unwrap(), Found::Several);
        for bad in ["", "x", "a b", "id commit x"] {
            assert!(answer(bad).is_err(), "{bad}");
        }
    }
}
