//! The control groups of one install: `/kiln/INSTALL/shims` for the shims, `/kiln/INSTALL/i-ID` for
//! what each of them runs, in every hierarchy the machine has.
//!
//! Machines come with one hierarchy (v2), with one per controller (v1), or with both (hybrid: the
//! controllers in v1, an empty v2 beside them). What differs is kept in [`hierarchy`]; here every
//! operation goes over all of them.

mod hierarchy;
mod visit;

pub(crate) use visit::VisitGroup;

use crate::clock::poll_until;
use crate::spec::Limits;
use hierarchy::{Hierarchy, Version};
use kiln_names::{InstallId, InstanceId};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long killed processes may take to be gone. They die at once unless the kernel is busy with
/// them, in a write to a broken disk for example.
const DYING: Duration = Duration::from_secs(5);

/// The control groups of one install.
#[derive(Debug, Clone)]
pub struct Cgroups {
    install: InstallId,
    hierarchies: Vec<Hierarchy>,
}

/// What an instance uses now. `None` where the machine does not count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Memory in bytes, caches of files and tmpfs included.
    pub memory_bytes: Option<u64>,
    /// The most it had at once.
    pub memory_peak_bytes: Option<u64>,
    /// Processor time since its start.
    pub cpu: Option<Duration>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

impl Cgroups {
    /// Finds the machine's hierarchies. Changes nothing.
    ///
    /// # Errors
    /// When `/proc` cannot be read or no hierarchy is mounted.
    pub fn detect(install: InstallId) -> io::Result<Self> {
        let hierarchies = hierarchy::detect()?;
        if hierarchies.is_empty() {
            return Err(io::Error::other("no control group file system is mounted"));
        }
        Ok(Self { install, hierarchies })
    }

    /// Makes the groups that instances are put below, ready to limit them. Idempotent.
    ///
    /// # Errors
    /// When a hierarchy refuses.
    pub fn create_roots(&self) -> io::Result<()> {
        self.joined().try_for_each(|hierarchy| hierarchy.create(&self.path(SHIMS)))
    }

    /// What the instance uses; all `None` when it has no group.
    #[must_use]
    pub fn usage(&self, instance: &InstanceId) -> Usage {
        let group = self.path(&leaf(instance));
        let read = |controller, v1, v2| self.read(controller, &group, v1, v2);
        let memory = |v1, v2| read("memory", v1, v2).and_then(|text| text.trim().parse().ok());
        Usage {
            memory_bytes: memory("memory.usage_in_bytes", "memory.current"),
            memory_peak_bytes: memory("memory.max_usage_in_bytes", "memory.peak"),
            cpu: self.cpu(&group),
            pids: read("pids", "pids.current", "pids.current")
                .and_then(|text| text.trim().parse().ok()),
        }
    }

    /// The limits in force for the instance; `None` where there is none.
    #[must_use]
    pub fn limits(&self, instance: &InstanceId) -> Limits {
        let group = self.path(&leaf(instance));
        let read = |controller, v1, v2| self.read(controller, &group, v1, v2);
        let memory = read("memory", "memory.limit_in_bytes", "memory.max");
        let memory = memory.and_then(|text| text.trim().parse().ok());
        let pids = read("pids", "pids.max", "pids.max").and_then(|text| text.trim().parse().ok());
        let cpu = match read("cpu", "cpu.cfs_quota_us", "cpu.max") {
            Some(text) if text.trim().contains(' ') => Some(text),
            Some(quota) => read("cpu", "cpu.cfs_period_us", "cpu.max")
                .map(|period| format!("{} {}", quota.trim(), period.trim())),
            None => None,
        };
        // In v1 no limit is a number that no machine has.
        let memory = memory.filter(|bytes| *bytes < 1 << 62).map(kiln_names::ByteSize);
        Limits { memory, cpu_millis: cpu.as_deref().and_then(hierarchy::cpu_millis), pids }
    }

    /// The processes of the instance.
    #[must_use]
    pub fn members(&self, instance: &InstanceId) -> BTreeSet<i32> {
        let group = self.path(&leaf(instance));
        let limiting = self.joined().filter(|hierarchy| hierarchy.limits());
        limiting.flat_map(|hierarchy| hierarchy.processes(&group)).collect()
    }

    /// The processes among the shims.
    #[must_use]
    pub fn shims(&self) -> BTreeSet<i32> {
        let limiting = self.joined().filter(|hierarchy| hierarchy.limits());
        limiting.flat_map(|hierarchy| hierarchy.processes(&self.path(SHIMS))).collect()
    }

    /// Kills every process of the instance, and returns when none is left.
    ///
    /// # Errors
    /// When some are still there after five seconds.
    pub fn kill(&self, instance: &InstanceId) -> io::Result<()> {
        let group = self.path(&leaf(instance));
        let gone = || {
            self.hierarchies.iter().for_each(|hierarchy| hierarchy.kill(&group, None));
            self.processes(&group).is_empty()
        };
        if poll_until(DYING, gone) {
            return Ok(());
        }
        Err(io::Error::other(format!("processes {:?} do not die", self.processes(&group))))
    }

    /// Removes the instance's groups, and those of visits that were left in them. Idempotent.
    ///
    /// # Errors
    /// When processes are left in them.
    pub fn remove(&self, instance: &InstanceId) -> io::Result<()> {
        let group = self.path(&leaf(instance));
        for hierarchy in &self.hierarchies {
            for visit in hierarchy.beneath(&group) {
                // One that is busy keeps the group above from being removed, which says so.
                let _removed = hierarchy.remove(&visit);
            }
        }
        self.remove_group(&group)
    }

    /// Removes the install's groups. Idempotent.
    ///
    /// # Errors
    /// When instances or shims are left.
    pub fn remove_roots(&self) -> io::Result<()> {
        self.remove_group(&self.path(SHIMS))?;
        self.remove_group(&self.root())
    }

    /// The instances that have a group, whether anything runs in it or not.
    #[must_use]
    pub fn list(&self) -> BTreeSet<InstanceId> {
        let entries = self.hierarchies.iter().filter_map(|hierarchy| {
            std::fs::read_dir(hierarchy.at(&self.root())).ok() // Not there: nothing was started.
        });
        let names = entries.flatten().flatten().map(|entry| entry.file_name());
        names
            .filter_map(|name| InstanceId::parse(name.to_str()?.strip_prefix("i-")?).ok())
            .collect()
    }

    /// Makes the instance's group with its limits.
    pub(crate) fn create(&self, instance: &InstanceId, limits: &Limits) -> io::Result<()> {
        let group = self.path(&leaf(instance));
        self.joined().try_for_each(|hierarchy| hierarchy.create(&group))?;
        if let Some(memory) = limits.memory {
            self.limited("memory")?.limit_memory(&group, memory.0)?;
        }
        if let Some(millis) = limits.cpu_millis {
            self.limited("cpu")?.limit_cpu(&group, millis)?;
        }
        if let Some(pids) = limits.pids {
            self.limited("pids")?.write(&group, "pids.max", &pids.to_string())?;
        }
        Ok(())
    }

    /// Puts the calling process among the shims.
    pub(crate) fn join_shims(&self) -> io::Result<()> {
        self.joined().try_for_each(|hierarchy| hierarchy.join(&self.path(SHIMS)))
    }

    /// Puts the calling process, and what it starts from now on, into the instance's group.
    pub(crate) fn join(&self, instance: &InstanceId) -> io::Result<()> {
        self.joined().try_for_each(|hierarchy| hierarchy.join(&self.path(&leaf(instance))))
    }

    /// How many of the instance's processes the kernel killed for memory.
    #[must_use]
    pub fn oom_kills(&self, instance: &InstanceId) -> u64 {
        let group = self.path(&leaf(instance));
        let text = self.read("memory", &group, "memory.oom_control", "memory.events");
        text.and_then(|text| hierarchy::field(&text, "oom_kill")).unwrap_or(0)
    }

    fn cpu(&self, group: &Path) -> Option<Duration> {
        if let Some(text) = self.read("cpuacct", group, "cpuacct.usage", "cpu.stat") {
            return Some(Duration::from_nanos(text.trim().parse().ok()?));
        }
        let text = self.read("cpu", group, "cpu.stat", "cpu.stat")?;
        Some(Duration::from_micros(hierarchy::field(&text, "usage_usec")?))
    }

    fn processes(&self, group: &Path) -> BTreeSet<i32> {
        self.hierarchies.iter().flat_map(|hierarchy| hierarchy.processes(group)).collect()
    }

    fn remove_group(&self, group: &Path) -> io::Result<()> {
        let mut left = Ok(());
        let gone = || {
            left = self.hierarchies.iter().try_for_each(|hierarchy| hierarchy.remove(group));
            left.is_ok()
        };
        // A group stays busy for a moment after its last process has died.
        poll_until(DYING, gone);
        left
    }

    fn read(&self, controller: &str, group: &Path, v1: &str, v2: &str) -> Option<String> {
        let hierarchy = self.hierarchies.iter().find(|it| it.has(controller))?;
        let file = if hierarchy.version == Version::V1 { v1 } else { v2 };
        std::fs::read_to_string(hierarchy.at(group).join(file)).ok()
    }

    fn limited(&self, controller: &str) -> io::Result<&Hierarchy> {
        self.hierarchies.iter().find(|it| it.has(controller)).ok_or_else(|| {
            io::Error::other(format!("this machine has no control group controller {controller}"))
        })
    }

    /// Those that shims and instances are put into.
    fn joined(&self) -> impl Iterator<Item = &Hierarchy> {
        self.hierarchies.iter().filter(|hierarchy| hierarchy.joined)
    }

    fn root(&self) -> PathBuf {
        PathBuf::from(format!("/kiln/{}", self.install))
    }

    fn path(&self, leaf: &str) -> PathBuf {
        self.root().join(leaf)
    }
}

const SHIMS: &str = "shims";

fn leaf(instance: &InstanceId) -> String {
    format!("i-{instance}")
}
