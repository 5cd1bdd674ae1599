//! What an action sees while it runs.

use crate::Target;
use crate::ports::{Hooks, Metrics, Provider};
use kiln_engine::{Call, EngineError, Figures, Observation, TrafficObservation};
use kiln_names::DeploymentId;

/// The world around one deployment.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) target: &'a Target,
    pub(crate) provider: &'a Provider,
    pub(crate) call: Call,
    pub(crate) deployment: DeploymentId,
    /// What runs hooks.
    pub(crate) hooks: &'a dyn Hooks,
    /// Who is asked for figures.
    pub(crate) metrics: &'a dyn Metrics,
    pub(crate) now_ms: u64,
    /// When the action was first intended: what it waits out counts from there, over restarts.
    pub(crate) since_ms: u64,
}

// === impl Scene ===

impl Scene<'_> {
    /// The groups of this application in this environment.
    pub(crate) async fn observe(&self) -> Result<Observation, EngineError> {
        self.provider.engine.observe(Some((&self.target.app, &self.target.env))).await
    }

    /// What was counted of its requests.
    pub(crate) async fn figures(&self) -> Result<Vec<Figures>, EngineError> {
        self.provider.traffic.figures(&self.target.app, &self.target.env).await
    }

    /// Its traffic.
    pub(crate) async fn traffic(&self) -> Result<TrafficObservation, EngineError> {
        self.provider.traffic.observe(&self.target.app, &self.target.env).await
    }
}
