//! One mounted hierarchy of control groups, v1 or v2.

use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::path::{Path, PathBuf};

/// Which of the kernel's two interfaces a hierarchy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    mount: PathBuf,
    pub(super) version: Version,
    controllers: Vec<String>,
    /// Whether shims and instances are put into it.
    pub(super) joined: bool,
}

/// The controllers that instances are limited by.
const WANTED: [&str; 3] = ["cpu", "memory", "pids"];
/// The period over which processor time is shared out, in microseconds: the kernel's own default.
const CPU_PERIOD: u64 = 100_000;

/// Every hierarchy mounted on this machine.
pub(super) fn detect() -> io::Result<Vec<Hierarchy>> {
    let mut found = parse(&std::fs::read_to_string("/proc/self/mountinfo")?);
    for hierarchy in found.iter_mut().filter(|it| it.version == Version::V2) {
        let controllers = std::fs::read_to_string(hierarchy.mount.join("cgroup.controllers"))?;
        hierarchy.controllers = controllers.split_ascii_whitespace().map(str::to_owned).collect();
    }
    let own = std::fs::read_to_string("/proc/self/cgroup")?;
    let unified_root = own.lines().any(|line| line == "0::/");
    for hierarchy in &mut found {
        hierarchy.joined = hierarchy.is_of_use(unified_root);
    }
    Ok(found)
}

/// Reads lines such as `29 28 0:25 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids`. In v1 the
/// controllers stand among the options of the file system, with others that do no harm.
fn parse(mountinfo: &str) -> Vec<Hierarchy> {
    let read = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let mount = PathBuf::from(place.split(' ').nth(4)?);
        let mut kind = kind.split(' ');
        let version = match kind.next()? {
            "cgroup" => Version::V1,
            "cgroup2" => Version::V2,
            _ => return None,
        };
        let options = kind.nth(1).filter(|_| version == Version::V1).unwrap_or_default();
        let controllers = options.split(',').map(str::to_owned).collect();
        Some(Hierarchy { mount, version, controllers, joined: true })
    };
    let mut found: Vec<Hierarchy> = mountinfo.lines().filter_map(read).collect();
    // A hierarchy mounted twice is one hierarchy.
    found.dedup_by(|a, b| a.version == b.version && a.controllers == b.controllers);
    found
}

impl Hierarchy {
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|it| it == controller)
    }

    /// Two are of none. `cpuset` of v1 cannot be joined before its processors are copied from above,
    /// and nothing of ours limits processors by number. A v2 hierarchy without controllers serves to
    /// be out of reach of a service manager that kills its units by it; in the root group nothing
    /// does, and joining takes the kernel ten milliseconds.
    fn is_of_use(&self, unified_root: bool) -> bool {
        match self.version {
            Version::V1 => !self.has("cpuset"),
            Version::V2 => !unified_root || WANTED.iter().any(|controller| self.has(controller)),
        }
    }

    /// Whether anything is limited by it.
    pub(super) fn limits(&self) -> bool {
        WANTED.iter().any(|controller| self.has(controller))
    }

    /// Where the group is found.
    pub(super) fn at(&self, group: &Path) -> PathBuf {
        self.mount.join(group.strip_prefix("/").unwrap_or(group))
    }

    /// Makes the group. In v2 each ancestor has to hand its controllers down first.
    pub(super) fn create(&self, group: &Path) -> io::Result<()> {
        if self.version == Version::V2 {
            let ancestors: Vec<&Path> = group.ancestors().skip(1).collect();
            for ancestor in ancestors.into_iter().rev() {
                std::fs::create_dir_all(self.at(ancestor))?;
                self.hand_down(ancestor)?;
            }
        }
        std::fs::create_dir_all(self.at(group))
    }

    fn hand_down(&self, group: &Path) -> io::Result<()> {
        let wanted = WANTED.iter().filter(|controller| self.has(controller));
        let wanted: Vec<String> = wanted.map(|controller| format!("+{controller}")).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.write(group, "cgroup.subtree_control", &wanted.join(" "))
    }

    /// Moves the calling process, which has one thread. Moving oneself as a thread spares the lock
    /// on every fork of the machine, and with it a wait for all processors that takes longer than the
    /// rest of starting an instance; v2 does not allow it.
    pub(super) fn join(&self, group: &Path) -> io::Result<()> {
        match self.version {
            Version::V1 => self.write(group, "tasks", "0"),
            Version::V2 => self.write(group, "cgroup.procs", "0"),
        }
    }

    /// In v1 memory and swap are limited together, and only where the kernel counts swap.
    pub(super) fn limit_memory(&self, group: &Path, bytes: u64) -> io::Result<()> {
        let bytes = bytes.to_string();
        let (limit, swap, at_most) = match self.version {
            Version::V1 => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", &*bytes),
            Version::V2 => ("memory.max", "memory.swap.max", "0"),
        };
        self.write(group, limit, &bytes)?;
        if self.at(group).join(swap).exists() {
            self.write(group, swap, at_most)?;
        }
        Ok(())
    }

    pub(super) fn limit_cpu(&self, group: &Path, millis: u32) -> io::Result<()> {
        let quota = u64::from(millis) * CPU_PERIOD / 1_000;
        match self.version {
            Version::V1 => {
                self.write(group, "cpu.cfs_period_us", &CPU_PERIOD.to_string())?;
                self.write(group, "cpu.cfs_quota_us", &quota.to_string())
            }
            Version::V2 => self.write(group, "cpu.max", &format!("{quota} {CPU_PERIOD}")),
        }
    }

    /// Kills what is in the group now and beneath it, all but `spared`. In v2 the kernel kills a whole
    /// group as one step; otherwise it is frozen first where that is possible, so that nothing forks
    /// away meanwhile.
    pub(super) fn kill(&self, group: &Path, spared: Option<Pid>) {
        let whole = self.version == Version::V2 && spared.is_none();
        if whole && self.write(group, "cgroup.kill", "1").is_ok() {
            return;
        }
        let doomed = || {
            let all = self.processes(group).into_iter().filter_map(Pid::from_raw);
            all.filter(|pid| Some(*pid) != spared).collect::<Vec<_>>()
        };
        if doomed().is_empty() {
            return;
        }
        let frozen = self.freezer().filter(|(file, on, _)| self.write(group, file, on).is_ok());
        for pid in doomed() {
            // Gone already is as good.
            let _gone = kill_process(pid, Signal::KILL);
        }
        if let Some((file, _, off)) = frozen {
            // Thawed or removed meanwhile: either way nothing stays frozen.
            let _thawed = self.write(group, file, off);
        }
    }

    /// The file that freezes a group, what to write to freeze it, and what to thaw it.
    fn freezer(&self) -> Option<(&'static str, &'static str, &'static str)> {
        match self.version {
            Version::V1 => self.has("freezer").then_some(("freezer.state", "FROZEN", "THAWED")),
            Version::V2 => Some(("cgroup.freeze", "1", "0")),
        }
    }

    /// The processes in the group and in those beneath it.
    pub(super) fn processes(&self, group: &Path) -> Vec<i32> {
        let groups = self.beneath(group).into_iter().chain([group.to_owned()]);
        let texts = groups.map(|it| std::fs::read_to_string(self.at(&it).join("cgroup.procs")));
        let numbers = |text: io::Result<String>| {
            let text = text.unwrap_or_default();
            text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>()
        };
        texts.flat_map(numbers).collect()
    }

    /// The groups right beneath the group.
    pub(super) fn beneath(&self, group: &Path) -> Vec<PathBuf> {
        // Not there: nothing is beneath it.
        let entries = std::fs::read_dir(self.at(group)).into_iter().flatten().flatten();
        let groups = entries.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()));
        groups.map(|it| group.join(it.file_name())).collect()
    }

    pub(super) fn remove(&self, group: &Path) -> io::Result<()> {
        match std::fs::remove_dir(self.at(group)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(named(&error, self, group))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, group: &Path, file: &str, text: &str) -> io::Result<()> {
        let path = self.at(group).join(file);
        std::fs::write(&path, text).map_err(|error| named(&error, self, &group.join(file)))
    }
}

/// The kernel's error alone does not say which of a dozen hierarchies it is about.
fn named(error: &io::Error, hierarchy: &Hierarchy, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", hierarchy.at(path).display()))
}

/// `QUOTA PERIOD` in thousandths of a processor; none without a quota.
pub(super) fn cpu_millis(text: &str) -> Option<u32> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    u32::try_from((quota * 1000).checked_div(period)?).ok()
}

/// The number behind `name` in lines of `name number`.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_among_other_mounts() {
        let found = parse(
            "22 1 0:20 / /proc rw,relatime - proc proc rw\n\
             30 26 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             31 26 0:28 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,name=systemd\n\
             32 26 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        assert_eq!(found.len(), 3);
        assert!(found[0].has("cpu") && found[0].has("cpuacct") && !found[0].has("memory"));
        assert!(found[1].has("name=systemd") && found[1].version == Version::V1);
        assert!(found[2].version == Version::V2 && !found[2].has("nsdelegate"));
        assert_eq!(found[2].at(Path::new("/kiln/x")), Path::new("/sys/fs/cgroup/unified/kiln/x"));
    }

    #[test]
    fn a_field_is_matched_by_its_whole_name() {
        let text = "oom 3\noom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        assert_eq!(field(text, "oom_kill"), Some(2));
        assert_eq!(field(text, "kill"), None);
    }
}
