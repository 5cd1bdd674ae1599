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

pub use fault::{Behaviour, Called, Director, Fault, Operation};
pub use history::{GroupMoment, Moment};

use crate::{Capacity, Drift, EngineError, LogLine, MemoryPeak};
use fault::Faults;
use kiln_names::{AppName, Digest, EnvName, GroupId, InstanceId};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use tokio::sync::{Notify, watch};
use world::{Sight, World};

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
    director: OnceLock<Arc<dyn Director>>,
    released: Notify,
    /// One for each who waits, so that they wake in the order in which they came.
    waiting: Mutex<Vec<watch::Sender<u64>>>,
}

// === impl SimEngine ===

impl SimEngine {
    /// An empty world that goes on at the given pace.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self {
            world: Mutex::new(World::new(pace)),
            faults: Mutex::default(),
            director: OnceLock::new(),
            released: Notify::new(),
            waiting: Mutex::default(),
        }
    }

    /// Lets every instance take one step of its life; whether any did.
    pub fn step(&self) -> bool {
        let mut world = self.world();
        world.keep_before();
        let moved = world.step();
        world.remember("step");
        drop(world);
        if moved {
            self.wake();
        }
        moved
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
        self.world().keeps_before |= *fault == Fault::Stale;
        self.faults().inject(operation, fault, times);
    }

    /// Lets the next `spared` calls of an operation pass and makes the one after them fail.
    pub fn inject_after(&self, operation: Operation, spared: usize, fault: &Fault) {
        self.world().keeps_before |= *fault == Fault::Stale;
        self.faults().inject_after(operation, spared, fault);
    }

    /// Makes about one call in `one_in` fail with a retryable error, half of them after their
    /// effect. The same seed gives the same faults for the same calls.
    pub fn inject_at_random(&self, seed: u64, one_in: u64) {
        self.faults().at_random(seed, one_in);
    }

    /// Lets somebody else decide when each call happens and how it goes wrong, from now on; of several
    /// the first.
    pub fn direct(&self, director: Arc<dyn Director>) {
        self.director.get_or_init(|| director);
        self.world().keeps_before = true;
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
        self.moments_from(0)
    }

    /// The same from the given one on, counted from 0.
    #[must_use]
    pub fn moments_from(&self, first: usize) -> Vec<Moment> {
        self.world().moments.get(first..).unwrap_or_default().to_vec()
    }

    /// Routes, weights and known groups of an application in an environment, as they are in force.
    #[must_use]
    pub fn in_force(&self, app: &AppName, env: &EnvName) -> crate::TrafficState {
        self.world().in_force(app, env).1
    }

    /// Every group as it is, asked of nobody: no call, and nothing goes wrong with it.
    #[must_use]
    pub fn there(&self) -> Vec<crate::ObservedGroup> {
        self.world().groups.values().map(world::SimGroup::observed).collect()
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
        world.keep_before();
        let result = change(&mut world);
        if world.pace == Pace::Instant {
            world.settle();
        }
        world.remember(what);
        drop(world);
        self.wake();
        result
    }

    /// Wakes whoever waits for a change.
    fn wake(&self) {
        self.waiting().retain(|waiter| {
            waiter.send_modify(|version| *version += 1);
            !waiter.is_closed()
        });
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<watch::Sender<u64>>> {
        self.waiting.lock().expect("no holder of this lock panics")
    }

    fn changes(&self) -> watch::Receiver<u64> {
        let (waiter, changes) = watch::channel(0);
        let mut waiting = self.waiting();
        waiting.retain(|waiter| !waiter.is_closed());
        waiting.push(waiter);
        changes
    }

    /// One call from outside: what is injected for it happens, then its effect.
    async fn call<T>(
        &self,
        called: Called,
        effect: impl FnOnce(&mut World) -> Result<T, EngineError> + Send,
    ) -> Result<T, EngineError> {
        let operation = called.operation;
        let fault = match self.director.get() {
            Some(director) => director.act(called).await,
            None => self.faults().next(operation),
        };
        match (fault, self.director.get()) {
            (None | Some(Fault::Slow), None) | (None, Some(_)) => self.act(operation, effect),
            (Some(Fault::Slow), Some(director)) => {
                let result = self.act(operation, effect);
                director.answer(called).await;
                result
            }
            (Some(Fault::Refuse(error)), _) => Err(error),
            (Some(Fault::LoseReply(error)), _) => self.act(operation, effect).and(Err(error)),
            (Some(Fault::Hang), _) => {
                self.released.notified().await;
                self.act(operation, effect)
            }
            (Some(Fault::Stale), _) => self.see(Sight::Stale, operation, effect),
            (Some(Fault::Partial), _) => self.see(Sight::Partial, operation, effect),
        }
    }

    /// Acts while whoever looks sees less than there is.
    fn see<T>(
        &self,
        sight: Sight,
        operation: Operation,
        effect: impl FnOnce(&mut World) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.act(operation, |world| {
            world.sight = sight;
            let result = effect(world);
            world.sight = Sight::Clear;
            result
        })
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
