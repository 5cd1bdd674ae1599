//! The router's state: the table in force, the instances it knows, and how both change.

use crate::changes::Changes;
use crate::control::surface::Side;
use crate::figures::Figures;
use crate::handover::Predecessor;
use crate::instance::{Instance, Lease};
use crate::routing::Routing;
use crate::status::{Health, Status};
use crate::stored::Stored;
use crate::table::{Endpoint, Group, Table};
use arc_swap::ArcSwap;
use kiln_names::{GroupId, InstanceId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The state of one router.
#[derive(Debug)]
pub(crate) struct Plane {
    listen: SocketAddr,
    routing: ArcSwap<Routing>,
    /// Instances that left the table with requests in flight.
    draining: Mutex<Vec<Arc<Instance>>>,
    changes: Changes,
    /// Held while a table is applied: one after the other. Gone once another router has the place.
    stored: tokio::sync::Mutex<Option<Arc<Stored>>>,
    leaving: AtomicBool,
    predecessor: OnceLock<Arc<Predecessor>>,
}

/// What is known of the instances in a router's last table.
#[derive(Debug)]
pub(crate) enum Last<'a> {
    /// Nothing: it may have been a while.
    Unknown,
    /// The router before this one sent traffic to these, and to no others, until just now.
    Passing(&'a [InstanceId]),
}

/// The right to put tables in force, while it is held.
pub(crate) type Ownership<'a> = tokio::sync::MutexGuard<'a, Option<Arc<Stored>>>;

/// Why a table was not put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refused", rename_all = "snake_case")]
pub(crate) enum Refused {
    /// A later one is in force: that with this number.
    Stale { epoch: u64, version: u64 },
    /// Another one with the same number is in force.
    Conflict { epoch: u64, version: u64 },
    /// It contradicts itself.
    Invalid { reason: String },
    /// It could not be written down.
    Storage { reason: String },
}

/// Why a request has no instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoLease {
    NoRoute,
    NoInstance,
}

type Key = (InstanceId, SocketAddr);

impl Plane {
    /// A router's state at its start: the last table, if there is one, in force.
    pub(crate) fn new(
        listen: SocketAddr,
        stored: Stored,
        table: Option<Table>,
        last: &Last<'_>,
    ) -> Self {
        let plane = Self {
            listen,
            routing: ArcSwap::default(),
            draining: Mutex::default(),
            changes: Changes::new(),
            stored: tokio::sync::Mutex::new(Some(Arc::new(stored))),
            leaving: AtomicBool::new(false),
            predecessor: OnceLock::new(),
        };
        if let Some(table) = table {
            plane.put_in_force(table, |group, at| last.health(group, at));
        }
        plane
    }

    /// Puts a table in force: on disk first, if that is this router's to do, then where a router
    /// before this one still has connections, then for every request that begins from here on.
    pub(crate) async fn take(&self, table: Table, side: Side) -> Result<(), Refused> {
        table.check().map_err(|error| Refused::Invalid { reason: error.to_string() })?;
        let stored = self.stored.lock().await;
        if stored.is_none() && side == Side::Owner {
            return Err(Refused::Storage { reason: "another router has the place".to_owned() });
        }
        if self.is_in_force(&table)? {
            return Ok(());
        }
        let table = match stored.as_ref() {
            Some(stored) => write(Arc::clone(stored), table).await?,
            None => table,
        };
        if let Some(predecessor) = self.predecessor.get() {
            predecessor.apply(&table).await;
        }
        self.put_in_force(table, |_, _| Health::Starting);
        Ok(())
    }

    /// Where traffic is taken.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Waits for the table that is on its way, and lets no other come.
    pub(crate) async fn pause(&self) -> Ownership<'_> {
        self.stored.lock().await
    }

    /// Another router has the place: this one writes nothing more, and ends its connections.
    pub(crate) fn leave(&self, ownership: &mut Ownership<'_>) {
        **ownership = None;
        self.leaving.store(true, Relaxed);
    }

    /// Whether connections are to end with their next answer.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// Counts in, and tells its tables to, the router before this one.
    pub(crate) fn follow(&self, predecessor: Predecessor) {
        let predecessor = Arc::clone(self.predecessor.get_or_init(|| Arc::new(predecessor)));
        let changes = self.changes.clone();
        tokio::spawn(async move { predecessor.watch(&changes).await });
    }

    /// The instances that take traffic.
    pub(crate) fn passing(&self) -> Vec<InstanceId> {
        let routing = self.routing.load();
        let passes = |one: &&Arc<Instance>| one.standing.health().takes_traffic();
        routing.instances.iter().filter(passes).map(|one| one.id).collect()
    }

    /// Whether no request is in flight, and no connection that went on as a web socket is open.
    pub(crate) fn is_quiet(&self) -> bool {
        let draining = self.draining();
        let routing = self.routing.load();
        routing.instances.iter().chain(draining.iter()).all(|one| one.in_flight() == 0)
    }

    fn is_in_force(&self, table: &Table) -> Result<bool, Refused> {
        let routing = self.routing.load();
        let (epoch, version) = routing.table.number();
        match table.number().cmp(&(epoch, version)) {
            std::cmp::Ordering::Less => Err(Refused::Stale { epoch, version }),
            std::cmp::Ordering::Greater => Ok(false),
            std::cmp::Ordering::Equal if *table == routing.table => Ok(true),
            std::cmp::Ordering::Equal => Err(Refused::Conflict { epoch, version }),
        }
    }

    /// The table in force.
    pub(crate) fn table(&self) -> Table {
        self.routing.load().table.clone()
    }

    /// An instance for a request, counted as in flight on it.
    pub(crate) fn lease(
        &self,
        host: &str,
        path: &str,
        tried: &[InstanceId],
    ) -> Result<Lease, NoLease> {
        loop {
            let routing = self.routing.load();
            let cluster = routing.find(host, path).ok_or(NoLease::NoRoute)?;
            let picked = cluster.pick(tried, &mut rand::rng());
            let (figures, instance) = picked.ok_or(NoLease::NoInstance)?;
            if let Some(lease) = Lease::take(instance, figures) {
                return Ok(lease);
            }
            // It left the table just now, so the next look is at the next table.
        }
    }

    /// Whether a request would find a cluster.
    pub(crate) fn has_route(&self, host: &str, path: &str) -> bool {
        self.routing.load().find(host, path).is_some()
    }

    /// How everything stands, as soon as the sequence is beyond `after`, at the latest after `wait`.
    pub(crate) async fn status(&self, after: Option<u64>, wait: Duration) -> Status {
        if let Some(seq) = after {
            self.changes.beyond(seq, wait).await;
        }
        // Read first: a change from here on makes the next wait end at once.
        let mut status = self.own_status(self.changes.now());
        if let Some(predecessor) = self.predecessor.get() {
            predecessor.count_in(&mut status).await;
        }
        status
    }

    fn own_status(&self, seq: u64) -> Status {
        let routing = self.routing.load_full();
        let (epoch, version) = routing.table.number();
        let mut instances: Vec<_> = routing.instances.iter().map(|known| known.status()).collect();
        let mut draining = self.draining();
        draining.retain(|left| left.in_flight() > 0);
        instances.extend(draining.iter().map(|left| left.status()));
        Status {
            seq,
            epoch,
            version,
            listen: self.listen,
            pid: std::process::id(),
            groups: routing.figures.iter().map(|figures| figures.status()).collect(),
            instances,
        }
    }

    /// The one place where the table changes. What is known of an instance or a group is kept; who
    /// comes back from draining is readmitted before any request can find it, and who leaves is
    /// drained after the last request could.
    fn put_in_force(&self, table: Table, health: impl Fn(&Group, &Endpoint) -> Health) {
        let mut draining = self.draining();
        let last = self.routing.load_full();
        let mut known = index(last.instances.iter().chain(draining.iter()));
        let figures = self.figures_for(&table);
        let groups = table.clusters.iter().flat_map(|cluster| &cluster.groups);
        let endpoints = groups.flat_map(|group| group.instances.iter().map(move |at| (group, at)));
        let instances = endpoints.map(|(group, at)| match known.remove(&(at.id, at.address)) {
            Some(instance) => readmitted(instance, at),
            None => self.admitted(group, at, health(group, at)),
        });
        let instances = instances.collect();
        self.routing.store(Arc::new(Routing::new(table, figures, instances)));
        known.values().for_each(|left| left.drain());
        *draining = known.into_values().filter(|left| left.in_flight() > 0).collect();
        self.changes.bump();
    }

    fn admitted(&self, group: &Group, at: &Endpoint, health: Health) -> Arc<Instance> {
        let instance = Arc::new(Instance::new(group.id, at, health, self.changes.clone()));
        instance.watch();
        instance
    }

    fn figures_for(&self, table: &Table) -> Vec<Arc<Figures>> {
        let last = self.routing.load();
        let known: HashMap<GroupId, &Arc<Figures>> =
            last.figures.iter().map(|figures| (figures.id, figures)).collect();
        let groups = table.clusters.iter().flat_map(|cluster| &cluster.groups);
        let kept = |group: &Group| known.get(&group.id).map(|figures| Arc::clone(figures));
        groups
            .map(|group| kept(group).unwrap_or_else(|| Arc::new(Figures::new(group.id))))
            .collect()
    }

    fn draining(&self) -> MutexGuard<'_, Vec<Arc<Instance>>> {
        self.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last<'_> {
    fn health(&self, group: &Group, at: &Endpoint) -> Health {
        let passed = match self {
            Self::Unknown => group.weight > 0,
            Self::Passing(passing) => passing.contains(&at.id),
        };
        if passed { Health::Presumed } else { Health::Starting }
    }
}

impl Drop for Plane {
    /// Ends the checks, each of which is a task of its own.
    fn drop(&mut self) {
        self.routing.load().instances.iter().for_each(|instance| instance.drain());
    }
}

fn index<'a>(instances: impl Iterator<Item = &'a Arc<Instance>>) -> HashMap<Key, Arc<Instance>> {
    instances.map(|known| ((known.id, known.address), Arc::clone(known))).collect()
}

fn readmitted(instance: Arc<Instance>, at: &Endpoint) -> Arc<Instance> {
    instance.check.store(Arc::new(at.check.clone()));
    if instance.is_draining() {
        instance.readmit();
    }
    instance
}

async fn write(stored: Arc<Stored>, table: Table) -> Result<Table, Refused> {
    let written = tokio::task::spawn_blocking(move || stored.write(&table).map(|()| table)).await;
    let failed = |error: &dyn std::fmt::Display| Refused::Storage { reason: error.to_string() };
    written.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}
