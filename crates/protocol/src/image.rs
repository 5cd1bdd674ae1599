//! Images on the wire.

use crate::Timestamp;
use kiln_names::{Digest, ProcessName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An image in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageSummary {
    /// Its digest.
    pub image: Digest,
    /// Its names, as `APP:VERSION`.
    pub versions: Vec<String>,
    /// The size of its layers, as stored.
    pub bytes: u64,
    /// When it was baked.
    pub baked: Timestamp,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// Its digest.
    pub image: Digest,
    /// Its names, as `APP:VERSION`.
    pub versions: Vec<String>,
    /// When it was baked.
    pub baked: Timestamp,
    /// The architecture it runs on, such as `amd64`.
    pub architecture: String,
    /// Its layers, the base's first.
    pub layers: Vec<ImageLayer>,
    /// What it can run.
    pub processes: Vec<ImageProcess>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageLayer {
    /// The digest of the blob as stored.
    pub digest: Digest,
    /// The digest of its uncompressed archive.
    pub diff_id: Digest,
    /// The size of the blob as stored.
    pub bytes: u64,
    /// What made it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// A process of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageProcess {
    /// Its name.
    pub name: ProcessName,
    /// What it runs.
    pub command: Vec<String>,
    /// The port it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Who it runs as, as numbers.
    pub user: String,
}

/// What a collection of garbage freed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Collected {
    /// How many blobs and unpacked layers were removed.
    pub removed: u64,
    /// How many bytes they took.
    pub bytes: u64,
}
