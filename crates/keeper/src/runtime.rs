//! What an engine has to bring: everything about one instance at a time, and nothing about groups.

use futures_util::future::BoxFuture;
use kiln_engine::{
    Capabilities, Drift, EngineError, Exit, GroupSpec, KeptVolume, Resources, Usage,
    without_settings,
};
use kiln_names::{ByteSize, Digest, EnvName, InstanceId};
use kiln_protocol::configuration::InsideCheck;
use kiln_store::Write;
use kiln_store::local::InstanceRow;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Runs single instances. The keeper decides which, when, and in what order they go.
///
/// # Life of an instance
/// ```text
/// prepare ─▶ reserve ─▶ recorded ─▶ launch ─▶ wait ─▶ exit ─▶ last_lines ─▶ clean ─▶ release
///                                     │         ▲
///                        later server: find ────┘      stop, at any time after launch
/// ```
/// Whatever the keeper knows of an instance it tells again after a restart, in the same order,
/// beginning with `retake` and `find` in place of `reserve` and `launch`.
#[async_trait::async_trait]
pub trait Runtime: Send + Sync + std::fmt::Debug {
    /// What an engine over this runtime can carry.
    fn capabilities(&self) -> Capabilities;

    /// Refuses what a process's `engine` settings say and this runtime does not understand. Asks
    /// nobody.
    ///
    /// # Errors
    /// The first mistake.
    fn accept(&self, settings: &Map<String, Value>) -> Result<(), String> {
        without_settings(settings)
    }

    /// Whether the addresses of instances are reached from other machines, and with them by routers
    /// there.
    fn reached_from_elsewhere(&self) -> bool {
        false
    }

    /// How many instances are started at once; more would only wait for each other.
    fn launches_at_once(&self) -> usize;

    /// All that there is for instances.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    async fn size(&self) -> Result<Size, EngineError>;

    /// Makes the image available where instances start, and returns the provider's own reference.
    ///
    /// # Errors
    /// When it cannot be had, or there is no room for it.
    async fn ensure_image(&self, image: &Digest) -> Result<String, EngineError>;

    /// Makes what the instances of a group share be there, such as their network. Asked once for
    /// each group and again before instances of it start; may talk to the provider.
    ///
    /// # Errors
    /// When the provider refuses, for now or for good.
    async fn prepare(&self, spec: &GroupSpec) -> Result<(), EngineError>;

    /// Refuses a group that could never have an instance, in the transaction that records it; asks
    /// nobody.
    ///
    /// # Errors
    /// When there is no room for such a group and never will be.
    async fn admit(&self, db: &mut Write, spec: &GroupSpec) -> Result<(), EngineError> {
        let _ = (db, spec);
        Ok(())
    }

    /// Reserves what names the instance's port uniquely, in the transaction that records it; asks
    /// nobody. An address whose IP is unspecified becomes known with the launch. Port 0: it does not
    /// listen.
    ///
    /// # Errors
    /// When all are taken.
    async fn reserve(&self, db: &mut Write, spec: &GroupSpec) -> Result<SocketAddr, EngineError>;

    /// Takes the address of an instance that an earlier server started.
    fn retake(&self, address: SocketAddr);

    /// Gives an address back. The router acknowledged a table without it before.
    fn release(&self, address: SocketAddr);

    /// Starts the instance, and returns once its main process runs: where it listens.
    ///
    /// A start that takes its time says what it waits for, and may be given up as soon as `wish` says
    /// that nobody wants it any more. What a start that failed leaves behind is removed by `clean`.
    ///
    /// # Errors
    /// When it does not run and will not.
    async fn launch(&self, birth: &Birth, wish: Wish<'_>) -> Result<SocketAddr, NotLaunched>;

    /// Finds an instance that an earlier server recorded: where it listens, or nothing if it surely
    /// does not run. A provider that does not answer is no reason to take it for dead.
    async fn find(&self, birth: &Birth) -> Option<SocketAddr>;

    /// Waits until an instance that was launched or found has surely ended.
    async fn wait(&self, id: InstanceId);

    /// Sends the stop signal; the runtime sees to it that it is killed after its stop timeout.
    async fn stop(&self, birth: &Birth);

    /// Looks into an instance that runs, as its check says.
    async fn look_inside(&self, birth: &Birth, check: &InsideCheck) -> Looked;

    /// How an instance ended that did. `limit` is the memory that it might use, where that is known.
    /// The time of the end is set by the keeper.
    ///
    /// # Errors
    /// In words, when nothing tells how it ended.
    async fn exit(&self, id: InstanceId, limit: Option<ByteSize>) -> Result<Exit, String>;

    /// Removes all that is left of an instance that ended, its log included.
    async fn clean(&self, id: InstanceId);

    /// Removes all instances of this engine's that are not among those known.
    async fn sweep(&self, known: &HashSet<InstanceId>);

    /// Removes what instances shared: the environment is deleted, and nothing of it runs any more.
    ///
    /// # Errors
    /// When the provider refuses or cannot be asked.
    async fn leave(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// What instances in an environment have kept. Sorted.
    ///
    /// # Errors
    /// When it cannot be looked at.
    async fn volumes(&self, env: &EnvName) -> Result<Vec<KeptVolume>, EngineError> {
        let _ = env;
        Ok(Vec::new())
    }

    /// Removes what was kept; nobody has it.
    ///
    /// # Errors
    /// When it cannot be removed.
    async fn remove_volume(&self, volume: &KeptVolume) -> Result<(), EngineError> {
        let _ = volume;
        Ok(())
    }

    /// What instances use; nothing is said of one that cannot be told.
    async fn usage(&self, ids: Vec<InstanceId>) -> Vec<Sample>;

    /// The last `count` raw lines of an instance's log, and the log from there on. `None` when
    /// nothing is left of it.
    async fn last_lines(&self, id: InstanceId, count: usize)
    -> Option<(Vec<String>, Box<dyn Log>)>;

    /// The log of an instance from its first line on, whether there is one already or not.
    fn log(&self, id: InstanceId) -> Box<dyn Log>;

    /// What differs between the instances that should run and what the provider runs.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    async fn drift(&self, look: &Look) -> Result<Vec<Drift>, EngineError>;

    /// Which files of the images that are run are not as they were baked.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn deep_drift(&self, images: &BTreeSet<Digest>) -> Result<Vec<Drift>, EngineError>;
}

/// One log that is being read.
///
/// A raw line is `TIME stdout F TEXT`: the time is RFC 3339 in UTC, the source `stdout` or `stderr`, and
/// `P` in place of `F` says that the line goes on in the next one.
#[async_trait::async_trait]
pub trait Log: Send + std::fmt::Debug {
    /// The raw lines that came since the last look. `None` once nothing is left of the instance.
    async fn more(&mut self) -> Option<Vec<String>>;
}

/// What a look into an instance has shown, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// All is well.
    Passed(String),
    /// It is not.
    Failed(String),
    /// Nobody could look.
    Unknown(String),
}

/// What an instance is started from.
#[derive(Debug, Clone)]
pub struct Birth {
    /// Its group.
    pub spec: Arc<GroupSpec>,
    /// Its identity.
    pub id: InstanceId,
    /// Its ordinal in the group.
    pub slot: u32,
    /// What was reserved for it.
    pub address: SocketAddr,
    /// How many instances its group was to have when this was asked.
    pub size: u32,
}

/// What there is in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// All that can be promised.
    pub total: Resources,
    /// Memory in use by groups and everything beside them, where that can be told.
    pub memory_used: Option<ByteSize>,
}

/// What an instance uses.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// The instance.
    pub id: InstanceId,
    /// Its memory; the keeper works out how much of a processor it uses.
    pub usage: Usage,
    /// The processor time it has used so far.
    pub cpu: Option<Duration>,
}

/// Whether a start is still wanted, and whom to tell how it goes.
pub struct Wish<'a> {
    /// Completes when the instance is not wanted any more.
    pub withdrawn: BoxFuture<'a, ()>,
    /// Takes what the start waits for, in words, for people who look.
    pub say: &'a (dyn Fn(String) + Send + Sync),
}

/// Why an instance does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLaunched {
    /// What happened, in words.
    pub cause: String,
    /// Whether all the time that a start may take has passed: another try would take as long.
    pub gave_up: bool,
}

/// One moment of the keeper's knowledge, to compare with.
#[derive(Debug, Clone)]
pub struct Look {
    /// The instances that the database says have not ended.
    pub rows: Vec<InstanceRow>,
    /// Those that run and that nobody is starting, draining or stopping.
    pub running: Vec<Birth>,
    /// Those that ended and are still being cleaned up.
    pub leaving: BTreeSet<InstanceId>,
    /// The images of groups that have instances.
    pub images: BTreeSet<Digest>,
    /// The port where the router takes traffic, once it said so.
    pub door: Option<u16>,
}

impl NotLaunched {
    /// It failed; another may do better.
    pub fn failed(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), gave_up: false }
    }

    /// It had all the time that a start may take.
    pub fn gave_up(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), gave_up: true }
    }
}

impl std::fmt::Debug for Wish<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wish").finish_non_exhaustive()
    }
}
