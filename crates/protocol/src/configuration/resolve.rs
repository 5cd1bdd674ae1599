//! From what was given to what holds: defaults filled in, sizes in order.

use super::limits::{DEFAULT_CPU, DEFAULT_MEMORY, DEFAULT_PIDS};
use super::params::{CheckChoices, Choices, Way};
use super::{CheckPath, DeploymentParams, HealthCheck, Network, ProcessParams, StartupCheck};
use kiln_names::{AppName, EnvName, Host, PathPrefix, ProcessName, Route, Span};

const MIN: u32 = 2;
const INTERVAL: Span = Span::seconds(2);
const TIMEOUT: Span = Span::seconds(2);
const UNHEALTHY_THRESHOLD: u32 = 3;
const STARTUP_TIMEOUT: Span = Span::seconds(60);
const DRAIN_TIMEOUT: Span = Span::seconds(30);

impl DeploymentParams {
    /// How `process` is run: its own keys, else those at the top, else the defaults.
    #[must_use]
    pub fn resolve(
        &self,
        app: &AppName,
        env: &EnvName,
        process: &ProcessName,
        has_port: bool,
    ) -> ProcessParams {
        let choices = self.choices(process);
        let sizes = choices.sizes();
        let health_check = health_check(&choices.health_check);
        ProcessParams {
            min: sizes.min,
            max: sizes.max,
            desired: sizes.desired,
            cpu: choices.cpu.unwrap_or(DEFAULT_CPU),
            memory: choices.memory.unwrap_or(DEFAULT_MEMORY),
            pids: choices.pids.unwrap_or(DEFAULT_PIDS),
            routes: routes(choices.routes, app, env, has_port),
            startup_check: startup_check(&choices.startup_check, &health_check),
            inside_check: super::inside::resolved(&choices.health_check, &health_check),
            health_check,
            drain_timeout: choices.drain_timeout.unwrap_or(DRAIN_TIMEOUT),
            network: choices.network.unwrap_or(Network::Isolated),
            scale: choices.scale,
            schedule: choices.schedule.unwrap_or_default(),
            external: choices.external,
            volumes: choices.volumes.unwrap_or_default(),
            engine: choices.engine.unwrap_or_default(),
        }
    }

    fn choices(&self, process: &ProcessName) -> Choices {
        let own = self.override_of(process);
        own.map_or_else(|| self.shared.clone(), |own| own.choices.or(&self.shared))
    }
}

/// How many instances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) min: u32,
    pub(super) desired: u32,
    pub(super) max: u32,
}

impl Choices {
    /// Each size that is left open is the one below it.
    pub(super) fn sizes(&self) -> Sizes {
        let min = self.min.unwrap_or(MIN);
        let desired = self.desired.unwrap_or(min);
        Sizes { min, desired, max: self.max.unwrap_or(desired) }
    }
}

pub(super) fn health_check(choices: &CheckChoices) -> HealthCheck {
    HealthCheck {
        kind: choices.way.as_ref().map(Way::kind).unwrap_or_default(),
        path: choices.path.clone().unwrap_or_default(),
        interval: choices.interval.unwrap_or(INTERVAL),
        timeout: choices.timeout.unwrap_or(TIMEOUT),
        unhealthy_threshold: choices.unhealthy_threshold.unwrap_or(UNHEALTHY_THRESHOLD),
    }
}

fn startup_check(choices: &CheckChoices, health: &HealthCheck) -> StartupCheck {
    let path: &CheckPath = choices.path.as_ref().unwrap_or(&health.path);
    StartupCheck {
        kind: choices.way.as_ref().map_or(health.kind, Way::kind),
        path: path.clone(),
        interval: choices.interval.unwrap_or(health.interval),
        timeout: choices.timeout.unwrap_or(STARTUP_TIMEOUT),
    }
}

fn routes(chosen: Option<Vec<Route>>, app: &AppName, env: &EnvName, has_port: bool) -> Vec<Route> {
    match (has_port, chosen) {
        (false, _) => Vec::new(),
        (true, Some(routes)) => routes,
        (true, None) => vec![default_route(app, env)],
    }
}

/// `APP.ENV.localhost`. A name may end with a hyphen, a part of a host may not.
fn default_route(app: &AppName, env: &EnvName) -> Route {
    let host = format!("{}.{env}.localhost", app.as_str().trim_end_matches('-'));
    Route {
        host: Host::parse(&host).expect("names have the letters of hosts, and are shorter"),
        path: root_path(),
    }
}

/// What a route without a path takes.
pub(super) fn root_path() -> PathPrefix {
    PathPrefix::parse("/").expect("the root is a prefix")
}
