//! Log lines of instances.

use kiln_names::{AppName, EnvName, GroupName, InstanceId};
use serde::{Deserialize, Serialize};

/// Which lines to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// Only this group's.
    pub group: Option<GroupName>,
    /// Only this instance's.
    pub instance: Option<InstanceId>,
    /// How many of each instance's last lines to begin with.
    pub tail: usize,
    /// Whether to go on with lines as they come, those of new instances included.
    pub follow: bool,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The instance that wrote it.
    pub instance: InstanceId,
    /// Its group.
    pub group: GroupName,
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// To which of its outputs.
    pub source: Source,
    /// The line, without its end; at most 64 KiB, what is not UTF-8 replaced.
    pub text: String,
}

/// An output of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Lines in the order of their times as far as they are known; ends unless it follows.
pub type LogStream = std::pin::Pin<Box<dyn futures_util::Stream<Item = LogLine> + Send>>;
