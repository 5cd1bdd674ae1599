//! An engine that lives in memory: deterministic, with faults on demand.
//!
//! It keeps what it was told when its callers crash, as a real provider does, and remembers every
//! moment of its traffic, so that a test can ask afterwards whether requests were ever without a
//! healthy group.

mod engine;
mod fault;
mod history;
mod reconcile;
mod traffic;
mod world;

pub use fault::{Behaviour, Fault, Operation};
pub use history::{GroupMoment, Moment};

use crate::{Capacity, Drift, EngineError, LogLine, MemoryPeak};
use fault::Faults;
use kiln_names::{AppName, Digest, EnvName, GroupId, InstanceId};
use std::sync::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use world::World;

/// When the world goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Everything that was asked for has happened when a call returns.
    Instant,
    /// Nothing happens until [`SimEngine::step`].
    Stepped,
}

/// The simulated engine: an [`Engine`](crate::Engine) and a [`Traffic`](crate::Traffic).
#[derive(Debug)]
pub struct SimEngine {
    world: Mutex<World>,
    faults: Mutex<Faults>,
    released: Notify,
    changed: watch::Sender<u64>,
}

// === impl SimEngine ===

impl SimEngine {
    /// An empty world that goes on at the given pace.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self {
            world: Mutex::new(World::new(pace)),
            faults: Mutex::default(),
            released: Notify::new(),
            changed: watch::Sender::new(0),
        }
    }

    /// Lets every instance take one step of its life.
    pub fn step(&self) {
        self.change("step", World::step);
    }

    /// Lets everything happen that was asked for.
    pub fn settle(&self) {
        self.change("settle", World::settle);
    }

    /// Sets how instances of an image behave from now on; healthy unless told.
    pub fn behave(&self, image: Digest, behaviour: Behaviour) {
        self.change("behave", |world| world.behaviours.insert(image, behaviour));
    }

    /// Sets what was counted of the requests to every group of an image, whichever group is named.
    pub fn count(&self, image: Digest, figures: crate::Figures) {
        self.world().counted.insert(image, figures);
    }

    /// Sets what is not as it should be.
    pub fn set_drift(&self, mut drift: Vec<Drift>) {
        drift.sort();
        self.world().drift = drift;
    }

    /// Sets what instances of an application in an environment used at most.
    pub fn set_peaks(&self, app: &AppName, env: &EnvName, peaks: Vec<MemoryPeak>) {
        self.world().peaks.insert((app.clone(), env.clone()), peaks);
    }

    /// Sets what there is and what is left for new groups.
    pub fn set_capacity(&self, capacity: Capacity) {
        self.world().capacity = capacity;
    }

    /// Ends a running instance, as a kill from outside would. Its group replaces it.
    pub fn kill(&self, instance: InstanceId) {
        self.change("kill", |world| world.kill(instance));
    }

    /// Makes the next `times` calls of an operation fail in the given way.
    pub fn inject(&self, operation: Operation, fault: &Fault, times: usize) {
        self.faults().inject(operation, fault, times);
    }

    /// Lets the next `spared` calls of an operation pass and makes the one after them fail.
    pub fn inject_after(&self, operation: Operation, spared: usize, fault: &Fault) {
        self.faults().inject_after(operation, spared, fault);
    }

    /// Makes about one call in `one_in` fail with a retryable error, half of them after their
    /// effect. The same seed gives the same faults for the same calls.
    pub fn inject_at_random(&self, seed: u64, one_in: u64) {
        self.faults().at_random(seed, one_in);
    }

    /// Lets calls go on that hang because of [`Fault::Hang`].
    pub fn release(&self) {
        self.released.notify_waiters();
    }

    /// The calls so far, those that failed included, in their order.
    #[must_use]
    pub fn calls(&self) -> Vec<Operation> {
        self.faults().calls.clone()
    }

    /// Everything that happened to groups and traffic, in its order.
    #[must_use]
    pub fn moments(&self) -> Vec<Moment> {
        self.world().moments.clone()
    }

    /// The groups there are, those on their way out included.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupId> {
        self.world().groups.keys().copied().collect()
    }

    /// The groups that take requests of an application in an environment, with their weights.
    #[must_use]
    pub fn weights(&self, app: &AppName, env: &EnvName) -> Vec<(GroupId, u32)> {
        let world = self.world();
        let in_force = world.traffic.get(&(app.clone(), env.clone()));
        let clusters = in_force.iter().flat_map(|(_, state)| &state.clusters);
        let shares = clusters.flat_map(|cluster| &cluster.shares);
        shares.filter(|share| share.weight > 0).map(|s| (s.group, s.weight)).collect()
    }

    /// Every line that instances wrote.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.world().lines.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no holder of this lock panics")
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("no holder of this lock panics")
    }

    /// Changes the world, remembers the moment, and wakes whoever waits for a change.
    fn change<T>(&self, what: &'static str, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let result = change(&mut world);
        if world.pace == Pace::Instant {
            world.settle();
        }
        world.remember(what);
        drop(world);
        self.changed.send_modify(|version| *version += 1);
        result
    }

    /// One call from outside: what is injected for it happens, then its effect.
    async fn call<T>(
        &self,
        operation: Operation,
        effect: impl FnOnce(&mut World) -> Result<T, EngineError> + Send,
    ) -> Result<T, EngineError> {
        let fault = self.faults().next(operation);
        match fault {
            None => self.act(operation, effect),
            Some(Fault::Refuse(error)) => Err(error),
            Some(Fault::LoseReply(error)) => self.act(operation, effect).and(Err(error)),
            Some(Fault::Hang) => {
                self.released.notified().await;
                self.act(operation, effect)
            }
        }
    }

    fn act<T>(
        &self,
        operation: Operation,
        effect: impl FnOnce(&mut World) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        if operation.only_reads() {
            return effect(&mut self.world());
        }
        self.change(operation.name(), effect)
    }
}
