//! Configuration on the wire: files at a commit, the commits, and how two of them differ.

mod difference;

pub use difference::{Change, changes};

use crate::Timestamp;
use kiln_names::{AppName, CommitId, EnvName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The configuration of an application in an environment at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The commit.
    pub commit: CommitId,
    /// The text of each file, by name.
    pub files: BTreeMap<String, String>,
}

/// A commit of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Commit {
    /// The commit.
    pub commit: CommitId,
    /// Who made it.
    pub author: String,
    /// When.
    pub time: Timestamp,
    /// Why.
    pub message: String,
}

/// A whole file to replace the one of that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFile {
    /// Its text.
    pub content: String,
    /// Why.
    pub message: String,
    /// Refuse if the newest commit is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<CommitId>,
}

/// An application and an environment that have configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Configured {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The newest commit.
    pub newest: Commit,
}

/// How a configuration differs between two commits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The commit that is compared with.
    pub from: CommitId,
    /// The commit that is compared.
    pub to: CommitId,
    /// What differs, file by file.
    pub changes: Vec<Change>,
}
