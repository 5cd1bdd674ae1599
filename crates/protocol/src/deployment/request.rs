//! What people ask of deployments.

use kiln_names::{ImageRef, ProcessName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Deploy, or plan to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployRequest {
    /// The image; without one, the newest bake of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// A commit of the configuration, or at least 4 digits of one; without one, the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// A release that was deployed before, whole or `r-` and at least 4 digits; instead of image
    /// and configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Why.
    #[serde(default)]
    pub message: String,
    /// On failure stop and touch nothing, instead of undoing.
    #[serde(default)]
    pub hold: bool,
}

/// Go back to an earlier release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The release; without one, the one that the active one replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why.
    #[serde(default)]
    pub message: String,
}

/// Change how many instances there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResizeRequest {
    /// Of which process; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessName>,
    /// How many.
    pub size: u32,
    /// Why.
    #[serde(default)]
    pub message: String,
}

/// Why something is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// In words.
    #[serde(default)]
    pub message: String,
}
