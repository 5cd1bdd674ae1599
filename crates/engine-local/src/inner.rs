//! What all parts of the engine share.

use crate::link::Link;
use crate::machine::Machine;
use crate::model::Model;
use crate::runs::Runs;
use kiln_names::InstanceId;
use kiln_secrets::Vault;
use kiln_store::Database;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, watch};

/// How many shims are started at once: more would only wait for the same processors and the
/// kernel's one lock on network interfaces.
const LAUNCHES_AT_ONCE: usize = 8;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) db: Database,
    pub(crate) images: kiln_image::Store,
    pub(crate) secrets: Vault,
    pub(crate) machine: Machine,
    pub(crate) link: Link,
    pub(crate) launches: Semaphore,
    pub(crate) runs: Runs,
    /// Where the engine began: its tasks live and end with that, whoever calls it from where.
    tasks: tokio::runtime::Handle,
    /// Instances whose end is recorded, or about to be, and that are still being cleaned up.
    leaving: Mutex<BTreeSet<InstanceId>>,
    model: Mutex<Model>,
    changes: watch::Sender<u64>,
}

impl Inner {
    pub(crate) fn new(
        (db, images, secrets): (Database, kiln_image::Store, Vault),
        machine: Machine,
        link: Link,
        model: Model,
    ) -> Self {
        Self {
            db,
            images,
            secrets,
            machine,
            link,
            launches: Semaphore::new(LAUNCHES_AT_ONCE),
            runs: Runs::default(),
            tasks: tokio::runtime::Handle::current(),
            leaving: Mutex::default(),
            model: Mutex::new(model),
            changes: watch::Sender::new(0),
        }
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

    /// Begins a task of the engine's own.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.tasks.spawn(task));
    }

    /// Says that an observation may differ from the one before.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
