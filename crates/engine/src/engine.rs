//! The [`Engine`] trait: what runs groups.

use crate::{
    Depth, Drift, EndedInstance, EngineError, GroupSpec, KeptVolume, LogQuery, LogStream,
    MemoryPeak, Observation, Slots,
};
use kiln_names::{AppName, ByteSize, Digest, EnvName, GroupId, InstanceId};
use serde_json::{Map, Value};
use tokio::sync::watch;

/// Who calls, and how recent its authority is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Grows with every deployment of an application in an environment. An engine refuses a call
    /// whose epoch is lower than one it has seen for the same application and environment.
    pub epoch: u64,
}

/// What an engine can carry. The planner refuses what is missing, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about an engine")]
pub struct Capabilities {
    /// Routes and weights of all clusters of an application change in one step.
    pub atomic_switch: bool,
    /// Weights other than all or nothing.
    pub weights: bool,
    /// Instances may share the host's network and take their port from `$PORT`.
    pub host_network: bool,
    /// Instances find the values of their secrets as files.
    pub secrets: bool,
    /// Instances find again what one before them in their slot has kept.
    pub volumes: bool,
}

/// What an engine that has no settings for a process says to some.
///
/// # Errors
/// When there are any.
pub fn without_settings(settings: &Map<String, Value>) -> Result<(), String> {
    match settings.keys().next() {
        Some(key) => Err(format!("engine.{key}: this engine has no settings for a process")),
        None => Ok(()),
    }
}

/// What there is for groups, and what of it is left for new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// All that the engine can promise.
    pub total: Resources,
    /// What is not promised to groups.
    pub left: Resources,
    /// Memory really in use, by groups and everything beside them, where that can be told.
    pub memory_used: Option<ByteSize>,
}

/// Processors and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// Processor time, in thousandths of a processor.
    pub cpu_millis: u64,
    /// Memory.
    pub memory: ByteSize,
}

impl Capacity {
    /// So much in all, and nothing of it promised.
    #[must_use]
    pub const fn unused(total: Resources) -> Self {
        Self { total, left: total, memory_used: None }
    }
}

/// Runs groups of identical instances.
///
/// # Guarantees
/// Every method may be called again with the same arguments, after a crash at any instant, and the
/// outcome is the same. A group's spec never changes after `ensure_group` first took it.
///
/// # Cancellation
/// Dropping a returned future leaves the desired state either as before or as asked.
#[async_trait::async_trait]
pub trait Engine: Send + Sync + std::fmt::Debug {
    /// What this engine can carry.
    fn capabilities(&self) -> Capabilities;

    /// Refuses what a process's `engine` settings say and this engine does not understand. Asks
    /// nobody.
    ///
    /// # Errors
    /// The first mistake, which begins with `engine.` and the key.
    fn accept(&self, settings: &Map<String, Value>) -> Result<(), String>;

    /// A number that changes whenever an observation may differ from the one before.
    fn changes(&self) -> watch::Receiver<u64>;

    /// What there is and what is left for new groups, as last known.
    async fn capacity(&self) -> Result<Capacity, EngineError>;

    /// Makes the image available where instances start, and returns the provider's own reference.
    async fn ensure_image(&self, image: &Digest) -> Result<String, EngineError>;

    /// Makes the group exist at size 0, without traffic. An existing one keeps its size.
    async fn ensure_group(&self, call: Call, spec: &GroupSpec) -> Result<(), EngineError>;

    /// Sets which instances the group should have. Surplus ones, the highest slots first, are taken
    /// out of traffic, drained, then stopped. An instance with volumes starts once no other of its
    /// application, environment, process and slot is left.
    async fn resize_group(
        &self,
        call: Call,
        group: GroupId,
        slots: Slots,
    ) -> Result<(), EngineError>;

    /// What there is of one application in one environment, or of everything.
    async fn observe(
        &self,
        scope: Option<(&AppName, &EnvName)>,
    ) -> Result<Observation, EngineError>;

    /// Starts an identical instance, waits for it in the background, then drains and stops the
    /// given one. Asking again while that is under way is already so.
    async fn replace_instance(&self, call: Call, instance: InstanceId) -> Result<(), EngineError>;

    /// Takes the group's instances out of traffic, drains and stops them, then forgets the group.
    /// Returns once that is desired; it is done when `observe` no longer shows the group.
    async fn remove_group(&self, call: Call, group: GroupId) -> Result<(), EngineError>;

    /// The instances of an application in an environment that ended, the latest first: as many as
    /// are remembered.
    async fn ended(&self, app: &AppName, env: &EnvName) -> Result<Vec<EndedInstance>, EngineError>;

    /// The most memory that instances of an application in an environment ever used, by process and
    /// release: of the last few releases, in no order. Nothing where the engine cannot tell.
    async fn peaks(&self, app: &AppName, env: &EnvName) -> Result<Vec<MemoryPeak>, EngineError>;

    /// What is not as this engine's own records say: instances, their files and limits, what carries
    /// their traffic. Looks and changes nothing. What is in motion is no drift: a difference is told
    /// once it has stood for a moment. Sorted.
    async fn drift(&self, depth: Depth) -> Result<Vec<Drift>, EngineError>;

    /// What instances in an environment have kept, whether anybody has it now or not, each with the
    /// instance that does. Sorted.
    ///
    /// # Errors
    /// When it cannot be looked at.
    async fn volumes(
        &self,
        env: &EnvName,
    ) -> Result<Vec<(KeptVolume, Option<InstanceId>)>, EngineError> {
        let _ = env;
        Ok(Vec::new())
    }

    /// Removes a volume with all that it holds; already gone is as good.
    ///
    /// # Errors
    /// When an instance has it, or it cannot be removed.
    async fn remove_volume(&self, volume: &KeptVolume) -> Result<(), EngineError> {
        let _ = volume;
        Ok(())
    }

    /// The log lines of instances, those that are gone included as long as they are kept.
    async fn logs(&self, query: LogQuery) -> Result<LogStream, EngineError>;
}
