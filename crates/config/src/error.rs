//! What can go wrong, operation by operation.

use crate::{GitError, Revision};
use kiln_names::{AppName, CommitId, EnvName};
use kiln_protocol::configuration::{ConfigurationFile, InvalidConfiguration};

/// Why a repository could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    /// The disk refused.
    #[error("write the configuration's repository")]
    Io(#[from] std::io::Error),
    /// Git refused.
    #[error("make the configuration's repository")]
    Git(#[from] GitError),
}

/// Why a commit's files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no repository.
    #[error("{0} has no configuration in {1}")]
    NotFound(AppName, EnvName),
    /// No commit of the main branch is meant.
    #[error("the configuration has no commit {0} on its main branch")]
    UnknownRevision(Revision),
    /// More than one commit is meant.
    #[error("{0} is the beginning of more than one commit")]
    Ambiguous(Revision),
    /// The commit lacks a file.
    #[error("{file} is missing in commit {commit}")]
    MissingFile {
        /// The file.
        file: ConfigurationFile,
        /// The commit.
        commit: CommitId,
    },
    /// A file is longer than any valid one.
    #[error(
        "{file} in commit {commit} is longer than {} bytes",
        kiln_protocol::document::MAX_FILE_BYTES
    )]
    TooLong {
        /// The file.
        file: ConfigurationFile,
        /// The commit.
        commit: CommitId,
    },
    /// A file is not UTF-8.
    #[error("{file} in commit {commit} is not text in UTF-8")]
    NotText {
        /// The file.
        file: ConfigurationFile,
        /// The commit.
        commit: CommitId,
    },
    /// Git refused.
    #[error("read the configuration")]
    Git(#[from] GitError),
}

/// Why a commit's configuration is not valid.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It has a mistake.
    #[error("commit {}: {invalid}", commit.short())]
    Invalid {
        /// The commit.
        commit: CommitId,
        /// The first mistake.
        invalid: Box<InvalidConfiguration>,
    },
}

/// Why a file was not replaced; the repository is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There is no repository.
    #[error("{0} has no configuration in {1}")]
    NotFound(AppName, EnvName),
    /// Someone else was first: look at what they did, and put again.
    #[error("the configuration is at commit {current} by now, not at {expected}")]
    Conflict {
        /// What the change was made for.
        expected: CommitId,
        /// What is there.
        current: CommitId,
    },
    /// The text has a mistake.
    #[error(transparent)]
    Invalid(#[from] InvalidConfiguration),
    /// The content is not UTF-8.
    #[error("{0} is not text in UTF-8")]
    NotText(ConfigurationFile),
    /// The message says nothing.
    #[error("a message is wanted that says why")]
    NoMessage,
    /// Git refused.
    #[error("commit the configuration")]
    Git(#[from] GitError),
}

/// Why the history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no repository.
    #[error("{0} has no configuration in {1}")]
    NotFound(AppName, EnvName),
    /// Git refused.
    #[error("read the configuration's history")]
    Git(#[from] GitError),
}

/// Why a repository was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is no repository.
    #[error("{0} has no configuration in {1}")]
    NotFound(AppName, EnvName),
    /// The disk refused.
    #[error("remove the configuration's repository")]
    Io(#[from] std::io::Error),
}
