//! Images on the wire.

use crate::Timestamp;
use crate::deployment::Difference;
use kiln_names::{AppName, Digest, Platform, ProcessName, Version};
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
    /// Whether it came from elsewhere and starts without `kiln-init`.
    #[serde(default)]
    pub foreign: bool,
}

/// How two images differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageDiff {
    /// The one.
    pub old: Digest,
    /// The other.
    pub new: Digest,
    /// The size of the layers that only the one has.
    pub bytes_only_in_old: u64,
    /// The size of the layers that only the other has: what a machine that has the one needs.
    pub bytes_only_in_new: u64,
    /// Packages and processes that differ.
    pub differences: Vec<Difference>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageLayer {
    /// The digest that the manifest names: of the layer as it came, which may be compressed.
    pub digest: Digest,
    /// The digest of its uncompressed archive.
    pub diff_id: Digest,
    /// The size of its uncompressed archive.
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

/// Which image of an archive is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveChoice {
    /// Its name in the archive, or its digest; not needed when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it has to be built for, when not for the server's own machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// An image to be taken from an archive, which was sent to `PUT /v1/blobs/{digest}` before: an OCI
/// layout in a tar, or what `docker save` writes; either may be compressed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImage {
    /// The digest of the archive.
    pub archive: Digest,
    /// Which of its images.
    #[serde(default)]
    pub choice: ArchiveChoice,
    /// The application to name it for; with a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// The version to name it; with an application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

/// What came of an import: the line that `kiln image import --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// The image, by the digest that it had.
    pub image: Digest,
    /// The application that it was named for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Whether it was here already, under this name if it was to get one.
    pub cached: bool,
    /// The size of its layers, uncompressed.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

/// How an import goes; the last is `imported`, or the stream ends with a problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ImportEvent {
    /// A step began.
    Step {
        /// The step.
        step: String,
    },
    /// The image is there.
    Imported(Imported),
}

/// Who is to read an exported image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Everybody: an OCI layout that also has what `docker load` looks for.
    #[default]
    Both,
    /// An OCI layout and nothing else.
    Oci,
    /// Tools that know the older archives of `docker save` alone.
    Docker,
}

impl ExportFormat {
    /// As it stands in a query.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Oci => "oci",
            Self::Docker => "docker",
        }
    }
}

/// What a collection of garbage freed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Collected {
    /// How many blobs and unpacked layers were removed.
    pub removed: u64,
    /// How many bytes they took.
    pub bytes: u64,
}
