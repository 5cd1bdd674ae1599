//! What deployments ask of the catalog.

use kiln_catalog::{blocked, judgement};
use kiln_deploy::Problem;
use kiln_deploy::ports::{ApplicationFacts, Catalog};
use kiln_names::{AppName, EnvName};
use kiln_store::{Database, catalog};

/// The catalog in the database.
#[derive(Debug)]
pub(crate) struct DatabaseCatalog(pub(crate) Database);

#[async_trait::async_trait]
impl Catalog for DatabaseCatalog {
    async fn application(&self, app: &AppName) -> Result<Option<ApplicationFacts>, Problem> {
        let mut db = self.0.read().await?;
        let row = catalog::application(&mut db, app).await?;
        Ok(row.map(|row| ApplicationFacts {
            blocked: blocked(&row.metadata).map(|by| format!("{}: {}", by.user, by.reason)),
            judgement: judgement(&row.metadata).map(str::to_owned),
        }))
    }

    async fn has_environment(&self, env: &EnvName) -> Result<bool, Problem> {
        let mut db = self.0.read().await?;
        Ok(catalog::environment(&mut db, env).await?.is_some())
    }
}
