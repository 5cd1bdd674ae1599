//! What environments have on other engines.

use crate::data::Data;
use crate::wiring::DOCKER;
use crate::{books, clock, say};
use anyhow::{Context, Result};
use kiln_engine_docker::{DockerRuntime, EngineSettings, Settings};
use kiln_keeper::{Runtime as _, chain};
use kiln_secrets::{KeyFile, Vault};
use kiln_store::catalog::EnvironmentRow;
use kiln_store::{Database, catalog};

/// Stops it. What cannot be stopped is told, and is taken over by the next `up`: what runs here is to be
/// stopped all the same.
pub(super) async fn stop(data: &Data) {
    if !data.has_served() {
        return;
    }
    if let Err(error) = try_stop(data).await {
        let what = format!("what runs on other engines is not known: {error:#}");
        say::complain(&what, Some("kiln up, or kiln recover, and kiln down once more."));
    }
}

async fn try_stop(data: &Data) -> Result<()> {
    let database = books::open(data).await?;
    let rows = catalog::environments(&mut *database.read().await?).await?;
    for row in rows.iter().filter(|row| row.engine == DOCKER) {
        if let Err(error) = leave(data, &database, row).await {
            let what = format!("what environment {} runs goes on: {error:#}", row.name);
            say::complain(&what, Some("kiln up takes it over; or mend the engine, and kiln down."));
        }
    }
    database.close().await;
    Ok(())
}

async fn leave(data: &Data, database: &Database, row: &EnvironmentRow) -> Result<()> {
    let key = KeyFile::find(data.root(), None);
    let vault = kiln_secrets::Settings { database: database.clone(), key, random: clock::fill };
    let runtime = DockerRuntime::open(Settings {
        install: data.install,
        env: row.name.clone(),
        engine: EngineSettings::parse(&row.settings)?,
        images: kiln_image::Store::open(&data.at("images")).context("open the image store")?,
        secrets: Vault::unopened(vault),
        memory: data.memory(),
        registry_token: None,
    });
    runtime.leave().await.map_err(|error| anyhow::anyhow!(chain(&error)))
}
