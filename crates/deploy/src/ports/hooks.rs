//! What runs the hooks of deployments.

use kiln_engine::RunSpec;
use kiln_names::DeploymentId;
use kiln_protocol::configuration::HookPoint;

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
        /// Whether with code 0.
        well: bool,
        /// How, in words.
        cause: String,
        /// Its last lines.
        lines: Vec<String>,
    },
}

/// Runs hooks.
#[async_trait::async_trait]
pub trait Hooks: Send + Sync + std::fmt::Debug {
    /// Begins a hook, unless it was begun, and says how it stands. One that nobody looks at for some
    /// seconds is stopped: its deployment was taken back, or its server is gone.
    async fn look(&self, call: &HookCall, run: RunSpec) -> HookState;

    /// Stops a hook.
    async fn stop(&self, call: &HookCall);
}
