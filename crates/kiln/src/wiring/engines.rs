//! Which engine runs an environment: this machine, unless its settings name another.

use crate::clock;
use futures_util::future::try_join_all;
use kiln_deploy::Problem;
use kiln_deploy::ports::{Engines, Provider};
use kiln_engine_docker::{DockerRuntime, EngineSettings, Settings};
use kiln_keeper::{Keeper, Link, Scope};
use kiln_names::{EnvName, InstallId};
use kiln_protocol::catalog::{Finding, Verdict};
use kiln_secrets::Vault;
use kiln_store::catalog::EnvironmentRow;
use kiln_store::{Database, catalog};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};

/// The name of the engine for Docker in an environment's settings.
pub(crate) const DOCKER: &str = "docker";

/// How long an engine may take to tell what its machines run.
const ANSWER: Duration = Duration::from_secs(1);

/// What engines are made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) install: InstallId,
    pub(crate) database: Database,
    pub(crate) images: kiln_image::Store,
    pub(crate) secrets: Vault,
    pub(crate) link: Arc<Link>,
    /// Where values of secrets lie for containers of this machine.
    pub(crate) memory: PathBuf,
    /// What opens the registry, and nothing else, to the nodes of a Swarm.
    pub(crate) pull_token: String,
}

/// All engines: one for this machine, and one for each environment that has its own.
#[derive(Debug)]
pub(crate) struct AllEngines {
    local: Arc<Keeper>,
    parts: Parts,
    docker: Mutex<BTreeMap<EnvName, Docker>>,
}

/// The engine of one environment.
#[derive(Debug, Clone)]
struct Docker {
    keeper: Arc<Keeper>,
    runtime: Arc<DockerRuntime>,
    /// Once it was told.
    architecture: Arc<OnceCell<String>>,
}

impl AllEngines {
    /// Takes over all environments from the server before.
    ///
    /// # Errors
    /// When the database refuses, or the settings of an environment cannot be used.
    pub(crate) async fn start(local: Keeper, parts: Parts) -> anyhow::Result<Self> {
        let rows = catalog::environments(&mut *parts.database.read().await?).await?;
        let rows: Vec<_> = rows.into_iter().filter(|row| row.engine == DOCKER).collect();
        // Side by side: each may have to wait for an engine that is away.
        let opened = try_join_all(rows.iter().map(|row| parts.open(row))).await?;
        let names = rows.into_iter().map(|row| row.name);
        let docker = Mutex::new(names.zip(opened).collect());
        Ok(Self { local: Arc::new(local), parts, docker })
    }

    async fn row(&self, env: &EnvName) -> Result<Option<EnvironmentRow>, Problem> {
        Ok(catalog::environment(&mut *self.parts.database.read().await?, env).await?)
    }

    /// The engine of an environment, begun when it is first asked for.
    async fn docker_of(&self, row: &EnvironmentRow) -> Result<Docker, Problem> {
        let mut known = self.docker.lock().await;
        if let Some(docker) = known.get(&row.name) {
            return Ok(docker.clone());
        }
        let docker = self.parts.open(row).await?;
        known.insert(row.name.clone(), docker.clone());
        Ok(docker)
    }
}

impl Parts {
    /// Takes an environment over from the server before.
    async fn open(&self, row: &EnvironmentRow) -> Result<Docker, Problem> {
        let runtime = DockerRuntime::open(self.settings(row)?);
        let keeper = Keeper::start(kiln_keeper::Settings {
            db: self.database.clone(),
            runtime: runtime.clone(),
            link: self.link.clone(),
            scope: Scope::Environment(row.name.clone()),
            now_ms: clock::now_ms,
            random: clock::random,
        });
        let keeper = keeper.await.map_err(|e| Problem::unavailable(kiln_keeper::chain(&e)))?;
        Ok(Docker { keeper: Arc::new(keeper), runtime, architecture: Arc::default() })
    }

    fn settings(&self, row: &EnvironmentRow) -> Result<Settings, Problem> {
        let engine = EngineSettings::parse(&row.settings);
        let engine = engine.map_err(|error| {
            Problem::invalid(format!("use the settings of environment {}: {error}", row.name))
        })?;
        Ok(Settings {
            install: self.install,
            env: row.name.clone(),
            engine,
            images: self.images.clone(),
            secrets: self.secrets.clone(),
            memory: self.memory.clone(),
            registry_token: Some(self.pull_token.clone()),
        })
    }
}

#[async_trait::async_trait]
impl Engines for AllEngines {
    async fn of(&self, env: &EnvName) -> Result<Provider, Problem> {
        let row = self.row(env).await?.filter(|row| row.engine == DOCKER);
        let Some(row) = row else {
            return Ok(Provider {
                engine: self.local.clone(),
                traffic: self.local.clone(),
                architecture: Some(architecture().to_owned()),
            });
        };
        let Docker { keeper, runtime, architecture } = self.docker_of(&row).await?;
        let asked = architecture.get_or_try_init(|| runtime.architecture());
        let architecture = tokio::time::timeout(ANSWER, asked).await;
        let architecture = architecture.ok().and_then(Result::ok).cloned();
        Ok(Provider { engine: keeper.clone(), traffic: keeper, architecture })
    }

    fn accept(&self, engine: &str, settings: &Map<String, Value>) -> Result<(), Problem> {
        if engine == DOCKER {
            let read = EngineSettings::parse(settings);
            return read.map(drop).map_err(|error| Problem::invalid(error.to_string()));
        }
        match settings.keys().next() {
            Some(key) => Err(Problem::invalid(format!("engine {engine} has no setting {key}"))),
            None => Ok(()),
        }
    }

    async fn check(&self, env: &EnvName) -> Result<Vec<Finding>, Problem> {
        let row = self.row(env).await?.filter(|row| row.engine == DOCKER);
        match row {
            Some(row) => Ok(kiln_engine_docker::check(&self.parts.settings(&row)?.engine).await),
            None => Ok(vec![Finding {
                what: "engine local".to_owned(),
                verdict: Verdict::Good,
                found: "this machine".to_owned(),
                mend: None,
            }]),
        }
    }

    async fn forget(&self, env: &EnvName) {
        let Some(docker) = self.docker.lock().await.remove(env) else { return };
        if let Err(error) = docker.keeper.leave().await {
            tracing::warn!(%env, %error, "failed to remove what is left of an environment");
        }
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
