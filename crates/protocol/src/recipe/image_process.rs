//! Processes as they travel in an image's labels.

use super::{AbsolutePath, Capability, Processes, Stop};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU16;

/// The labels of an image's OCI configuration that Kiln writes and reads.
pub mod labels {
    /// The application that the image is of.
    pub const APP: &str = "dev.kiln.app";
    /// The base's name and digest, as `debian-12@sha256:…`.
    pub const BASE: &str = "dev.kiln.base";
    /// The resolved packages, as `name=version` joined by spaces.
    pub const PACKAGES: &str = "dev.kiln.packages";
    /// The processes, as JSON: see [`super::Processes::from_label`].
    pub const PROCESSES: &str = "dev.kiln.processes";
}

/// One way to run an image, complete: its user is numbers, so that nothing is looked up at start.
///
/// Members that a later Kiln adds are ignored by an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageProcess {
    /// The program, by its whole path, and its arguments.
    pub command: Vec<String>,
    /// The port that it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Directories that it may write to, besides `/tmp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<AbsolutePath>,
    /// What root keeps of its powers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    /// How it is asked to stop.
    #[serde(default)]
    pub stop: Stop,
}

/// Why the text of a label is not the processes of an image.
#[derive(Debug, thiserror::Error)]
#[error("the label {} does not hold processes", labels::PROCESSES)]
pub struct InvalidLabel(#[from] serde_json::Error);

impl Processes<ImageProcess> {
    /// The text of the label [`labels::PROCESSES`]; the same processes give the same bytes.
    #[must_use]
    pub fn to_label(&self) -> String {
        serde_json::to_string(self).expect("names are strings and nothing else can fail")
    }

    /// Reads the text of that label.
    ///
    /// # Errors
    /// [`InvalidLabel`] when it is not what [`Processes::to_label`] writes.
    pub fn from_label(text: &str) -> Result<Self, InvalidLabel> {
        Ok(serde_json::from_str(text)?)
    }
}
