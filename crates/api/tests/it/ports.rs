//! What deployments need, over the real catalog, configuration and image store; the engine is
//! simulated.

use kiln_config::{Repositories, Revision};
use kiln_deploy::ports::{
    ApplicationFacts, Catalog, Clock, Configurations, Engines, HookCall, HookState, HookTask,
    Hooks, Ids, ImageFacts, Images, Measured, Metrics, Provider,
};
use kiln_deploy::{Problem, Target};
use kiln_engine::sim::SimEngine;
use kiln_names::{AppName, CommitId, DeploymentId, Digest, EnvName, GroupId, ImageRef};
use kiln_protocol::catalog::Finding;
use kiln_protocol::configuration::{Configuration, HttpUrl};
use kiln_protocol::deployment::Difference;
use kiln_protocol::recipe::{Processes, labels};
use kiln_store::{Database, catalog, images};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Baked {
    pub(crate) database: Database,
    pub(crate) store: kiln_image::Store,
}

#[async_trait::async_trait]
impl Images for Baked {
    async fn resolve(&self, image: &ImageRef) -> Result<Digest, Problem> {
        match image {
            ImageRef::Digest(digest) => Ok(*digest),
            other => panic!("the API resolved {other} before"),
        }
    }

    async fn newest(&self, app: &AppName) -> Result<Option<(Digest, String)>, Problem> {
        let mut db = self.database.read().await?;
        let row = images::versions(&mut db, Some(app), 1).await?.pop();
        Ok(row.map(|row| (row.digest, row.version.to_string())))
    }

    async fn facts(&self, image: &Digest, _env: Option<&EnvName>) -> Result<ImageFacts, Problem> {
        let image = self.store.image(image).unwrap();
        let processes = Processes::from_label(&image.config.labels[labels::PROCESSES]).unwrap();
        let app = image.config.labels[labels::APP].parse().ok();
        Ok(ImageFacts {
            app,
            processes,
            architecture: image.config.architecture,
            embargo: None,
            foreign: None,
        })
    }

    async fn package_changes(
        &self,
        _old: &Digest,
        _new: &Digest,
    ) -> Result<Vec<Difference>, Problem> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
pub(crate) struct Committed(pub(crate) Repositories);

#[async_trait::async_trait]
impl Configurations for Committed {
    async fn pin(&self, target: &Target, revision: Option<&str>) -> Result<CommitId, Problem> {
        self.0.ensure(&target.app, &target.env).await.unwrap();
        let revision = revision.map_or(Revision::HEAD, |text| text.parse().unwrap());
        let snapshot = self.0.read(&target.app, &target.env, &revision).await;
        Ok(snapshot.map_err(|error| Problem::not_found(error.to_string()))?.commit)
    }

    async fn read(&self, target: &Target, commit: CommitId) -> Result<Configuration, Problem> {
        let at = Revision::Commit(commit);
        Ok(self.0.read(&target.app, &target.env, &at).await.unwrap().configuration().unwrap())
    }
}

#[derive(Debug)]
pub(crate) struct Catalogue(pub(crate) Database);

#[async_trait::async_trait]
impl Catalog for Catalogue {
    async fn application(&self, app: &AppName) -> Result<Option<ApplicationFacts>, Problem> {
        let row = catalog::application(&mut *self.0.read().await?, app).await?;
        let blocked = |row: catalog::ApplicationRow| {
            kiln_catalog::blocked(&row.metadata).map(|by| format!("{}: {}", by.user, by.reason))
        };
        Ok(row.map(|row| ApplicationFacts { blocked: blocked(row), judgement: None }))
    }

    async fn has_environment(&self, env: &EnvName) -> Result<bool, Problem> {
        Ok(catalog::environment(&mut *self.0.read().await?, env).await?.is_some())
    }
}

#[derive(Debug)]
pub(crate) struct Simulated(pub(crate) Arc<SimEngine>);

#[async_trait::async_trait]
impl Engines for Simulated {
    async fn of(&self, _env: &EnvName) -> Result<Provider, Problem> {
        let architecture = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
        let (engine, traffic) = (self.0.clone(), self.0.clone());
        Ok(Provider { engine, traffic, architecture: Some(architecture.to_owned()) })
    }

    fn accept(&self, _engine: &str, _settings: &Map<String, Value>) -> Result<(), Problem> {
        Ok(())
    }

    async fn check(&self, _env: &EnvName) -> Result<Vec<Finding>, Problem> {
        Ok(Vec::new())
    }

    async fn forget(&self, _env: &EnvName) {}
}

/// Nothing runs hooks here, and no configuration has any.
#[derive(Debug)]
pub(crate) struct NoHooks;

#[async_trait::async_trait]
impl Hooks for NoHooks {
    async fn look(&self, call: &HookCall, _task: HookTask) -> HookState {
        panic!("nobody asked for hook {}", call.point);
    }

    async fn stop(&self, _call: &HookCall) -> Vec<String> {
        Vec::new()
    }
}

/// Nobody is asked for figures.
#[derive(Debug)]
pub(crate) struct NoMetrics;

#[async_trait::async_trait]
impl Metrics for NoMetrics {
    async fn value(&self, _url: &HttpUrl, query: &str) -> Measured {
        panic!("nobody asked for {query}");
    }
}

/// Time that begins at noon of a certain day and goes on as real time does.
#[derive(Debug)]
pub(crate) struct Ticking(Instant);

const NOON: u64 = 1_795_262_400_000;

impl Ticking {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

#[async_trait::async_trait]
impl Clock for Ticking {
    fn now_ms(&self) -> u64 {
        NOON + u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Ids that count.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU32);

impl Ids for Counter {
    fn deployment(&self) -> DeploymentId {
        let [a, b, c, d] = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        DeploymentId::from_random([0, 0, a, b, c, d])
    }

    fn group(&self) -> GroupId {
        GroupId::from_random(self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes())
    }
}
