//! What is not as the database says: looked at, never changed.
//!
//! ```text
//! records   the database ↔ what this keeper has in memory
//! table     the router's table in force ↔ groups, routes, weights
//! runtime   what should run ↔ what its provider runs
//! ```
//!
//! Each part is a thin reader and a pure comparison. What is in motion differs from look to look, so
//! that a difference is told only when it stood through all of them.

mod records;
mod table;

use crate::Look;
use crate::engine::store;
use crate::inner::Inner;
use crate::model::Model;
use kiln_engine::{Depth, Drift, EngineError};
use kiln_names::Digest;
use kiln_store::local::{self, GroupRow, InstanceRow, TrafficRow};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often is looked before a difference counts.
const LOOKS: usize = 4;
/// The time between two looks: an instance starts, a table is sent, in less.
const PAUSE: Duration = Duration::from_millis(400);

/// What the database says at one moment.
struct Rows {
    groups: Vec<GroupRow>,
    instances: Vec<InstanceRow>,
    traffic: Vec<TrafficRow>,
}

/// The differences that stand.
pub(crate) async fn standing(inner: &Arc<Inner>, depth: Depth) -> Result<Vec<Drift>, EngineError> {
    let mut standing = look(inner).await?;
    for _ in 1..LOOKS {
        if standing.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        let again = look(inner).await?;
        standing.retain(|drift| again.contains(drift));
    }
    if depth == Depth::Deep {
        let images = images(&inner.model());
        standing.extend(inner.runtime.deep_drift(&images).await?);
    }
    Ok(standing.into_iter().collect())
}

async fn look(inner: &Inner) -> Result<BTreeSet<Drift>, EngineError> {
    let rows = rows(inner).await?;
    let mut all = records::compare(inner, &rows);
    let leaving = inner.leaving();
    let look = {
        let model = inner.model();
        let (running, images, door) = (model.settled(), images(&model), model.router.door);
        Look { rows: rows.instances, running, leaving, images, door }
    };
    all.extend(inner.runtime.drift(&look).await?);
    all.extend(table::compare_with_router(inner).await);
    Ok(all.into_iter().collect())
}

async fn rows(inner: &Inner) -> Result<Rows, EngineError> {
    let mut db = inner.db.read().await.map_err(store)?;
    let held = inner.scope.read(&mut db).await.map_err(store)?;
    let mut groups = local::groups(&mut db).await.map_err(store)?;
    let mut instances = local::live_instances(&mut db).await.map_err(store)?;
    let mut traffic = local::traffic(&mut db).await.map_err(store)?;
    groups.retain(|row| held.holds(&row.env));
    instances.retain(|row| held.holds(&row.env));
    traffic.retain(|row| held.holds(&row.env));
    Ok(Rows { groups, instances, traffic })
}

fn images(model: &Model) -> BTreeSet<Digest> {
    let used = model.groups.values().filter(|group| group.slots.count > 0);
    used.map(|group| group.spec.image).collect()
}

/// A difference that belongs to no application.
fn of_nobody(subject: &str, gap: Gap) -> Drift {
    let Gap { what, expected, found, mend } = gap;
    let (subject, mend) = (subject.to_owned(), mend.to_owned());
    Drift { app: None, env: None, subject, what: what.to_owned(), expected, found, mend }
}

/// One difference.
struct Gap {
    what: &'static str,
    expected: String,
    found: String,
    mend: &'static str,
}

fn gap(what: &'static str, expected: impl ToString, found: impl ToString) -> Gap {
    Gap { what, expected: expected.to_string(), found: found.to_string(), mend: "kiln drift" }
}
