//! What does not run as it should on this machine: looked at, never changed.
//!
//! ```text
//! runs      each instance: shim, process, walls, root, limits, link, frozen spec
//! strays    directories, control groups, processes, links that no row answers for
//! images    documents and unpacked layers ↔ their digests
//! network   bridges and firewall rules ↔ what would be written
//! ```
//!
//! Each part is a thin reader and a pure comparison.

mod images;
mod runs;
mod strays;

pub(crate) use images::deep;

use crate::inner::Inner;
use crate::runtime::{blocking, store};
use kiln_container::inspect::{self, Gap};
use kiln_engine::{Drift, EngineError, GroupSpec};
use kiln_keeper::Look;
use kiln_store::local::{self, InstanceRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What should be, as the keeper and the database say.
struct Rows {
    kept: Look,
    /// By environment; the network of runs has one as well.
    places: BTreeMap<String, u32>,
}

/// All differences that there are at this moment.
pub(crate) async fn look(inner: &Arc<Inner>, kept: Look) -> Result<Vec<Drift>, EngineError> {
    let mut db = inner.db.read().await.map_err(|e| store(&e))?;
    let places = local::network_places(&mut db).await.map_err(|e| store(&e))?;
    drop(db);
    let (inner, rows) = (inner.clone(), Rows { kept, places: places.into_iter().collect() });
    blocking(move || machine(&inner, &rows)).await
}

fn machine(inner: &Inner, rows: &Rows) -> Vec<Drift> {
    let mut all = runs::compare(inner, rows);
    all.extend(strays::find(inner, rows));
    all.extend(images::shallow(inner, &rows.kept.images));
    all.extend(network(inner, rows));
    all
}

fn network(inner: &Inner, rows: &Rows) -> Vec<Drift> {
    let network = inner.machine.addresses.network();
    let index = |place: &u32| u8::try_from(place + 1).ok();
    let known: Vec<u8> = std::iter::once(0).chain(rows.places.values().filter_map(index)).collect();
    let used = rows.kept.rows.iter().filter(|row| isolated(row));
    let used = used.filter_map(|row| rows.places.get(row.env.as_str()).and_then(index));
    let wanted: BTreeSet<u8> = std::iter::once(0).chain(used).collect();
    let wanted: Vec<u8> = wanted.into_iter().collect();
    let mut gaps = inspect::interfaces(network, &wanted, &known);
    if let Some(door) = rows.kept.door {
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
