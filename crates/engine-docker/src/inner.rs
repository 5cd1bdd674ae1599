//! What all parts of the runtime share.

use crate::addresses::{Addresses, Way};
use crate::connection::Connection;
use crate::labels::Owner;
use crate::seen::{Moment, Seen, Sight};
use crate::settings::{Mode, Settings};
use crate::trouble::Trouble;
use kiln_image::ImageConfig;
use kiln_keeper::chain;
use kiln_names::{Digest, InstanceId};
use kiln_protocol::configuration::Network;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) owner: Owner,
    pub(crate) connection: Connection,
    pub(crate) addresses: Addresses,
    pub(crate) sight: Sight,
    /// Asks for a look before its time.
    pub(crate) look: Notify,
    /// Where the runtime began: its tasks live and end with that, whoever calls it from where.
    tasks: tokio::runtime::Handle,
    /// Held while the network is made: Docker takes a second one of the same name.
    pub(crate) networking: tokio::sync::Mutex<()>,
    own: Mutex<Own>,
    /// The network that services are put into, where that is another than the first.
    network: Mutex<Option<String>>,
}

/// What this server itself began.
#[derive(Debug, Default)]
struct Own {
    /// Launched or found, and not cleaned up yet.
    instances: HashSet<InstanceId>,
    /// Those of them that are being launched.
    launching: HashSet<InstanceId>,
    /// Those of them that were asked to stop and have not ended.
    stopping: HashSet<InstanceId>,
    /// The checks of instances that did not end in time.
    hanging: HashMap<InstanceId, String>,
    /// What was to be swept when the engine did not answer: all but these.
    unswept: Option<HashSet<InstanceId>>,
}

impl Inner {
    pub(crate) fn new(settings: Settings) -> Self {
        let engine = &settings.engine;
        let owner = Owner { install: settings.install, env: settings.env.clone() };
        let here = engine.host.is_here() && engine.mode == Mode::Single;
        let whose = (settings.install, &settings.env);
        let addresses = Addresses::new(engine.ports.clone(), here, whose);
        Self {
            owner,
            connection: Connection::new(engine),
            addresses,
            sight: Sight::default(),
            look: Notify::new(),
            tasks: tokio::runtime::Handle::current(),
            networking: tokio::sync::Mutex::default(),
            own: Mutex::default(),
            network: Mutex::default(),
            settings,
        }
    }

    /// How an instance on that network is reached.
    pub(crate) fn way(&self, network: Network) -> Way {
        let engine = &self.settings.engine;
        let bridge =
            network == Network::Isolated && engine.mode == Mode::Single && engine.host.is_here();
        if bridge { Way::Bridge } else { Way::Port }
    }

    /// The network that services are put into.
    pub(crate) fn network(&self) -> String {
        let used = self.network.lock().unwrap_or_else(PoisonError::into_inner).clone();
        used.unwrap_or_else(|| self.owner.network())
    }

    pub(crate) fn use_network(&self, name: String) {
        *self.network.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
    }

    /// Begins a task of the runtime's own.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.tasks.spawn(task));
    }

    /// How an image of Kiln's store says that it is started.
    pub(crate) async fn image_config(&self, image: Digest) -> Result<ImageConfig, String> {
        let store = self.settings.images.clone();
        let read = tokio::task::spawn_blocking(move || store.image(&image)).await;
        let image = read.map_err(|error| error.to_string())?.map_err(|error| chain(&error))?;
        Ok(image.config)
    }

    /// Notes what the engine told of an instance.
    pub(crate) fn note(&self, id: InstanceId, seen: Seen) {
        self.sight.note(id, seen);
    }

    /// Takes in a whole look.
    pub(crate) fn looked(&self, began: Moment, all: HashMap<InstanceId, Seen>) {
        let runs =
            |id: &InstanceId| matches!(all.get(id), Some(Seen::Running(_) | Seen::Pending(_)));
        self.own().stopping.retain(runs);
        self.sight.take(began, all);
    }

    /// Notes that an instance is this server's own.
    pub(crate) fn adopt(&self, id: InstanceId) {
        self.own().instances.insert(id);
    }

    pub(crate) fn is_own(&self, id: InstanceId) -> bool {
        self.own().instances.contains(&id)
    }

    /// Forgets an instance of which nothing is left.
    pub(crate) fn gone(&self, id: InstanceId) {
        let mut own = self.own();
        own.instances.remove(&id);
        own.stopping.remove(&id);
        own.hanging.remove(&id);
        drop(own);
        self.sight.forget(id);
    }

    /// Notes that an instance is being launched, until what is returned is dropped.
    pub(crate) fn launching(&self, id: InstanceId) -> Launching<'_> {
        let mut own = self.own();
        own.instances.insert(id);
        own.launching.insert(id);
        Launching { inner: self, id }
    }

    /// The check of an instance that did not end in time.
    pub(crate) fn hanging(&self, id: InstanceId) -> Option<String> {
        self.own().hanging.get(&id).cloned()
    }

    /// Notes that the check of an instance hangs, or does no more.
    pub(crate) fn note_hanging(&self, id: InstanceId, exec: Option<String>) {
        let hanging = &mut self.own().hanging;
        match exec {
            Some(exec) => hanging.insert(id, exec),
            None => hanging.remove(&id),
        };
    }

    /// Notes that an instance was asked to stop.
    pub(crate) fn stopping(&self, id: InstanceId) {
        self.own().stopping.insert(id);
        self.look.notify_one();
    }

    /// Whether something is on its way to run, or to its end.
    pub(crate) fn is_moving(&self) -> bool {
        let own = self.own();
        !own.launching.is_empty() || !own.stopping.is_empty()
    }

    /// Remembers to sweep when the engine answers again.
    pub(crate) fn sweep_later(&self, known: HashSet<InstanceId>) {
        self.own().unswept = Some(known);
    }

    /// What is to be swept now: all but these.
    pub(crate) fn unswept(&self) -> Option<HashSet<InstanceId>> {
        self.own().unswept.take()
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        // Every change is a single step, so a panic elsewhere leaves it whole.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An instance that is being launched.
pub(crate) struct Launching<'a> {
    inner: &'a Inner,
    id: InstanceId,
}

impl Drop for Launching<'_> {
    fn drop(&mut self) {
        self.inner.own().launching.remove(&self.id);
    }
}

/// Nothing there is as good as removed.
pub(crate) fn unless_absent(done: Result<(), Trouble>) -> Result<(), Trouble> {
    done.or_else(|trouble| if trouble.is_absent() { Ok(()) } else { Err(trouble) })
}
