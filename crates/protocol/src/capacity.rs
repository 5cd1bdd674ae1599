//! What an engine has, has promised, and has left, on the wire.

use kiln_names::{AppName, ByteSize, EnvName, ProcessName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The capacity of one engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capacity {
    /// The environments that it runs.
    pub environments: Vec<EnvName>,
    /// Memory, in bytes.
    pub memory: Amount,
    /// Processor time, in thousandths of a processor. Unlike memory it may be promised twice.
    pub cpu_millis: Amount,
    /// Memory in use on the machine by everything there, where that can be told.
    pub machine_used: Option<ByteSize>,
    /// What takes the most more while it is swapped, as `APP in ENV`.
    pub highest: Option<String>,
    /// What each process has of it.
    pub parts: Vec<Portion>,
}

/// How much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Amount {
    /// All there is.
    pub total: u64,
    /// What limits promise now.
    pub promised: u64,
    /// What of that is promised to warm groups, which make room for new ones.
    pub spare: u64,
    /// What is promised while what takes the most more is swapped, old and new side by side.
    pub at_height: u64,
    /// What instances really use.
    pub used: u64,
    /// What can still be promised: what the planner of a deployment counts with.
    pub left: u64,
}

/// What one process of an application in an environment has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Portion {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The process.
    pub process: ProcessName,
    /// How many instances run, those of warm groups included.
    pub instances: u64,
    /// The memory that each may use.
    pub limit: ByteSize,
    /// The memory promised to all of them.
    pub promised: ByteSize,
    /// What of that is promised to warm ones.
    pub spare: ByteSize,
    /// The memory promised while it is swapped.
    pub at_height: ByteSize,
    /// The memory that all of them use.
    pub used: ByteSize,
    /// The most memory that one instance of its last releases used at once.
    pub peak: Option<ByteSize>,
    /// The processor time that each may use, in thousandths of a processor.
    pub cpu_millis: u64,
    /// The processor time promised to all of them.
    pub cpu_promised_millis: u64,
    /// The processor time promised while it is swapped.
    pub cpu_at_height_millis: u64,
    /// The processor time that all of them use.
    pub cpu_used_millis: u64,
    /// How many more instances of it fit.
    pub fits: u64,
}
