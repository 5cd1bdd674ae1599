//! What runs, on the wire.

use crate::Timestamp;
use crate::deployment::DeploymentSummary;
use kiln_names::{
    AppName, ByteSize, CommitId, Digest, EnvName, GroupName, InstanceId, ProcessName, ReleaseId,
    Route,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// That Kiln works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// The version of the program that serves.
    pub version: String,
    /// Which Kiln it is.
    pub install: kiln_names::InstallId,
    /// Where the API listens over TCP, which is where git finds the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub address: Option<std::net::SocketAddr>,
}

/// An application in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The release that is active.
    pub release: Option<ReleaseId>,
    /// Its image.
    pub image: Option<Digest>,
    /// A name of that image, as `APP:VERSION`.
    pub version: Option<String>,
    /// Its configuration.
    pub config: Option<CommitId>,
    /// Since when it is active.
    pub since: Option<Timestamp>,
    /// The deployment that is in progress or waits for a person, else the last one.
    pub deployment: Option<DeploymentSummary>,
    /// The groups, the newest first.
    pub groups: Vec<Group>,
    /// The memory of each process that is active, as far as it was measured.
    #[serde(default)]
    pub memory: Vec<ProcessMemory>,
    /// What takes a part of its requests outside Kiln.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<ExternalGroup>,
}

/// Addresses outside Kiln that take a part of a process's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExternalGroup {
    /// The process.
    pub process: ProcessName,
    /// Their part of its requests, in percent.
    pub weight: u32,
    /// Each address, and how the router finds it.
    pub addresses: Vec<ExternalAddress>,
}

/// An address outside Kiln.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExternalAddress {
    /// Where it is.
    #[schema(value_type = String)]
    pub address: std::net::SocketAddr,
    /// Whether the router sends requests to it.
    pub healthy: bool,
    /// The last check's answer, once there was one.
    pub last_check: Option<String>,
}

/// What a process may use of memory, what it used, and what would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProcessMemory {
    /// The process.
    pub process: ProcessName,
    /// What each instance may use.
    pub limit: ByteSize,
    /// The most that one used at once: of those of the last day, or of the active release where that
    /// is active for longer. Caches of files and what is written to `/tmp` count.
    pub peak: ByteSize,
    /// The highest limit at which the kernel killed one for memory in that time.
    pub too_small: Option<ByteSize>,
    /// The limit that is suggested: a quarter more than the peak, and more than was too small.
    pub suggested: ByteSize,
    /// What that says of the limit.
    pub verdict: MemoryVerdict,
}

/// What the peak says of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryVerdict {
    /// It leaves enough and not too much.
    Fits,
    /// It is over twice the peak.
    TooLarge,
    /// It is under 1.1 times the peak, or the kernel killed for it.
    TooSmall,
}

/// A server group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// What it runs.
    pub process: ProcessName,
    /// Its release.
    pub release: ReleaseId,
    /// A name of that release's image, as `APP:VERSION`.
    pub version: Option<String>,
    /// Where it is in its life.
    pub state: GroupState,
    /// How many instances it should have.
    pub size: u32,
    /// How many are healthy.
    pub healthy: u32,
    /// The most memory that one of its instances uses now.
    #[serde(default)]
    pub memory: Option<ByteSize>,
    /// The most that one of those ever used.
    #[serde(default)]
    pub memory_peak: Option<ByteSize>,
    /// The memory that each may use.
    #[serde(default)]
    pub memory_limit: Option<ByteSize>,
    /// Its share of the cluster's traffic, in percent; none for a process without routes.
    pub weight: Option<u32>,
    /// The requests that it works on, where it has no share or some of its instances drain; none
    /// where nobody counts.
    #[serde(default)]
    pub in_flight: Option<u64>,
    /// Where its cluster is reached.
    pub routes: Vec<Route>,
    /// Until when it is kept, if it is to be removed.
    pub kept_until: Option<Timestamp>,
}

/// Where a group is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupState {
    /// Its instances start.
    Starting,
    /// Its instances are healthy and have no traffic yet.
    Ready,
    /// It has the traffic.
    Active,
    /// It had the traffic and is kept to take it back.
    Warm,
    /// It finishes what it had begun.
    Draining,
    /// It was removed.
    Gone,
}

impl GroupState {
    /// As it stands in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Active => "active",
            Self::Warm => "warm",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }
}

/// One running copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its group.
    pub group: GroupName,
    /// What it runs; unknown of an instance whose group is forgotten.
    #[serde(default)]
    pub process: Option<ProcessName>,
    /// Its ordinal within the group.
    pub slot: u32,
    /// `pending`, `starting`, `healthy`, `unhealthy`, `draining` or `exited`.
    pub state: String,
    /// Where it listens.
    pub address: Option<String>,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// The last answer of its check.
    pub last_check: Option<String>,
    /// How it ended, in words.
    pub exit: Option<String>,
    /// Whether the kernel killed a process of it for memory.
    #[serde(default)]
    pub out_of_memory: bool,
    /// When it ended.
    #[serde(default)]
    pub ended: Option<Timestamp>,
    /// Memory in use.
    pub memory: Option<ByteSize>,
    /// The most memory that it ever used, as the kernel counted.
    #[serde(default)]
    pub memory_peak: Option<ByteSize>,
    /// The memory that it may use.
    #[serde(default)]
    pub memory_limit: Option<ByteSize>,
}

/// A line of an instance's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// The instance that wrote it.
    pub instance: InstanceId,
    /// Its group.
    pub group: GroupName,
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// `stdout` or `stderr`.
    pub source: String,
    /// The line, without its end.
    pub text: String,
}
