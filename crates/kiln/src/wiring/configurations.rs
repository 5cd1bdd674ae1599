//! What deployments ask of the configuration's repositories.

use crate::chain::chain;
use kiln_config::{ReadError, Repositories, Revision, Snapshot};
use kiln_deploy::ports::Configurations;
use kiln_deploy::{Problem, Target};
use kiln_names::{AppName, CommitId, EnvName};
use kiln_protocol::configuration::Configuration;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Configuration in git.
#[derive(Debug)]
pub(crate) struct GitConfigurations {
    repositories: Repositories,
    /// What was read to pin a commit, until it is asked for: one `git` process instead of two.
    pinned: Mutex<HashMap<(AppName, EnvName), Snapshot>>,
}

impl GitConfigurations {
    pub(crate) fn new(repositories: Repositories) -> Self {
        Self { repositories, pinned: Mutex::default() }
    }

    async fn snapshot(&self, target: &Target, revision: &Revision) -> Result<Snapshot, Problem> {
        let Target { app, env } = target;
        self.repositories.ensure(app, env).await.map_err(unavailable)?;
        self.repositories.read(app, env, revision).await.map_err(|error| match error {
            ReadError::UnknownRevision(_) | ReadError::NotFound(..) => {
                Problem::not_found(error.to_string())
            }
            other => unavailable(other),
        })
    }

    fn take_pinned(&self, target: &Target, commit: CommitId) -> Option<Snapshot> {
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = pinned.remove(&(target.app.clone(), target.env.clone()))?;
        (snapshot.commit == commit).then_some(snapshot)
    }
}

#[async_trait::async_trait]
impl Configurations for GitConfigurations {
    async fn pin(&self, target: &Target, revision: Option<&str>) -> Result<CommitId, Problem> {
        let revision = revision.map_or(Ok(Revision::HEAD), Revision::parse);
        let revision = revision.map_err(|error| Problem::invalid(error.to_string()))?;
        let snapshot = self.snapshot(target, &revision).await?;
        let commit = snapshot.commit;
        let key = (target.app.clone(), target.env.clone());
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner).insert(key, snapshot);
        Ok(commit)
    }

    async fn read(&self, target: &Target, commit: CommitId) -> Result<Configuration, Problem> {
        let snapshot = match self.take_pinned(target, commit) {
            Some(snapshot) => snapshot,
            None => self.snapshot(target, &Revision::Commit(commit)).await?,
        };
        snapshot.configuration().map_err(|error| Problem::invalid(error.to_string()))
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Problem {
    Problem::unavailable(chain(&error.into()))
}
