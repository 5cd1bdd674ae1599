//! The database of a data directory: fit to be used, or refused with what to do.

use crate::data::Data;
use anyhow::{Context, Result, bail};
use kiln_container::{Adopted, Boot};
use kiln_engine_local::Labels;
use kiln_names::InstanceId;
use kiln_store::{Condition, Database, local};
use std::path::PathBuf;

/// An instance that runs, and what it is of.
pub(crate) struct Runs {
    pub(crate) id: InstanceId,
    /// None of one that an earlier Kiln started.
    pub(crate) labels: Option<Labels>,
}

/// The database's file.
pub(crate) fn path(data: &Data) -> PathBuf {
    data.at("kiln.db")
}

/// The small copy beside it.
pub(crate) fn spare(data: &Data) -> PathBuf {
    data.at("kiln.spare")
}

/// Opens the database, made at the first start. One that is lost, damaged, or older than what runs
/// is refused and left as it is: instances that it does not know would be killed as strays.
pub(crate) async fn open(data: &Data) -> Result<Database> {
    if let Some(why) = ailment(data).await? {
        let (path, root) = (path(data), data.root().display());
        bail!("use {}: {why}; kiln recover --data {root} rebuilds it", path.display());
    }
    Ok(Database::open(&path(data)).await?)
}

/// What is wrong with the database; none if nothing is, or there never was one.
pub(crate) async fn ailment(data: &Data) -> Result<Option<String>> {
    let path = path(data);
    match kiln_store::examine(&path, &spare(data)).await? {
        Condition::Missing if data.has_served() => Ok(Some("it is gone".to_owned())),
        Condition::Missing => Ok(None),
        Condition::Damaged { why } => Ok(Some(format!("it is damaged: {why}"))),
        Condition::Behind { commits, spare } => {
            Ok(Some(format!("it is older than its spare, with {commits} changes against {spare}")))
        }
        Condition::Newer { found, known } => {
            Err(kiln_store::StoreError::Newer { found, known }).context("open the database")
        }
        Condition::Whole => unknown_instances(data).await,
    }
}

async fn unknown_instances(data: &Data) -> Result<Option<String>> {
    let labelled: Vec<_> = running(data)?.into_iter().filter(|it| it.labels.is_some()).collect();
    if labelled.is_empty() {
        return Ok(None);
    }
    let database = Database::open(&path(data)).await?;
    let mut unknown = None;
    let mut db = database.read().await?;
    for instance in labelled {
        if !local::knows_instance(&mut db, instance.id).await? {
            unknown = Some(format!("it does not know instance {}, which runs", instance.id));
        }
    }
    drop(db);
    database.close().await;
    Ok(unknown)
}

/// The instances that run, as their directories say.
pub(crate) fn running(data: &Data) -> Result<Vec<Runs>> {
    let boot = Boot::current()?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data.at("instances")).into_iter().flatten() {
        let entry = entry.context("list the instances")?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let dir = entry.path();
        if matches!(kiln_container::Instance::adopt(&dir, &boot), Ok(Adopted::Running(_))) {
            found.push(Runs { id, labels: Labels::read(&dir).unwrap_or_default() });
        }
    }
    Ok(found)
}
