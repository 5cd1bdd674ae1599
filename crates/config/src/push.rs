//! Judging a push before the branch moves: the newest commit must pass what `put` asks of a file.
//!
//! Git keeps what was pushed in quarantine until the hook has agreed: objects that nobody else sees,
//! and that are gone when it refuses.

use crate::error::ReadError;
use crate::git::{DEADLINE, GitError};
use crate::objects::Objects;
use crate::snapshot::{Files, MAIN};
use kiln_names::CommitId;
use kiln_protocol::configuration::{ConfigurationFile, InvalidConfiguration};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Where objects lie that were pushed and not yet taken: git's own variables.
#[derive(Debug, Default)]
pub struct Quarantine(Vec<(OsString, OsString)>);

/// Why a push is refused; the text is shown to the person who pushes.
#[derive(Debug, thiserror::Error)]
pub enum PushRefused {
    /// Something else than the configuration's history.
    #[error("only {MAIN} can be pushed here, not {0}")]
    Reference(String),
    /// The configuration's history would be gone.
    #[error("{MAIN} cannot be deleted")]
    Deletion,
    /// No commit.
    #[error("{0} is not a commit")]
    NotCommit(String),
    /// Files with mistakes, each with its first.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Files(Vec<FileFault>),
    /// Git did not tell what is pushed in its usual words.
    #[error("git tells of the push in unknown words: {0:?}")]
    Words(String),
    /// Git refused.
    #[error("read what is pushed")]
    Git(#[from] GitError),
}

/// What is wrong with one file of the newest commit.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It is missing, too long, or not text.
    #[error(transparent)]
    Read(ReadError),
    /// It has a mistake.
    #[error(transparent)]
    Invalid(#[from] InvalidConfiguration),
}

impl Quarantine {
    const NAMES: [&str; 3] =
        ["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"];

    /// Takes what is git's from the environment of a hook.
    pub fn of(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let is_own = |name: &OsStr| Self::NAMES.iter().any(|own| name == *own);
        Self(environment.into_iter().filter(|(name, _)| is_own(name)).collect())
    }
}

/// Judges the `updates` that git's `pre-receive` hook is told of: a line each, the old commit, the
/// new one and the reference.
///
/// That the new commit has the old one among its ancestors is left to git's own check.
///
/// # Errors
/// [`PushRefused`]; then the hook must fail, and nothing changes.
pub async fn judge(
    repository: &Path,
    quarantine: &Quarantine,
    updates: &str,
) -> Result<(), PushRefused> {
    for update in updates.lines() {
        let new = new_tip(update)?;
        let work = check(repository, quarantine, new);
        tokio::time::timeout(DEADLINE, work).await.map_err(|_| GitError::Deadline)??;
    }
    Ok(())
}

/// What the main branch is to become.
fn new_tip(update: &str) -> Result<&str, PushRefused> {
    let words: Vec<&str> = update.splitn(3, ' ').collect();
    let &[_, new, reference] = words.as_slice() else {
        return Err(PushRefused::Words(update.to_owned()));
    };
    match reference {
        MAIN if new.bytes().all(|digit| digit == b'0') => Err(PushRefused::Deletion),
        MAIN if CommitId::parse(new).is_err() => Err(PushRefused::Words(update.to_owned())),
        MAIN => Ok(new),
        other => Err(PushRefused::Reference(other.to_owned())),
    }
}

async fn check(repository: &Path, quarantine: &Quarantine, new: &str) -> Result<(), PushRefused> {
    let mut objects = Objects::open_with(repository, &quarantine.0)?;
    let commit = objects.commit(new).await?;
    let commit = commit.ok_or_else(|| PushRefused::NotCommit(new.to_owned()))?;
    let mut files = Files { objects, commit };
    let mut faults = Vec::new();
    for file in ConfigurationFile::ALL {
        match files.text(file).await {
            Ok(text) => faults.extend(file.check(&text).err().map(FileFault::Invalid)),
            Err(ReadError::Git(error)) => return Err(error.into()),
            Err(error) => faults.push(FileFault::Read(error)),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(PushRefused::Files(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "6311791b29a56a76b362aa86d6f1ed09cf9dcd3c";
    const NONE: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn only_the_main_branch_may_move_and_only_to_a_commit() {
        assert_eq!(new_tip(&format!("{NONE} {OLD} refs/heads/main")).unwrap(), OLD);
        let check = |update: String, expected: &str| {
            assert_eq!(new_tip(&update).unwrap_err().to_string(), expected);
        };
        check(format!("{OLD} {NONE} refs/heads/main"), "refs/heads/main cannot be deleted");
        for other in ["refs/tags/v1", "refs/heads/main2", "refs/heads/a main", "HEAD"] {
            let expected = format!("only refs/heads/main can be pushed here, not {other}");
            check(format!("{OLD} {OLD} {other}"), &expected);
        }
        for words in ["", "x", "a b", "a --all refs/heads/main"] {
            assert!(matches!(new_tip(words), Err(PushRefused::Words(_))), "{words}");
        }
    }

    #[test]
    fn of_a_hooks_environment_only_gits_quarantine_is_kept() {
        let pair = |name: &str| (OsString::from(name), OsString::from("x"));
        let kept = Quarantine::of(["HOME", "GIT_OBJECT_DIRECTORY", "GIT_DIR"].map(pair));
        assert_eq!(kept.0, [pair("GIT_OBJECT_DIRECTORY")]);
    }
}
