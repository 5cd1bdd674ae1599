//! What runs the hooks of deployments.

use kiln_engine::RunSpec;
use kiln_names::{AppName, DeploymentId, EnvName, SecretName, SecretVersion};
use kiln_protocol::configuration::{HookPoint, HttpCall};
use serde_json::Value;

/// One hook of one deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HookCall {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Where in it.
    pub point: HookPoint,
    /// When it was begun, in milliseconds since 1970: another time is another run.
    pub begun_ms: u64,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum HookTask {
    /// A command that runs.
    Run(Box<RunSpec>),
    /// A call that is made.
    Call(Box<Notice>),
}

/// A call over HTTP, which says what happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Where to and how.
    pub call: HttpCall,
    /// The secret that it needs.
    pub token: Option<Token>,
    /// The same in every try, also of another server: the receiver knows by it what it has had.
    pub id: String,
    /// What it says.
    pub body: Value,
}

/// A version of a secret, whose value goes with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The application that it is of.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// Its name.
    pub name: SecretName,
    /// The version.
    pub version: SecretVersion,
}

/// How a hook stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookState {
    /// It runs, or is about to.
    Runs {
        /// Its last line, or what it waits for.
        last: Option<String>,
    },
    /// It ended, or could not begin.
    Ended {
        /// Whether with code 0, or an answer of the kind 2xx.
        well: bool,
        /// How, in words.
        cause: String,
        /// Its last lines.
        lines: Vec<String>,
    },
}

/// Runs hooks. What a call is tried again for, and what not, is decided here.
#[async_trait::async_trait]
pub trait Hooks: Send + Sync + std::fmt::Debug {
    /// Begins a hook, unless it was begun, and says how it stands. One that nobody looks at for some
    /// seconds is stopped: its deployment was taken back, or its server is gone.
    async fn look(&self, call: &HookCall, task: HookTask) -> HookState;

    /// Stops a hook, and tells its last lines.
    async fn stop(&self, call: &HookCall) -> Vec<String>;
}
