//! What is kept of deployments that ended long ago: a summary in the place of the journal.
//!
//! The newest of each application and environment keep their journals whole, with every spec in
//! their plans. Of older ones stays what a person asks a year later: who wanted what and why (in
//! the deployment's own row), how the releases differed, what was done and how long it took, and if
//! it failed, with what reason, last answer and last lines.

use crate::kit::Kit;
use crate::status::Direction;
use crate::view::{ActionView, Deployment, Summary, folded, journal};
use crate::{Error, Failure};
use kiln_names::{AppName, EnvName, ReleaseId};
use kiln_protocol::deployment::Difference;
use kiln_store::history::{self, Old};
use kiln_store::{StoreError, deployments};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How many deployments of an application in an environment keep their journals.
const KEPT_WHOLE: u32 = 50;
/// How many are made small in one transaction, a few milliseconds of the one writer's time.
const BATCH: u32 = 20;
/// How long others have the writer to themselves between two batches.
const BREATH: Duration = Duration::from_millis(50);
/// How often the server looks for journals that have grown old.
const EVERY: Duration = Duration::from_secs(600);
/// How long the specs of groups that are gone are kept.
const SPECS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// The journal of one deployment, summed up.
#[derive(Debug, Serialize, Deserialize)]
struct Outline {
    from: Option<ReleaseId>,
    differences: Vec<Difference>,
    direction: Direction,
    actions: Vec<ActionView>,
    failure: Option<(String, Failure)>,
    seq: u64,
}

/// Makes old journals small for as long as the server lives.
pub(crate) async fn run(kit: Arc<Kit>) {
    loop {
        kit.clock().sleep(EVERY).await;
        if kit.ports.fuse.blown() {
            return;
        }
        match compact(&kit).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "old journals gave way to summaries"),
            Err(error) => tracing::warn!(%error, "old journals cannot be made small"),
        }
    }
}

/// Makes every journal small that has grown old.
pub(crate) async fn compact(kit: &Kit) -> Result<usize, Error> {
    let mut count = 0;
    let clusters = history::clusters(&mut *kit.db.read().await?).await?;
    for (app, env) in clusters {
        count += compact_cluster(kit, (&app, &env)).await?;
    }
    let mut write = kit.db.write().await?;
    if history::forget_instances(&mut write).await? > 0 {
        write.commit().await?;
    }
    Ok(count)
}

async fn compact_cluster(kit: &Kit, cluster: (&AppName, &EnvName)) -> Result<usize, Error> {
    let mut count = 0;
    loop {
        let mut read = kit.db.read().await?;
        let old = history::old(&mut read, cluster, KEPT_WHOLE, BATCH).await?;
        drop(read);
        let mut write = Vec::with_capacity(old.len());
        for old in &old {
            write.push((old.number, outline(kit, old).await?));
        }
        let emptied = write_batch(kit, cluster, &write).await?;
        count += write.len();
        if write.is_empty() && emptied == 0 {
            return Ok(count);
        }
        kit.clock().sleep(BREATH).await;
    }
}

async fn write_batch(
    kit: &Kit,
    cluster: (&AppName, &EnvName),
    batch: &[(u64, String)],
) -> Result<u64, StoreError> {
    let mut write = kit.db.write().await?;
    for (number, outline) in batch {
        history::compact(&mut write, *number, outline).await?;
    }
    let before_ms = kit.now_ms().saturating_sub(crate::ports::millis(SPECS_KEPT));
    let emptied = history::empty_gone_specs(&mut write, cluster, before_ms, BATCH).await?;
    if !batch.is_empty() || emptied > 0 {
        write.commit().await?;
    }
    Ok(emptied)
}

/// A journal that makes no sense has nothing to sum up; what its row says stays.
async fn outline(kit: &Kit, old: &Old) -> Result<String, Error> {
    let row = deployments::get(&mut *kit.db.read().await?, old.id).await?;
    let summary = Summary::of(row.ok_or(Error::NoDeployment(old.id))?);
    let told = match journal(kit, old.id).await {
        Ok(records) => folded(summary, records),
        Err(error) => Err(error),
    };
    let outline = match told {
        Ok(told) => Outline {
            from: told.from,
            differences: told.differences,
            direction: told.direction,
            actions: told.actions,
            failure: told.failure,
            seq: told.seq,
        },
        Err(Error::Journal { .. }) => Outline::empty(),
        Err(other) => return Err(other),
    };
    Ok(serde_json::to_string(&outline).expect("plain data with text keys becomes JSON"))
}

/// A deployment from its row and its summary.
pub(crate) fn read(summary: Summary, stored: &str) -> Result<Deployment, Error> {
    let outline: Outline = serde_json::from_str(stored)
        .map_err(|error| Error::Journal { deployment: summary.id, reason: error.to_string() })?;
    Ok(Deployment {
        summary,
        plan: None,
        from: outline.from,
        differences: outline.differences,
        direction: outline.direction,
        actions: outline.actions,
        failure: outline.failure,
        hint: None,
        seq: outline.seq,
        journal: Vec::new(),
    })
}

// === impl Outline ===

impl Outline {
    const fn empty() -> Self {
        Self {
            from: None,
            differences: Vec::new(),
            direction: Direction::Forward,
            actions: Vec::new(),
            failure: None,
            seq: 0,
        }
    }
}
