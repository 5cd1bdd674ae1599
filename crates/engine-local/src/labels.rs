//! What an instance is of, written beside its spec: enough to find group, release and address again
//! when the database is lost.

use kiln_engine::GroupSpec;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The labels of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// The form of these labels: [`Labels::VERSION`].
    pub v: u32,
    /// Its group: application, environment, process, name, number, release, and how it is run.
    pub group: GroupSpec,
    /// How many instances its group was to have when this one began.
    pub size: u32,
    /// The canonical JSON of its release, where that was known.
    pub release: Option<String>,
    /// Its ordinal in the group.
    pub slot: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// When it was asked for, in milliseconds since 1970.
    pub created_ms: u64,
}

impl Labels {
    /// The only form so far.
    pub const VERSION: u32 = 1;
    const FILE: &str = "labels.json";

    /// The labels in an instance's directory; none of one that an earlier Kiln started.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no labels.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(dir.join(Self::FILE)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Written before anything runs, whole or not at all; not synced, as the spec is not: after a
    /// power failure there is no instance that they could be about.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let new = dir.join("labels.new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(new, dir.join(Self::FILE))
    }
}
