//! `deployment-params.json` as it stands: every key may be left out, and a process may have its own.

use super::{
    Analysis, CheckKind, CheckPath, External, Hooks, Look, MilliCpu, Network, Scale, Scheduled,
    Volume,
};
use crate::document::{Mistake, Place};
use kiln_names::{ByteSize, ProcessName, Route, Span};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU16;

/// How an application is run in one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentParams {
    /// What stands at the top only.
    pub settings: DeploymentSettings,
    /// What holds for every process.
    pub(super) shared: Choices,
    /// What single processes have of their own.
    pub(super) overrides: Vec<Override>,
}

/// What a deployment does, whatever the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSettings {
    /// How the new release takes over.
    pub strategy: Strategy,
    /// How long the new release is compared with the old one.
    pub watch: Span,
    /// How long the old groups stay ready to take over again.
    pub keep_warm: Span,
    /// Where it waits for a person.
    #[serde(flatten, default)]
    pub pauses: Pauses,
    /// What it runs besides.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// What the new release is measured by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
}

/// Where a deployment waits for a person, who resumes it or takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pauses {
    /// When all new instances are healthy, before any traffic moves.
    pub pause_after_instances_healthy: bool,
    /// When the new release has the traffic, before the old one is given up.
    pub pause_before_old_removed: bool,
}

impl Default for DeploymentSettings {
    fn default() -> Self {
        Self {
            strategy: Strategy::RedBlack,
            watch: Span::ZERO,
            keep_warm: Span::seconds(15 * 60),
            pauses: Pauses::default(),
            hooks: Hooks::new(),
            analysis: None,
        }
    }
}

/// How a new release takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Strategy {
    /// A new group beside the old one, then all traffic at once.
    RedBlack,
    /// A new group of full size beside the old one, with a growing share of the traffic.
    Canary {
        /// The shares, growing; after the last step all traffic moves.
        steps: Vec<CanaryStep>,
    },
    /// Batch by batch, for when two full groups do not fit.
    Rolling {
        /// How many instances of each process change at a time.
        batch: u32,
    },
    /// The old group goes before the new one comes; in between nobody serves.
    Highlander,
    /// Each instance in turn makes room for its successor in the same slot, with its volumes.
    OneByOne,
}

/// A share of the traffic, and how long it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryStep {
    /// Percent of the requests, 1 to 99.
    pub weight: u32,
    /// How long the new group is watched at this share.
    pub duration: Span,
}

/// A process with settings of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Override {
    pub(super) process: ProcessName,
    /// Where it stands, for what only the image can show to be wrong.
    pub(super) place: Place,
    /// Where it listens, when the image does not say.
    pub(super) port: Option<NonZeroU16>,
    pub(super) choices: Choices,
}

/// The keys that were given.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Choices {
    pub(super) min: Option<u32>,
    pub(super) max: Option<u32>,
    pub(super) desired: Option<u32>,
    pub(super) cpu: Option<MilliCpu>,
    pub(super) memory: Option<ByteSize>,
    pub(super) pids: Option<u32>,
    pub(super) routes: Option<Vec<Route>>,
    pub(super) health_check: CheckChoices,
    pub(super) startup_check: CheckChoices,
    pub(super) drain_timeout: Option<Span>,
    pub(super) network: Option<Network>,
    pub(super) scale: Option<Scale>,
    pub(super) schedule: Option<Vec<Scheduled>>,
    pub(super) external: Option<External>,
    pub(super) volumes: Option<Vec<Volume>>,
    pub(super) engine: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The keys that were given for a check.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct CheckChoices {
    /// Also given, as HTTP, by a path.
    pub(super) way: Option<Way>,
    pub(super) path: Option<CheckPath>,
    pub(super) interval: Option<Span>,
    pub(super) timeout: Option<Span>,
    pub(super) unhealthy_threshold: Option<u32>,
}

/// How a check is made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Way {
    /// By the router.
    Outside(CheckKind),
    /// In the instance.
    Inside(Look),
}

impl Way {
    /// What is left to the router: of what is looked at from inside it knows whether it accepts.
    pub(super) const fn kind(&self) -> CheckKind {
        match self {
            Self::Outside(kind) => *kind,
            Self::Inside(_) => CheckKind::Tcp,
        }
    }
}

impl DeploymentParams {
    /// Reads the file.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        super::read::params(text)
    }

    /// What `process` has of its own.
    pub(super) fn override_of(&self, process: &ProcessName) -> Option<&Override> {
        self.overrides.iter().find(|own| own.process == *process)
    }
}

impl Choices {
    /// These, and for what they leave open those of `shared`. Checks are filled key by key; routes
    /// and the engine's settings are taken whole.
    pub(super) fn or(&self, shared: &Self) -> Self {
        Self {
            min: self.min.or(shared.min),
            max: self.max.or(shared.max),
            desired: self.desired.or(shared.desired),
            cpu: self.cpu.or(shared.cpu),
            memory: self.memory.or(shared.memory),
            pids: self.pids.or(shared.pids),
            routes: self.routes.as_ref().or(shared.routes.as_ref()).cloned(),
            health_check: self.health_check.or(&shared.health_check),
            startup_check: self.startup_check.or(&shared.startup_check),
            drain_timeout: self.drain_timeout.or(shared.drain_timeout),
            network: self.network.or(shared.network),
            scale: self.scale.or(shared.scale),
            schedule: self.schedule.as_ref().or(shared.schedule.as_ref()).cloned(),
            external: self.external.as_ref().or(shared.external.as_ref()).cloned(),
            volumes: self.volumes.as_ref().or(shared.volumes.as_ref()).cloned(),
            engine: self.engine.as_ref().or(shared.engine.as_ref()).cloned(),
        }
    }
}

impl CheckChoices {
    fn or(&self, shared: &Self) -> Self {
        Self {
            way: self.way.as_ref().or(shared.way.as_ref()).cloned(),
            path: self.path.as_ref().or(shared.path.as_ref()).cloned(),
            interval: self.interval.or(shared.interval),
            timeout: self.timeout.or(shared.timeout),
            unhealthy_threshold: self.unhealthy_threshold.or(shared.unhealthy_threshold),
        }
    }
}
