//! What the kernel says of a container's first process while that still waits to become its command.
//! Whatever was asked for and is not there, for whatever reason, is a reason not to start.

use super::seccomp::Filters;
use crate::spec::{InstanceSpec, SECRETS_DIR, User};
use rustix::fs::{StatVfsMountFlags, statfs, statvfs};
use rustix::thread::CapabilitySet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What an instance could get out through.
#[derive(Debug, thiserror::Error)]
pub(super) enum Hole {
    #[error("the kernel could not be asked about it")]
    Unknown(#[source] io::Error),
    #[error("the kernel does not tell its {0}")]
    Untold(&'static str),
    #[error("{field} is {found} and not {expected}")]
    Field { field: &'static str, found: String, expected: String },
    #[error("{field} holds more than was asked for: {held:016x}")]
    Capabilities { field: &'static str, held: u64 },
    #[error("its {0} namespace is not the instance's")]
    Namespace(&'static str),
    #[error("its secrets are not on a file system in memory without rights")]
    SecretsMount,
    #[error("secret {name} is not a file for its user alone: mode {mode:o} of {uid}:{gid}")]
    Secret { name: String, mode: u32, uid: u32, gid: u32 },
}

/// The capabilities that the spec grants. A name that nobody knows grants nothing here, and is
/// refused where it is set.
pub(crate) fn capabilities(spec: &InstanceSpec) -> CapabilitySet {
    let named = spec.capabilities.iter().filter_map(|name| CapabilitySet::from_name(name));
    named.collect()
}

/// Compares the process with the spec.
pub(super) fn verify(pid: i32, spec: &InstanceSpec) -> Result<(), Hole> {
    let read = |of: &str| std::fs::read_to_string(format!("/proc/{of}/status"));
    let inherited = read("self").map_err(Hole::Unknown)?;
    let status = read(&pid.to_string()).map_err(Hole::Unknown)?;
    // The machine's own confinement of this process, if there is any, is inherited.
    let inherited: u32 = field(&inherited, "Seccomp_filters")?.parse().unwrap_or(0);
    let expected = Expected {
        user: spec.user,
        capabilities: capabilities(spec),
        filters: inherited + Filters::COUNT,
    };
    expected.compare(&status)
}

/// Compares the namespaces of the process with those that it is to share with another.
pub(super) fn namespaces(pid: i32, with: i32) -> Result<(), Hole> {
    let of = |pid: i32, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}"));
    ["mnt", "pid", "net", "ipc", "uts", "cgroup"].into_iter().try_for_each(|kind| {
        let same = of(pid, kind).and_then(|it| Ok(it == of(with, kind)?)).map_err(Hole::Unknown)?;
        same.then_some(()).ok_or(Hole::Namespace(kind))
    })
}

/// Looks at the secrets as the process will see them.
pub(super) fn secrets(pid: i32, spec: &InstanceSpec) -> Result<(), Hole> {
    if spec.secrets.is_empty() {
        return Ok(());
    }
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let dir = root.join(SECRETS_DIR.trim_start_matches('/'));
    if !is_closed_memory(&dir).map_err(Hole::Unknown)? {
        return Err(Hole::SecretsMount);
    }
    spec.secrets.keys().try_for_each(|name| {
        let found = std::fs::symlink_metadata(dir.join(name.as_str())).map_err(Hole::Unknown)?;
        let right = is_for(&found, spec.user);
        let (mode, uid, gid) = (found.mode(), found.uid(), found.gid());
        right.then_some(()).ok_or_else(|| Hole::Secret { name: name.to_string(), mode, uid, gid })
    })
}

/// Whether nothing there reaches a disk, runs, or can be changed.
fn is_closed_memory(dir: &Path) -> io::Result<bool> {
    const TMPFS: u64 = 0x0102_1994;
    let flags = statvfs(dir)?.f_flag;
    let closed = StatVfsMountFlags::NOSUID
        | StatVfsMountFlags::NODEV
        | StatVfsMountFlags::NOEXEC
        | StatVfsMountFlags::RDONLY;
    Ok(u64::try_from(statfs(dir)?.f_type) == Ok(TMPFS) && flags.contains(closed))
}

fn is_for(found: &Metadata, user: User) -> bool {
    let whole_mode = found.mode() & 0o7777;
    found.is_file() && whole_mode == 0o400 && (found.uid(), found.gid()) == (user.uid, user.gid)
}

/// What has to stand in the status.
struct Expected {
    user: User,
    capabilities: CapabilitySet,
    filters: u32,
}

impl Expected {
    fn compare(&self, status: &str) -> Result<(), Hole> {
        let all_four = |id: u32| [id; 4].map(|id| id.to_string()).join("\t");
        let fields = [
            ("NoNewPrivs", "1".to_owned()),
            ("Seccomp", "2".to_owned()),
            ("Seccomp_filters", self.filters.to_string()),
            ("Uid", all_four(self.user.uid)),
            ("Gid", all_four(self.user.gid)),
            ("Groups", String::new()),
        ];
        for (field_name, expected) in fields {
            let found = field(status, field_name)?.trim().to_owned();
            if found != expected {
                return Err(Hole::Field { field: field_name, found, expected });
            }
        }
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
            .into_iter()
            .try_for_each(|set| self.compare_capabilities(status, set))
    }

    fn compare_capabilities(&self, status: &str, set: &'static str) -> Result<(), Hole> {
        let held = u64::from_str_radix(field(status, set)?, 16).map_err(|_| Hole::Untold(set))?;
        match held & !self.capabilities.bits() {
            0 => Ok(()),
            _ => Err(Hole::Capabilities { field: set, held }),
        }
    }
}

fn field<'a>(status: &'a str, name: &'static str) -> Result<&'a str, Hole> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    line.ok_or(Hole::Untold(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "Name:\tx\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nGroups:\t \n\
        CapInh:\t0000000000000021\nCapPrm:\t0000000000000021\nCapEff:\t0000000000000021\n\
        CapBnd:\t0000000000000021\nCapAmb:\t0000000000000021\nNoNewPrivs:\t1\nSeccomp:\t2\n\
        Seccomp_filters:\t3\n";

    fn compare(status: &str) -> Result<(), String> {
        let expected = Expected {
            user: User { uid: 7, gid: 8 },
            capabilities: CapabilitySet::CHOWN | CapabilitySet::KILL,
            filters: 3,
        };
        expected.compare(status).map_err(|hole| hole.to_string())
    }

    #[test]
    fn walls_without_a_hole_are_accepted() {
        assert_eq!(compare(SOUND), Ok(()));
        let fewer = SOUND.replace("CapEff:\t0000000000000021", "CapEff:\t0000000000000001");
        assert_eq!(compare(&fewer), Ok(()), "less than was asked for is no hole");
    }

    #[test]
    fn a_secret_that_another_could_read_is_a_hole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "x").unwrap();
        let owner = std::fs::metadata(&path).unwrap();
        let user = User { uid: owner.uid(), gid: owner.gid() };
        let check = |mode: u32, user: User, expected: bool| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&path, mode).unwrap();
            assert_eq!(is_for(&std::fs::symlink_metadata(&path).unwrap(), user), expected);
        };
        check(0o400, user, true);
        for mode in [0o600, 0o440, 0o404, 0o4400, 0o500] {
            check(mode, user, false);
        }
        check(0o400, User { uid: user.uid + 1, ..user }, false);
        check(0o400, User { gid: user.gid + 1, ..user }, false);
        assert!(!is_for(&std::fs::metadata(dir.path()).unwrap(), user), "a directory is none");
        assert!(!is_closed_memory(dir.path()).unwrap(), "what can be written is not closed");
    }

    #[test]
    fn each_hole_is_named() {
        let check = |from: &str, to: &str, hole: &str| {
            assert_ne!(SOUND.replace(from, to), SOUND, "{from}");
            assert_eq!(compare(&SOUND.replace(from, to)), Err(hole.to_owned()));
        };
        check("NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivs is 0 and not 1");
        check("Seccomp:\t2", "Seccomp:\t0", "Seccomp is 0 and not 2");
        check("filters:\t3", "filters:\t2", "Seccomp_filters is 2 and not 3");
        check("Uid:\t7\t7", "Uid:\t7\t0", "Uid is 7\t0\t7\t7 and not 7\t7\t7\t7");
        check("Gid:\t8", "Gid:\t0", "Gid is 0\t8\t8\t8 and not 8\t8\t8\t8");
        check("Groups:\t ", "Groups:\t0 ", "Groups is 0 and not ");
        check("NoNewPrivs", "NoNew", "the kernel does not tell its NoNewPrivs");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            let line = |held| format!("{set}:\t{held}");
            let (sound, hole) = (line("0000000000000021"), line("0000000000200021"));
            check(&sound, &hole, &format!("{set} holds more than was asked for: 0000000000200021"));
        }
    }
}
