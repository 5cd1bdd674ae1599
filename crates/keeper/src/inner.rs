//! What all parts of a keeper share.

use crate::link::{Link, Source};
use crate::model::Model;
use crate::routing;
use crate::{Runtime, Scope, Settings};
use kiln_names::InstanceId;
use kiln_router::{Cluster, Status};
use kiln_store::Database;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Semaphore, watch};

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) db: Database,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) link: Arc<Link>,
    pub(crate) scope: Scope,
    pub(crate) launches: Semaphore,
    pub(crate) looks: Semaphore,
    now_ms: fn() -> u64,
    random: fn() -> [u8; 6],
    /// Where the keeper began: its tasks live and end with that, whoever calls it from where.
    tasks: tokio::runtime::Handle,
    /// Instances whose end is recorded, or about to be, and that are still being cleaned up.
    leaving: Mutex<BTreeSet<InstanceId>>,
    model: Mutex<Model>,
    changes: watch::Sender<u64>,
    closed: watch::Sender<bool>,
}

impl Inner {
    pub(crate) fn new(settings: Settings, model: Model) -> Self {
        let at_once = settings.runtime.launches_at_once();
        let (launches, looks) = (Semaphore::new(at_once), Semaphore::new(at_once));
        Self {
            db: settings.db,
            runtime: settings.runtime,
            link: settings.link,
            scope: settings.scope,
            launches,
            looks,
            now_ms: settings.now_ms,
            random: settings.random,
            tasks: tokio::runtime::Handle::current(),
            leaving: Mutex::default(),
            model: Mutex::new(model),
            changes: watch::Sender::new(0),
            closed: watch::Sender::new(false),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        (self.now_ms)()
    }

    pub(crate) fn new_instance_id(&self) -> InstanceId {
        InstanceId::from_random((self.random)())
    }

    /// The model. Held for moments only, never across an await.
    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        // Every change to the model is a single step, so a panic elsewhere leaves it whole.
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an instance is being cleaned up, or that it was.
    pub(crate) fn note_leaving(&self, id: InstanceId, leaves: bool) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        if leaves {
            leaving.insert(id);
        } else {
            leaving.remove(&id);
        }
    }

    /// The instances that are being cleaned up.
    pub(crate) fn leaving(&self) -> BTreeSet<InstanceId> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a task of the keeper's own, which ends with it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut closed = self.closed.subscribe();
        drop(self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
        }));
    }

    /// Ends all tasks.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until a table is in force wherever instances of this engine are reached from.
    pub(crate) async fn in_force(&self, version: u64) {
        self.link.in_force_here(version).await;
        if self.runtime.reached_from_elsewhere() {
            self.link.in_force(version).await;
        }
    }

    /// Who does not carry a table yet, in words.
    pub(crate) fn awaits(&self, version: u64) -> Option<String> {
        self.link.awaits(version, self.runtime.reached_from_elsewhere())
    }

    /// Says that an observation may differ from the one before.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Source for Inner {
    fn clusters(&self) -> Vec<Cluster> {
        let model = self.model();
        routing::clusters(&model, model.traffic.values().map(|row| &row.state))
    }

    fn reached_from_elsewhere(&self) -> bool {
        self.runtime.reached_from_elsewhere()
    }

    fn hear(&self, status: &Status) {
        let number = (status.epoch, status.version);
        let door = status.listen.port();
        self.model().hear(number, door, &status.instances, Instant::now());
        self.changed();
    }
}
