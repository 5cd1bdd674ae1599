//! What an engine sees.

use kiln_names::{ByteSize, GroupId, GroupName, InstanceId, ProcessName, ReleaseId};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// What there is, and how old that knowledge is.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The groups, in no order.
    pub groups: Vec<ObservedGroup>,
    /// How long ago the provider said so.
    pub age: Duration,
}

impl Observation {
    /// The group of the given id, if there is one.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&ObservedGroup> {
        self.groups.iter().find(|group| group.id == id)
    }
}

/// One group as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedGroup {
    /// Its identity.
    pub id: GroupId,
    /// How many instances it should have.
    pub desired: u32,
    /// Whether it is on its way out.
    pub removing: bool,
    /// Its instances, by slot; those that exited stay until they are replaced.
    pub instances: Vec<ObservedInstance>,
    /// Set when instances keep exiting before their first passing check, or one was stopped because
    /// it did not pass that in time.
    pub crash_loop: Option<CrashLoop>,
}

impl ObservedGroup {
    /// How many instances are healthy.
    #[must_use]
    pub fn healthy(&self) -> usize {
        self.instances.iter().filter(|i| i.state == InstanceState::Healthy).count()
    }
}

/// One instance as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedInstance {
    /// Its identity.
    pub id: InstanceId,
    /// Its ordinal within the group, from 0.
    pub slot: u32,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Where it listens, for a process with a port.
    pub address: Option<SocketAddr>,
    /// The last answer of its check, for people.
    pub last_check: Option<String>,
    /// How it ended, once it has.
    pub exit: Option<Exit>,
    /// When it was started, in milliseconds since 1970.
    pub started_ms: Option<u64>,
    /// What it uses, where the engine can tell.
    pub usage: Option<Usage>,
}

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Asked for, not started yet.
    Pending,
    /// Started, its start-up check has not passed yet.
    Starting,
    /// Its check passes; without a check: it runs.
    Healthy,
    /// Its check fails, or its start-up deadline passed.
    Unhealthy,
    /// Out of traffic, finishing what it had begun.
    Draining,
    /// It ended.
    Exited,
}

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for using more memory than its limit.
    pub out_of_memory: bool,
    /// All of that in words: "exited with code 1", "out of memory (limit 512MiB)".
    pub cause: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The most memory it ever used, where that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_peak: Option<ByteSize>,
}

/// An instance that ended, as far as that is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedInstance {
    /// Its group, which may be gone.
    pub group: GroupId,
    /// That group's name.
    pub group_name: GroupName,
    /// The instance as it was last.
    pub instance: ObservedInstance,
}

/// What the instances of one process of one release used at most: of all that run and ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPeak {
    /// The process.
    pub process: ProcessName,
    /// The release.
    pub release: ReleaseId,
    /// The most that any one of them had at once.
    pub peak: ByteSize,
    /// The highest limit at which the kernel killed a process of theirs for memory.
    pub too_small: Option<ByteSize>,
    /// When that was last measured, in milliseconds since 1970.
    pub last_ms: u64,
}

/// Instances do not come to their first passing check: three exits in a row, or a start whose time
/// ran out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashLoop {
    /// How many exits in a row.
    pub exits: u32,
    /// How the last one ended.
    pub last: Exit,
    /// Which instance that was; its log tells more.
    pub instance: InstanceId,
}

/// What an instance uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Memory in use.
    pub memory: ByteSize,
    /// The most memory it ever used.
    pub memory_peak: ByteSize,
    /// How many of its processes the kernel killed for memory.
    pub out_of_memory: u64,
    /// Processor time, in thousandths of a processor, since it was last looked at.
    pub cpu_millis: Option<u64>,
}
