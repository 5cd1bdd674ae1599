//! What all parts of the engine share.

use crate::Settings;
use crate::machine::Machine;
use crate::runs::Runs;
use kiln_container::ProcessIdent;
use kiln_keeper::Link;
use kiln_names::InstanceId;
use kiln_secrets::Vault;
use kiln_store::Database;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// How many shims are started at once: more would only wait for the same processors and the
/// kernel's one lock on network interfaces.
pub(crate) const LAUNCHES_AT_ONCE: usize = 8;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) db: Database,
    pub(crate) images: kiln_image::Store,
    pub(crate) secrets: Vault,
    pub(crate) link: Arc<Link>,
    pub(crate) machine: Machine,
    pub(crate) run_launches: Semaphore,
    pub(crate) runs: Runs,
    /// Where the engine began: its tasks live and end with that, whoever calls it from where.
    tasks: tokio::runtime::Handle,
    shims: Mutex<HashMap<InstanceId, ProcessIdent>>,
}

impl Inner {
    pub(crate) fn new(settings: Settings) -> io::Result<Self> {
        Ok(Self {
            db: settings.db,
            images: settings.images,
            secrets: settings.secrets,
            link: settings.link,
            machine: Machine::new(settings.machine)?,
            run_launches: Semaphore::new(LAUNCHES_AT_ONCE),
            runs: Runs::default(),
            tasks: tokio::runtime::Handle::current(),
            shims: Mutex::default(),
        })
    }

    /// The shims of the instances that run.
    pub(crate) fn shims(&self) -> MutexGuard<'_, HashMap<InstanceId, ProcessIdent>> {
        self.shims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shim of one instance.
    pub(crate) fn shim(&self, id: InstanceId) -> Option<ProcessIdent> {
        self.shims().get(&id).cloned()
    }

    /// Begins a task of the engine's own.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.tasks.spawn(task));
    }
}
