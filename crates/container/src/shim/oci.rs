//! The spec in the words of the Open Container Initiative, which `libcontainer` reads.

use super::rlimits;
use super::stage::{MountPoint, Stage};
use crate::spec::{InstanceSpec, Limits, SECRETS_DIR, Volume};
use kiln_init::RUN_DIR;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What the kernel shows of the machine and an instance need not know.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// What it may know but not change.
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const NAMESPACES: [&str; 5] = ["pid", "mount", "ipc", "uts", "cgroup"];
/// Files of `/etc` that come from the host and the spec.
const FILES: [&str; 3] = ["resolv.conf", "hosts", "hostname"];

/// The whole document. It names no network namespace and no limits: the container is born into the
/// shim's namespace and into the control group that the shim has joined.
pub(super) fn document(spec: &InstanceSpec, stage: &Stage) -> Value {
    let capabilities: Vec<String> =
        spec.capabilities.iter().map(|name| format!("CAP_{name}")).collect();
    let namespaces = NAMESPACES.map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "hostname": spec.hostname,
        "root": {"path": stage.root(), "readonly": spec.root.writable.is_none()},
        "process": {
            "user": {"uid": spec.user.uid, "gid": spec.user.gid, "umask": 0o022},
            "args": spec.command,
            "env": [],
            "cwd": spec.cwd,
            "noNewPrivileges": true,
            "rlimits": rlimits::granted(&spec.rlimits),
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
                "inheritable": capabilities,
                "ambient": capabilities,
            },
        },
        "mounts": mounts(spec, stage),
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        },
    })
}

/// Where something will be mounted, in the order of mounting.
pub(super) fn mount_points(spec: &InstanceSpec) -> Vec<MountPoint> {
    let directories = ["/proc", "/sys", "/dev", "/tmp"].map(PathBuf::from).into_iter();
    // Where the command starts may be named by an image that does not have it.
    let start = Some(spec.cwd.clone()).filter(|cwd| cwd.as_os_str() != "/");
    let volumes = spec.volumes.iter().map(|volume| volume.path.clone());
    let directories = directories.chain(start).chain(writable(spec)).chain(volumes);
    let files = FILES.map(|name| MountPoint::File(Path::new("/etc").join(name)));
    let run = needs_run(spec).then(|| MountPoint::Directory(RUN_DIR.into()));
    directories.map(MountPoint::Directory).chain(files).chain(run).collect()
}

/// Parents first, or a parent would hide what was mounted in it.
fn writable(spec: &InstanceSpec) -> Vec<PathBuf> {
    let mut places = spec.writable.clone();
    places.sort_by_key(|place| place.components().count());
    places.dedup();
    places
}

/// A step of a bake has no settings, and what it writes to `/run/kiln` is its own business.
fn needs_run(spec: &InstanceSpec) -> bool {
    spec.root.writable.is_none()
}

fn mounts(spec: &InstanceSpec, stage: &Stage) -> Vec<Value> {
    let mut mounts = kernel_mounts();
    let owner = format!("uid={},gid={}", spec.user.uid, spec.user.gid);
    let memory = |path: &Path, mode: &str| tmpfs(path, &format!("{mode},{owner}"), &spec.limits);
    mounts.push(tmpfs(Path::new("/tmp"), "mode=1777", &spec.limits));
    mounts.extend(writable(spec).iter().map(|place| memory(place, "mode=0755")));
    // Their data do not count as memory, and nothing in them can be run as somebody else.
    let volume = |it: &Volume| bound(&it.source, &it.path, &["rw", "nosuid", "nodev"]);
    mounts.extend(spec.volumes.iter().map(volume));
    mounts.extend(FILES.map(|name| bind(&stage.file(name), &Path::new("/etc").join(name))));
    if needs_run(spec) {
        mounts.push(memory(Path::new(RUN_DIR), "mode=0755"));
    }
    if spec.init.is_some() {
        mounts.push(bind(&stage.file("spec"), Path::new(kiln_init::SPEC_PATH)));
    }
    if !spec.secrets.is_empty() {
        mounts.push(bind(&stage.secrets(), Path::new(SECRETS_DIR)));
    }
    mounts
}

fn kernel_mounts() -> Vec<Value> {
    let mount = |kind: &str, at: &str, options: &[&str]| json!({"type": kind, "source": kind, "destination": at, "options": options});
    vec![
        mount("proc", "/proc", &["nosuid", "noexec", "nodev"]),
        mount("sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
        mount("tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=64k"]),
        mount("devpts", "/dev/pts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666"]),
        mount("tmpfs", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=64m"]),
        mount("mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"]),
    ]
}

/// Memory is counted in the instance's limit anyway; the size makes a full disk of it before it
/// becomes an instance without memory.
fn tmpfs(at: &Path, options: &str, limits: &Limits) -> Value {
    let mut options: Vec<String> = options.split(',').map(str::to_owned).collect();
    options.extend(["nosuid", "nodev"].map(str::to_owned));
    options.extend(limits.memory.map(|memory| format!("size={}", memory.0)));
    json!({"type": "tmpfs", "source": "tmpfs", "destination": at, "options": options})
}

fn bind(from: &Path, at: &Path) -> Value {
    bound(from, at, &["ro", "nosuid", "nodev", "noexec"])
}

fn bound(from: &Path, at: &Path, options: &[&str]) -> Value {
    let options = [&["bind"], options].concat();
    json!({"type": "bind", "source": from, "destination": at, "options": options})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(writable: &[&str], bake: bool) -> InstanceSpec {
        let layer = bake.then(|| json!({"upper": "/u", "work": "/w"}));
        serde_json::from_value(json!({"v": 1, "install": "00ab1f", "instance": "0123456789ab",
            "root": {"lower": ["/x"], "writable": layer}, "command": ["x"],
            "user": {"uid": 7, "gid": 8}, "hostname": "h", "network": "host", "limits": {},
            "writable": writable}))
        .unwrap()
    }

    #[test]
    fn writable_places_are_mounted_parents_first() {
        let spec = spec(&["/var/cache/a/b", "/var", "/var/cache", "/var"], false);
        let shown: Vec<_> = writable(&spec).iter().map(|it| it.display().to_string()).collect();
        assert_eq!(shown, ["/var", "/var/cache", "/var/cache/a/b"]);
    }

    #[test]
    fn settings_come_last_and_not_into_bakes() {
        let run = MountPoint::Directory(RUN_DIR.into());
        assert_eq!(mount_points(&spec(&["/run"], false)).last(), Some(&run));
        assert!(!mount_points(&spec(&[], true)).contains(&run));
    }

    #[test]
    fn memory_for_files_is_bounded_by_the_limit() {
        let limits = Limits { memory: Some(kiln_names::ByteSize(4096)), ..Limits::default() };
        let mount = tmpfs(Path::new("/tmp"), "mode=1777", &limits);
        assert_eq!(mount["options"], json!(["mode=1777", "nosuid", "nodev", "size=4096"]));
    }
}
