//! What deployments need from the rest of Kiln; the binary's wiring implements it.

mod clock;
mod hooks;
mod metrics;

pub(crate) use clock::millis;
pub use clock::{Clock, ManualClock};
pub use hooks::{HookCall, HookState, HookTask, Hooks, Notice, Token};
pub use metrics::{Measured, Metrics};

use crate::Target;
use crate::kit::Fuse;
use kiln_engine::{Engine, EngineError, ErrorKind, Traffic};
use kiln_names::{AppName, CommitId, DeploymentId, Digest, EnvName, GroupId, ImageRef};
use kiln_protocol::catalog::Finding;
use kiln_protocol::configuration::Configuration;
use kiln_protocol::deployment::Difference;
use kiln_protocol::recipe::{ImageProcess, Processes};
use kiln_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::num::NonZeroU16;
use std::sync::Arc;

/// Everything that deployments need.
#[derive(Debug, Clone)]
pub struct Ports {
    /// What was baked.
    pub images: Arc<dyn Images>,
    /// How applications are run.
    pub configurations: Arc<dyn Configurations>,
    /// What is known of applications and environments.
    pub catalog: Arc<dyn Catalog>,
    /// What runs an environment.
    pub engines: Arc<dyn Engines>,
    /// What runs hooks.
    pub hooks: Arc<dyn Hooks>,
    /// Who is asked for figures.
    pub metrics: Arc<dyn Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New identities.
    pub ids: Arc<dyn Ids>,
    /// Ends everything at a chosen instant, as a crash would; [`Fuse::none`] outside tests.
    pub fuse: Fuse,
}

/// What was baked.
#[async_trait::async_trait]
pub trait Images: Send + Sync + std::fmt::Debug {
    /// The image that a person means.
    ///
    /// # Errors
    /// Not found, or an ambiguous prefix.
    async fn resolve(&self, image: &ImageRef) -> Result<Digest, Problem>;

    /// The newest bake of an application, with its name for people.
    ///
    /// # Errors
    /// When it cannot be told.
    async fn newest(&self, app: &AppName) -> Result<Option<(Digest, String)>, Problem>;

    /// What an image is, and whether it may run in an environment, if one is meant.
    ///
    /// # Errors
    /// Not found, or not whole.
    async fn facts(&self, image: &Digest, env: Option<&EnvName>) -> Result<ImageFacts, Problem>;

    /// How the packages of two images differ.
    ///
    /// # Errors
    /// When either cannot be read.
    async fn package_changes(&self, old: &Digest, new: &Digest)
    -> Result<Vec<Difference>, Problem>;
}

/// What an image is.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFacts {
    /// The application that it is of; none for an image from elsewhere.
    pub app: Option<AppName>,
    /// The processes it can run.
    pub processes: Processes<ImageProcess>,
    /// What it was built for, as OCI names it.
    pub architecture: String,
    /// Why it may not run in the environment that was asked about.
    pub embargo: Option<String>,
    /// What is different because Kiln did not bake it; nothing for an image that Kiln did.
    pub foreign: Option<Foreign>,
}

/// What is different about an image that starts without `kiln-init`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Foreign {
    /// The ports that it exposes, when there are several and none is `web`'s more than another.
    pub ports: Vec<NonZeroU16>,
}

/// How applications are run.
#[async_trait::async_trait]
pub trait Configurations: Send + Sync + std::fmt::Debug {
    /// The commit of a revision; without one, the newest.
    ///
    /// # Errors
    /// When there is no such commit.
    async fn pin(&self, target: &Target, revision: Option<&str>) -> Result<CommitId, Problem>;

    /// The three files of a commit, each valid by itself.
    ///
    /// # Errors
    /// When a file is missing or has a mistake.
    async fn read(&self, target: &Target, commit: CommitId) -> Result<Configuration, Problem>;
}

/// What is known of applications and environments.
#[async_trait::async_trait]
pub trait Catalog: Send + Sync + std::fmt::Debug {
    /// An application, if there is one of that name.
    ///
    /// # Errors
    /// When it cannot be told.
    async fn application(&self, app: &AppName) -> Result<Option<ApplicationFacts>, Problem>;

    /// Whether there is an environment of that name.
    ///
    /// # Errors
    /// When it cannot be told.
    async fn has_environment(&self, env: &EnvName) -> Result<bool, Problem>;
}

/// What is known of an application.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicationFacts {
    /// Who blocked its deployments and why, in words.
    pub blocked: Option<String>,
    /// What people look at when a deployment of it waits for them.
    pub judgement: Option<String>,
}

/// What runs an environment.
#[async_trait::async_trait]
pub trait Engines: Send + Sync + std::fmt::Debug {
    /// The engine of an environment. One that does not answer is there all the same.
    ///
    /// # Errors
    /// When there is none.
    async fn of(&self, env: &EnvName) -> Result<Provider, Problem>;

    /// Refuses an engine, or settings of one, that there cannot be. Asks nobody.
    ///
    /// # Errors
    /// Invalid, with the first mistake.
    fn accept(&self, engine: &str, settings: &Map<String, Value>) -> Result<(), Problem>;

    /// Looks at all that the engine of an environment needs.
    ///
    /// # Errors
    /// When there is none.
    async fn check(&self, env: &EnvName) -> Result<Vec<Finding>, Problem>;

    /// Lets go of the engine of an environment that is deleted.
    async fn forget(&self, env: &EnvName);
}

/// An engine, and what carries its traffic.
#[derive(Debug, Clone)]
pub struct Provider {
    /// What runs groups.
    pub engine: Arc<dyn Engine>,
    /// What carries requests to them.
    pub traffic: Arc<dyn Traffic>,
    /// What its machines run, as OCI names it; none while it does not answer.
    pub architecture: Option<String>,
}

/// New identities, random.
pub trait Ids: Send + Sync + std::fmt::Debug {
    /// Of a deployment.
    fn deployment(&self) -> DeploymentId;
    /// Of a group.
    fn group(&self) -> GroupId;
}

/// Why a port, or a step of the preparation, says no. Reads after "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What kind of no.
    pub kind: ProblemKind,
    /// In words.
    pub message: String,
}

/// What kind of no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// What was asked for makes no sense here.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// Another holds it.
    Conflict,
    /// Somebody forbade it.
    NotAllowed,
    /// It could not be told; later it may.
    Unavailable,
}

// === impl Problem ===

impl Problem {
    /// What was asked for makes no sense here.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: ProblemKind::Invalid, message: message.into() }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { kind: ProblemKind::NotFound, message: message.into() }
    }

    /// Another holds it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { kind: ProblemKind::Conflict, message: message.into() }
    }

    /// Somebody forbade it.
    pub fn not_allowed(message: impl Into<String>) -> Self {
        Self { kind: ProblemKind::NotAllowed, message: message.into() }
    }

    /// It could not be told; later it may.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: ProblemKind::Unavailable, message: message.into() }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        Self::unavailable(format!("{error}{}", source.unwrap_or_default()))
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let kind = match error.kind {
            ErrorKind::NotFound => ProblemKind::NotFound,
            ErrorKind::Permanent => ProblemKind::Invalid,
            ErrorKind::Retry | ErrorKind::Stale => ProblemKind::Unavailable,
        };
        Self { kind, message: error.message }
    }
}
