//! What people ask for.

use kiln_names::{AppName, EnvName, ImageRef, InstanceId, ProcessName};
use serde::{Deserialize, Serialize};

/// An application in an environment: what a deployment changes, and what its lock is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
}

/// Who asks, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The person or the part of Kiln.
    pub who: String,
    /// The reason, in words.
    pub message: String,
}

/// A deployment that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Of what.
    pub target: Target,
    /// What.
    pub ask: Ask,
    /// By whom, and why.
    pub why: Why,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Ask {
    /// Go to a release.
    Deploy(Deploy),
    /// The active image with the newest configuration.
    Redeploy,
    /// Go back to the release that the active one replaced.
    Rollback {
        /// To this one instead: its whole id, or `r-` and at least 4 digits.
        to: Option<String>,
    },
    /// Remove all groups and free the routes.
    Stop,
    /// Change how many instances the active group of a process has.
    Resize {
        /// Of which process; may be left out when there is only one.
        process: Option<ProcessName>,
        /// How many.
        size: u32,
    },
    /// Start an identical instance, then drain and stop this one.
    Replace {
        /// Which one.
        instance: InstanceId,
    },
}

/// Which release to go to, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deploy {
    /// The image; without one, the newest bake of the application.
    pub image: Option<ImageRef>,
    /// A revision of the configuration; without one, the newest.
    pub config: Option<String>,
    /// A release that was deployed before, instead of image and configuration.
    pub release: Option<String>,
    /// On failure stop and touch nothing, instead of undoing.
    pub hold: bool,
}

// === impl Target ===

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.app, self.env)
    }
}

// === impl Ask ===

impl Ask {
    /// The verb, as people type it.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::Redeploy => "redeploy",
            Self::Rollback { .. } => "rollback",
            Self::Stop => "stop",
            Self::Resize { .. } => "resize",
            Self::Replace { .. } => "replace",
        }
    }

    /// Whether a failure leaves everything as it is, for a person to decide. What takes an
    /// application away is not brought back by a machine.
    #[must_use]
    pub const fn holds(&self) -> bool {
        match self {
            Self::Deploy(deploy) => deploy.hold,
            Self::Stop => true,
            _ => false,
        }
    }
}
