//! What an installation has left on the machine: processes, mounts, interfaces, rules, control
//! groups and files outside its data directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is left, each with its name; empty when all is clean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaks {
    processes: Vec<i32>,
    mounts: Vec<String>,
    interfaces: Vec<String>,
    tables: Vec<String>,
    directories: Vec<PathBuf>,
}

impl Leaks {
    /// Looks for everything that installation `install` on `data` could have left.
    #[must_use]
    pub fn of(install: &str, data: &Path) -> Self {
        if install.is_empty() {
            return Self::default();
        }
        let mut directories = Self::control_groups(install);
        directories.push(Path::new("/run/kiln").join(install));
        directories.retain(|path| path.exists());
        Self {
            processes: Self::processes(install, data),
            mounts: Self::mounts(data),
            interfaces: interfaces(install),
            tables: tables(install),
            directories,
        }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The processes that were started from `data`, or that run in the installation's groups.
    #[must_use]
    pub(crate) fn processes(install: &str, data: &Path) -> Vec<i32> {
        let group = format!("/kiln/{install}");
        let data = data.to_string_lossy();
        let ours = |pid: &i32| {
            read(*pid, "cmdline").contains(&*data) || read(*pid, "cgroup").contains(&group)
        };
        let this = i32::try_from(std::process::id()).unwrap_or(0);
        pids().filter(|pid| *pid != this).filter(ours).collect()
    }

    /// The processes that run as instances, by instance.
    pub(crate) fn instance_processes(install: &str) -> BTreeMap<String, Vec<i32>> {
        let prefix = format!("/kiln/{install}/i-");
        let mut found: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for pid in pids() {
            let groups = read(pid, "cgroup");
            // In a hybrid machine the shim stands in one hierarchy beside its instance.
            let mut own =
                groups.lines().filter(|line| line.contains(":memory:") || line.contains(":pids:"));
            let group = own.find_map(|line| line.split_once(&prefix)).or_else(|| {
                let unified = groups.lines().find(|line| line.starts_with("0::"))?;
                (groups.lines().count() == 1).then(|| unified.split_once(&prefix)).flatten()
            });
            if let Some((_, instance)) = group {
                found.entry(instance.to_owned()).or_default().push(pid);
            }
        }
        found
    }

    /// What is mounted below `data`.
    pub(crate) fn mounts(data: &Path) -> Vec<String> {
        let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let below = format!("{}/", data.display());
        let points = all.lines().filter_map(|line| line.split(' ').nth(4));
        points.filter(|point| point.starts_with(&below)).map(str::to_owned).collect()
    }

    /// Where the installation's control groups would be, one for each hierarchy.
    pub(crate) fn control_groups(install: &str) -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = names(root).map(|name| root.join(name)).chain([root.to_owned()]);
        hierarchies.map(|mount| mount.join("kiln").join(install)).collect()
    }

    /// The shims that run from `data`, by instance.
    pub(crate) fn shims(data: &Path) -> BTreeMap<String, i32> {
        let place = format!("{}/", data.join("instances").display());
        let shim = |pid: i32| {
            let line = read(pid, "cmdline");
            let mut words = line.split('\0').skip(1);
            let instance = words.next().filter(|word| *word == "shim").and(words.next())?;
            Some((instance.strip_prefix(&place)?.to_owned(), pid))
        };
        pids().filter_map(shim).collect()
    }

    /// Removes what would disturb others, after a test has failed.
    pub(crate) fn remove(&self) {
        self.processes.iter().copied().for_each(crate::kiln::kill);
        for mount in self.mounts.iter().rev() {
            run("umount", &["-l", mount]);
        }
        for interface in &self.interfaces {
            run("ip", &["link", "delete", interface]);
        }
        for table in &self.tables {
            let words: Vec<&str> = table.split(' ').collect();
            run("nft", &[&["delete"], words.as_slice()].concat());
        }
        for directory in &self.directories {
            remove_tree(directory);
        }
    }
}

impl std::fmt::Display for Leaks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for pid in &self.processes {
            writeln!(f, "left: process {pid}: {}", read(*pid, "cmdline").replace('\0', " "))?;
        }
        for (kind, names) in
            [("mount", &self.mounts), ("interface", &self.interfaces), ("rules", &self.tables)]
        {
            for name in names {
                writeln!(f, "left: {kind} {name}")?;
            }
        }
        self.directories.iter().try_for_each(|path| writeln!(f, "left: {}", path.display()))
    }
}

fn pids() -> impl Iterator<Item = i32> {
    names(Path::new("/proc")).filter_map(|name| name.parse().ok())
}

fn read(pid: i32, file: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn interfaces(install: &str) -> Vec<String> {
    let prefixes = [format!("kn{install}"), format!("kv{install}")];
    let ours = |name: &String| prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
    names(Path::new("/sys/class/net")).filter(ours).collect()
}

fn tables(install: &str) -> Vec<String> {
    let listed = Command::new("nft").args(["list", "tables"]).output();
    let text = listed.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().filter(|line| line.contains(install)).map(str::to_owned).collect()
}

fn run(program: &str, arguments: &[&str]) {
    // Whatever does not work stays, and the report has named it.
    Command::new(program).args(arguments).output().ok();
}

/// Control groups are removed from the leaves up; their files go with them.
fn remove_tree(directory: &Path) {
    for name in names(directory) {
        let path = directory.join(name);
        if path.is_dir() {
            remove_tree(&path);
        } else if directory.starts_with("/run") {
            std::fs::remove_file(&path).ok();
        }
    }
    std::fs::remove_dir(directory).ok();
}
