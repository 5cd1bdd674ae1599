//! One instance while the router knows it: health, requests in flight, idle connections.

use crate::changes::Changes;
use crate::figures::Figures;
use crate::health::{self, Standing};
use crate::status::{Health, InstanceStatus};
use crate::table::{Check, Endpoint};
use crate::upstream::Pool;
use arc_swap::ArcSwap;
use kiln_names::{GroupId, InstanceId};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::task::AbortHandle;

/// What survives a change of table, for as long as id and address stay.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) group: GroupId,
    pub(crate) address: SocketAddr,
    pub(crate) check: ArcSwap<Check>,
    pub(crate) standing: Standing,
    pub(crate) idle: Pool,
    in_flight: AtomicU64,
    draining: AtomicBool,
    changes: Changes,
    watcher: Mutex<Option<AbortHandle>>,
}

/// A request's hold on an instance: counted as in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) instance: Arc<Instance>,
    pub(crate) figures: Arc<Figures>,
}

impl Instance {
    pub(crate) fn new(group: GroupId, at: &Endpoint, health: Health, changes: Changes) -> Self {
        Self {
            id: at.id,
            group,
            address: at.address,
            check: ArcSwap::from_pointee(at.check.clone()),
            standing: Standing::new(health, Instant::now()),
            idle: Pool::default(),
            in_flight: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            changes,
            watcher: Mutex::new(None),
        }
    }

    /// Begins to check it.
    pub(crate) fn watch(self: &Arc<Self>) {
        let task = tokio::spawn(health::watch(Arc::clone(self)));
        self.replace_watcher(Some(task.abort_handle()));
    }

    fn replace_watcher(&self, next: Option<AbortHandle>) {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = std::mem::replace(&mut *watcher, next) {
            last.abort();
        }
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(SeqCst)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(SeqCst)
    }

    /// Out of the table: no request is given to it from here on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, SeqCst);
        self.idle.close();
        self.replace_watcher(None);
    }

    /// Back in the table.
    pub(crate) fn readmit(self: &Arc<Self>) {
        self.idle.open();
        self.draining.store(false, SeqCst);
        self.watch();
    }

    /// Records what a check found, and says so if the health is another.
    pub(crate) fn found(&self, health: Health, last_check: String) {
        if self.standing.set(health, last_check, Instant::now()) {
            self.changes.bump();
        }
    }

    pub(crate) fn status(&self) -> InstanceStatus {
        let (health, since, last_check) = self.standing.read();
        InstanceStatus {
            id: self.id,
            group: self.group,
            health,
            since_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
            last_check,
            in_flight: self.in_flight(),
            draining: self.is_draining(),
        }
    }
}

impl Lease {
    /// Counts a request in, unless the instance has left the table meanwhile.
    ///
    /// Counting comes before looking, and [`Instance::drain`] comes before anybody reads the count
    /// as final; all four are sequentially consistent. So either the drain is seen here, or this
    /// request is seen there: a count of zero on a draining instance stays zero.
    pub(crate) fn take(instance: &Arc<Instance>, figures: &Arc<Figures>) -> Option<Self> {
        instance.in_flight.fetch_add(1, SeqCst);
        figures.begun();
        let lease = Self { instance: Arc::clone(instance), figures: Arc::clone(figures) };
        (!instance.is_draining()).then_some(lease)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.figures.ended();
        let last = self.instance.in_flight.fetch_sub(1, SeqCst) == 1;
        if last && self.instance.is_draining() {
            self.instance.changes.bump();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> (Arc<Instance>, Arc<Figures>) {
        let group = GroupId::from_random([1; 4]);
        let address = "127.0.0.1:1".parse().unwrap();
        let at = Endpoint { id: InstanceId::from_random([1; 6]), address, check: Check::default() };
        let instance = Instance::new(group, &at, Health::Healthy, Changes::new());
        (Arc::new(instance), Arc::new(Figures::new(group)))
    }

    #[test]
    fn a_draining_instance_gets_no_request_even_from_one_who_found_it_before() {
        let (instance, figures) = instance();
        let lease = Lease::take(&instance, &figures).unwrap();
        instance.drain();
        assert!(Lease::take(&instance, &figures).is_none());
        assert_eq!((instance.in_flight(), figures.status().in_flight), (1, 1));
        drop(lease);
        assert_eq!((instance.in_flight(), figures.status().in_flight), (0, 0));
    }

    #[test]
    fn the_end_of_the_last_request_on_a_draining_instance_is_a_change() {
        let (instance, figures) = instance();
        let leases = [(); 2].map(|()| Lease::take(&instance, &figures).unwrap());
        instance.drain();
        let seq = instance.changes.now();
        let [first, last] = leases;
        drop(first);
        assert_eq!(instance.changes.now(), seq);
        drop(last);
        assert_eq!(instance.changes.now(), seq + 1);
    }
}
