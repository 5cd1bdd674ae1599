//! What a deployment would do.

use kiln_names::{AppName, CommitId, Digest, EnvName, ProcessName, ReleaseId, Route};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a deployment would do, decided on what is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The release that is active.
    pub from: Option<ReleaseId>,
    /// The release it would go to; none when it would take everything away.
    pub release: Option<ReleaseId>,
    /// The image of the release it would go to.
    pub image: Option<Digest>,
    /// A name of that image, as `APP:VERSION`.
    pub version: Option<String>,
    /// The configuration of the release it would go to.
    pub config: Option<CommitId>,
    /// The groups it would create.
    pub groups: Vec<PlannedGroup>,
    /// How the release it would go to differs from the active one.
    pub differences: Vec<Difference>,
    /// What a person may want to know: what was chosen, what was found changed by others.
    pub notes: Vec<String>,
    /// What it would do, in order.
    pub actions: Vec<PlannedAction>,
}

/// A group that would be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedGroup {
    /// The process it would run.
    pub process: ProcessName,
    /// How many instances it would have.
    pub size: u32,
    /// Where it would be reached.
    pub routes: Vec<Route>,
}

/// An action that would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedAction {
    /// Its phase: `create`, `settle`, `shift`, `watch`, `finish`.
    pub phase: String,
    /// Its name.
    pub name: String,
    /// What it would do, in words.
    pub description: String,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// What kind: `image`, `packages`, `processes`, `configuration`, `secrets`, `capacity`,
    /// `routes`.
    pub kind: String,
    /// What it is about: a key, a package, a process.
    pub name: String,
    /// As it is; none if it is new.
    pub old: Option<String>,
    /// As it would be; none if it goes.
    pub new: Option<String>,
}
