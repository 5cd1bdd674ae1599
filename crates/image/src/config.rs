//! What an image says about how to start it.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The settings of an image, in the words of OCI. Equal settings give an equal image digest: maps
/// and sets are sorted, and there is no time of creation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// As OCI and Go call it: `amd64`, `arm64`.
    pub architecture: String,
    /// `uid:gid` in numbers, or a name; empty for root.
    pub user: String,
    /// TCP ports that the image listens on.
    pub exposed_ports: BTreeSet<u16>,
    /// `NAME=value`, in the order in which they are set.
    pub env: Vec<String>,
    /// Starts the command; empty for none.
    pub entrypoint: Vec<String>,
    /// The command, or the arguments of the entry point.
    pub cmd: Vec<String>,
    /// Directories that it expects to write to.
    pub volumes: BTreeSet<String>,
    /// Where the command starts; empty for `/`.
    pub working_dir: String,
    /// Free text by name; Kiln keeps the processes of an image here.
    pub labels: BTreeMap<String, String>,
    /// The signal that asks the command to stop, as `SIGTERM`; empty for the default.
    pub stop_signal: String,
}
