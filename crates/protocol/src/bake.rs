//! Bakes on the wire: what a bake is made of, how it goes, what it yields.

use crate::Timestamp;
use crate::image::ArchiveChoice;
use crate::recipe::{CommandLine, User};
use kiln_names::{AppName, BaseName, Digest, Version};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU16;
use utoipa::ToSchema;

/// A bake to be. Files travel apart, by digest: what the server lacks it lists in a
/// `context-missing` problem, is sent to `PUT /v1/blobs/{digest}`, and then this is asked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBake {
    /// The application.
    pub app: AppName,
    /// The name for the image; without one the server takes the next `YYYYMMDD.N`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The text of `kiln.toml`; without one `package` says what to bake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// Bake package files without a recipe, on `base`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackagedService>,
    /// The files that the recipe needs, sorted by path; without one, the package files.
    pub context: Vec<ContextEntry>,
    /// Bake on this base instead of the recipe's; without a recipe there must be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseName>,
    /// Resolve the packages again.
    #[serde(default)]
    pub refresh: bool,
    /// Name no version: the image is found by its digest, and goes when garbage is collected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unnamed: bool,
}

/// A service that is package files and nothing else. How it is run its systemd unit says, as far as
/// this does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackagedService {
    /// The unit, such as `hello.service`, when the packages have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What to run. With it no unit is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandLine>,
    /// The port that it listens on. No unit says that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>, minimum = 1)]
    pub port: Option<NonZeroU16>,
    /// Who it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
}

/// One file, directory or link of a context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContextEntry {
    /// Relative to the directory of the recipe, `/` between segments, no `.` or `..`.
    pub path: String,
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// What it is.
    #[serde(flatten)]
    pub content: ContextContent,
}

/// What an entry of a context is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ContextContent {
    /// A regular file.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// How many bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link that stays within the context.
    Link {
        /// Where it points, as written.
        target: String,
    },
}

/// What a bake yields: the line that `kiln bake --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Baked {
    /// The image.
    pub image: Digest,
    /// The application.
    pub app: AppName,
    /// Its name for the image; none if it was not to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Whether the version named this very image already, or an unnamed one was there.
    pub cached: bool,
    /// The layers above the base, in the order of the steps.
    pub layers: Vec<BakedLayer>,
    /// How long it took.
    pub seconds: f64,
}

impl Baked {
    /// What people call the image: `APP:VERSION`, or the beginning of its digest.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.version {
            Some(version) => format!("{}:{version}", self.app),
            None => self.image.short(),
        }
    }
}

/// A layer that a step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BakedLayer {
    /// The step.
    pub step: String,
    /// The digest of its uncompressed archive.
    pub diff_id: Digest,
    /// The size of its uncompressed archive.
    pub bytes: u64,
    /// Whether it was there already.
    pub cached: bool,
}

/// How a bake goes, one after the other; the last is `baked`, or the stream ends with a problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum BakeEvent {
    /// A step began.
    Step {
        /// The step.
        step: String,
    },
    /// A step said something.
    Output {
        /// One line of it.
        line: String,
    },
    /// A step ended.
    Layer(BakedLayer),
    /// The image is there.
    Baked(Baked),
}

/// A base to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "from", rename_all = "lowercase", deny_unknown_fields)]
pub enum NewBase {
    /// From a distribution's packages.
    Debootstrap {
        /// The suite, such as `bookworm`.
        suite: String,
        /// Packages besides the essential ones.
        #[serde(default)]
        include: Vec<String>,
    },
    /// From an image in an archive, sent to `PUT /v1/blobs/{digest}` before: an OCI layout in a tar, or
    /// what `docker save` writes.
    Oci {
        /// The digest of the archive.
        archive: Digest,
        /// Which of its images.
        #[serde(default)]
        choice: ArchiveChoice,
    },
    /// From a root file system as a tar archive, sent to `PUT /v1/blobs/{digest}` before.
    Rootfs {
        /// The digest of the archive.
        archive: Digest,
    },
}

/// A base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Base {
    /// Its name.
    pub name: BaseName,
    /// The image that the name stands for now.
    pub image: Digest,
    /// The size of its layers, uncompressed.
    pub bytes: u64,
    /// When it was baked.
    pub baked: Timestamp,
}

/// How the bake of a base goes; the last is `baked`, or the stream ends with a problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum BaseEvent {
    /// A step began.
    Step {
        /// The step.
        step: String,
    },
    /// A step said something.
    Output {
        /// One line of it.
        line: String,
    },
    /// The base is there.
    Baked(Base),
}
