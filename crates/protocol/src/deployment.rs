//! Deployments on the wire: what is asked, what is planned, how it goes, how it ended.

mod event;
mod lock;
mod plan;
mod request;

pub use event::{DeploymentEvent, Happening};
pub use lock::{HeldLock, Lock};
pub use plan::{Difference, Plan, PlannedAction, PlannedGroup};
pub use request::{DeployRequest, Reason, ResizeRequest, RollbackRequest};

use crate::status::ProcessMemory;
use crate::{Exit, Timestamp};
use kiln_names::{
    AppName, CommitId, DeploymentId, Digest, EnvName, GroupName, InstanceId, ReleaseId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A deployment: takes an application in an environment from one release to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The verb that began it: `deploy`, `rollback`, `redeploy`, `stop`, `resize`,
    /// `replace`.
    pub verb: String,
    /// Where it is in its life.
    pub state: DeploymentState,
    /// Why it is in that state, when it is not the plain course of things.
    pub reason: Option<String>,
    /// What to type next, when a person is needed or may want to know.
    pub hint: Option<String>,
    /// The release it goes to, once it is planned; none when it takes everything away.
    pub release: Option<ReleaseId>,
    /// The release it comes from.
    pub from: Option<ReleaseId>,
    /// The image of the release it goes to.
    pub image: Option<Digest>,
    /// A name of that image, as `APP:VERSION`.
    pub version: Option<String>,
    /// The configuration of the release it goes to.
    pub config: Option<CommitId>,
    /// Why it was asked for.
    pub message: String,
    /// Who asked for it.
    pub user: String,
    /// When it was asked for.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How the release it goes to differs from the one it comes from.
    pub differences: Vec<Difference>,
    /// What was done, in order.
    pub actions: Vec<Action>,
    /// What went wrong, in detail.
    pub failure: Option<Failure>,
    /// The memory of each process that it left active, once it completed.
    #[serde(default)]
    pub memory: Vec<ProcessMemory>,
    /// The place of the journal's last record: `?after=SEQ` asks for the events that follow.
    pub seq: u64,
}

/// A deployment in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentSummary {
    /// Its id.
    pub id: DeploymentId,
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The verb that began it.
    pub verb: String,
    /// Where it is in its life.
    pub state: DeploymentState,
    /// Why it is in that state, when it is not the plain course of things.
    pub reason: Option<String>,
    /// The release it goes to, once it is planned.
    pub release: Option<ReleaseId>,
    /// A name of that release's image, as `APP:VERSION`.
    pub version: Option<String>,
    /// Why it was asked for.
    pub message: String,
    /// Who asked for it.
    pub user: String,
    /// When it was asked for.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// Where a deployment is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentState {
    /// It reads and decides; nothing has changed.
    Preparing,
    /// Its plan is carried out.
    Running,
    /// It waits for a person.
    Paused,
    /// It did what was asked.
    Completed,
    /// It could not be planned; nothing changed.
    Invalid,
    /// It failed, or a person said so, and everything is as before.
    Undone,
    /// A person is needed.
    Stuck,
}

impl DeploymentState {
    /// The exit code of a command that waited for it; none while it goes on.
    #[must_use]
    pub const fn exit(self) -> Option<Exit> {
        match self {
            Self::Preparing | Self::Running | Self::Paused => None,
            Self::Completed => Some(Exit::Done),
            Self::Invalid => Some(Exit::Invalid),
            Self::Undone => Some(Exit::Undone),
            Self::Stuck => Some(Exit::Stuck),
        }
    }

    /// As it stands in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Invalid => "invalid",
            Self::Undone => "undone",
            Self::Stuck => "stuck",
        }
    }
}

impl std::fmt::Display for DeploymentState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// An action of a deployment, as far as it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Action {
    /// Its part of the deployment: `create`, `settle`, `shift`, `watch`, `finish`, `undo`.
    pub phase: String,
    /// Its name.
    pub name: String,
    /// What it does, with what.
    pub summary: String,
    /// Where it is.
    pub state: ActionState,
    /// What it found or did, in words.
    pub note: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// Where an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActionState {
    /// Begun.
    Running,
    /// Done.
    Done,
    /// Failed.
    Failed,
}

/// What went wrong, for the person who has to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The action that failed.
    pub action: String,
    /// What happened.
    pub reason: String,
    /// The last answer of its check.
    pub last_check: Option<String>,
    /// The group that shows why.
    pub group: Option<GroupName>,
    /// The instance that shows why.
    pub instance: Option<InstanceId>,
    /// How that instance ended, if it did.
    pub exit: Option<String>,
    /// Its last lines.
    pub log: Vec<String>,
}
