//! The archive's own two documents.

use kiln_names::Digest;
use serde::{Deserialize, Serialize};

/// The first member's name.
pub(crate) const HEAD: &str = "backup.json";
/// The last member's name.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The form that this program writes and reads.
pub(crate) const FORM: u32 = 1;

/// What the archive is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) kiln_backup: u32,
    /// Whether it has images.
    pub(crate) images: bool,
}

/// What the archive holds between the two documents, in its order.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) files: Vec<Line>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) mode: u32,
    pub(crate) digest: Digest,
}
