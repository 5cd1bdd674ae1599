//! Runs on the wire: an image, here and now, for as long as somebody watches.

use kiln_names::{AppName, ByteSize, Digest, EnvName, ImageRef, InstanceId, ProcessName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Words of a command.
pub const MAX_WORDS: usize = 1_024;
/// Bytes of all words of a command together: the kernel takes 128 KiB for one of them.
pub const MAX_COMMAND_BYTES: usize = 64 << 10;

/// A run to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRun {
    /// The image.
    pub image: ImageRef,
    /// Which of its processes; without one `web`, or else the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessName>,
    /// What to run instead of the process's own command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The environment whose configuration and network it gets; without one it gets neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<EnvName>,
    /// The application; without one, that of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// The memory that it may use, instead of what the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// The share of processors that it may use, in thousandths of one, instead of what the
    /// configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milli_cpu: Option<u32>,
}

/// How a run goes, one after the other; the last is `ended`, or the stream ends with a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// Its command runs.
    Started {
        /// Its identity, to stop it by.
        run: InstanceId,
        /// The image.
        image: Digest,
        /// The process.
        process: ProcessName,
        /// Where a process with a port listens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// It wrote a line.
    Output {
        /// `stdout` or `stderr`.
        source: String,
        /// The line, without its end; at most 64 KiB, what is not UTF-8 replaced.
        text: String,
        /// Whether the line goes on, or ended without an end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        partial: bool,
    },
    /// It ended, and nothing is left of it.
    Ended {
        /// Its exit code, if it exited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// The signal that ended it, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Whether the kernel killed it for using more memory than its limit.
        out_of_memory: bool,
        /// All of that in words.
        cause: String,
        /// How many lines are missing because nobody took them in time after it was to stop.
        #[serde(default, skip_serializing_if = "is_zero")]
        dropped: u64,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
