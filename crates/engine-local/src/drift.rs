//! What is not as the database says: looked at, never changed.
//!
//! ```text
//! records   the database ↔ what this server keeps in memory
//! runs      each instance: shim, process, walls, root, limits, link, frozen spec
//! strays    directories, control groups, processes, links that no row answers for
//! images    documents and unpacked layers ↔ their digests
//! network   bridges and firewall rules ↔ what would be written
//! table     the router's table in force ↔ groups, routes, weights
//! ```
//!
//! Each part is a thin reader and a pure comparison. What is in motion differs from look to look, so
//! that a difference is told only when it stood through all of them.

mod images;
mod records;
mod runs;
mod strays;
mod table;

use crate::engine::store;
use crate::inner::Inner;
use kiln_container::inspect::{self, Gap};
use kiln_engine::{Depth, Drift, EngineError, GroupSpec};
use kiln_store::local::{self, GroupRow, InstanceRow, TrafficRow};
use std::collections::{BTreeMap, BTreeSet};
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
    /// By environment; the network of runs has one as well.
    places: BTreeMap<String, u32>,
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
        standing.extend(blocking(inner, images::deep).await?);
    }
    Ok(standing.into_iter().collect())
}

async fn look(inner: &Arc<Inner>) -> Result<BTreeSet<Drift>, EngineError> {
    let rows = Arc::new(rows(inner).await?);
    let mut all = records::compare(inner, &rows);
    let of_machine = rows.clone();
    all.extend(blocking(inner, move |inner| machine(inner, &of_machine)).await?);
    all.extend(table::compare_with_router(inner).await);
    Ok(all.into_iter().collect())
}

async fn rows(inner: &Inner) -> Result<Rows, EngineError> {
    let mut db = inner.db.read().await.map_err(store)?;
    Ok(Rows {
        groups: local::groups(&mut db).await.map_err(store)?,
        instances: local::live_instances(&mut db).await.map_err(store)?,
        traffic: local::traffic(&mut db).await.map_err(store)?,
        places: local::network_places(&mut db).await.map_err(store)?.into_iter().collect(),
    })
}

async fn blocking(
    inner: &Arc<Inner>,
    read: impl FnOnce(&Inner) -> Vec<Drift> + Send + 'static,
) -> Result<Vec<Drift>, EngineError> {
    let inner = inner.clone();
    let read = tokio::task::spawn_blocking(move || read(&inner)).await;
    read.map_err(|error| EngineError::retry(error.to_string()))
}

fn machine(inner: &Inner, rows: &Rows) -> Vec<Drift> {
    let mut all = runs::compare(inner, rows);
    all.extend(strays::find(inner, rows));
    all.extend(images::shallow(inner));
    all.extend(network(inner, rows));
    all
}

fn network(inner: &Inner, rows: &Rows) -> Vec<Drift> {
    let network = inner.machine.addresses.network();
    let index = |place: &u32| u8::try_from(place + 1).ok();
    let known: Vec<u8> = std::iter::once(0).chain(rows.places.values().filter_map(index)).collect();
    let used = rows.instances.iter().filter(|row| isolated(row));
    let used = used.filter_map(|row| rows.places.get(row.env.as_str()).and_then(index));
    let wanted: BTreeSet<u8> = std::iter::once(0).chain(used).collect();
    let wanted: Vec<u8> = wanted.into_iter().collect();
    let mut gaps = inspect::interfaces(network, &wanted, &known);
    let door = inner.model().router.door;
    if let Some(door) = door {
        gaps.extend(match inspect::firewall(network, inner.machine.install, door) {
            Ok(gaps) => gaps,
            Err(error) => vec![untold("firewall rules", &error.to_string())],
        });
    }
    gaps.into_iter().map(|gap| of_machine("this machine's network", gap)).collect()
}

/// Instances on the machine's own network listen on its loopback.
fn isolated(row: &InstanceRow) -> bool {
    row.address.is_some_and(|address| !address.ip().is_loopback())
}

fn untold(what: &str, error: &str) -> Gap {
    let mend = Some("see what is said, then: kiln drift".to_owned());
    Gap { what: what.to_owned(), expected: "told".to_owned(), found: error.to_owned(), mend }
}

fn of_machine(subject: &str, gap: Gap) -> Drift {
    let Gap { what, expected, found, mend } = gap;
    let mend = mend.unwrap_or_else(|| "kiln drift".to_owned());
    Drift { app: None, env: None, subject: subject.to_owned(), what, expected, found, mend }
}

/// A difference in what belongs to a group.
fn of_group(spec: &GroupSpec, subject: String, gap: Gap, mend: String) -> Drift {
    let Gap { what, expected, found, mend: own } = gap;
    Drift {
        app: Some(spec.app.clone()),
        env: Some(spec.env.clone()),
        subject,
        what,
        expected,
        found,
        mend: own.unwrap_or(mend),
    }
}

fn gap(what: &str, expected: impl ToString, found: impl ToString) -> Gap {
    Gap {
        what: what.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
        mend: None,
    }
}
