//! Which engine runs an environment: this machine, for all of them.

use kiln_deploy::Problem;
use kiln_deploy::ports::{Engines, Provider};
use kiln_engine_local::LocalEngine;
use kiln_names::EnvName;
use std::sync::Arc;

/// The engine `local`.
#[derive(Debug)]
pub(crate) struct LocalEngines(pub(crate) Arc<LocalEngine>);

impl Engines for LocalEngines {
    fn of(&self, _env: &EnvName) -> Result<Provider, Problem> {
        Ok(Provider {
            engine: self.0.clone(),
            traffic: self.0.clone(),
            architecture: architecture().to_owned(),
        })
    }
}

/// This machine's architecture, as OCI names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
