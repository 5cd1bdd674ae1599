//! What an instance is: everything the shim needs, frozen into `spec.json` before it starts.

use crate::network::Attachment;
use crate::record::{FILE_BYTES, read_file};
use kiln_init::InitSpec;
use kiln_names::{ByteSize, InstallId, InstanceId, SecretVersions, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// One instance, or one step of a bake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceSpec {
    /// The form of this spec: [`InstanceSpec::VERSION`].
    pub v: u32,
    /// Whose it is: names its cgroups and its network link.
    pub install: InstallId,
    /// Which one it is.
    pub instance: InstanceId,
    /// Its root file system.
    pub root: Root,
    /// What to run: a path, or a name looked up in `PATH` as `env` has it.
    pub command: Vec<String>,
    /// The whole environment of the command; `PATH` is added when it lacks one.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where the command starts.
    #[serde(default = "root_path")]
    pub cwd: PathBuf,
    /// Whom it runs as.
    pub user: User,
    /// Capabilities it keeps, without `CAP_`. None: it has none at all.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Places it may write to, each an empty file system in memory. `/tmp` always is one.
    #[serde(default)]
    pub writable: Vec<PathBuf>,
    /// Directories of the machine that it may write to, and that outlive it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// The machine's name as it sees it.
    pub hostname: String,
    /// How it reaches others.
    pub network: NetworkMode,
    /// What it may use.
    pub limits: Limits,
    /// Limits of each of its processes.
    #[serde(default = "Rlimit::defaults")]
    pub rlimits: Vec<Rlimit>,
    /// How it is asked to end.
    #[serde(default)]
    pub stop: Stop,
    /// What `kiln-init` reads at `/run/kiln/spec`; `None` for images that start without it.
    #[serde(default)]
    pub init: Option<InitSpec>,
    /// The secrets that it finds in [`SECRETS_DIR`]. Their values are not here: whoever launches it
    /// hands them over.
    #[serde(default, skip_serializing_if = "SecretVersions::is_empty")]
    pub secrets: SecretVersions,
    /// Where its output goes.
    #[serde(default)]
    pub output: Output,
}

/// Where an instance finds its secrets: a file each, in memory, for its user alone.
pub const SECRETS_DIR: &str = "/run/kiln/secrets";

/// The directories that make up a root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Unpacked layers, the base first. At least one.
    pub lower: Vec<PathBuf>,
    /// Where changes go. `None`: the root is read-only.
    #[serde(default)]
    pub writable: Option<WritableLayer>,
}

/// The layer that a step of a bake writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WritableLayer {
    /// Receives the changes, in overlayfs's form: whiteouts are character devices 0:0, and
    /// directories that hide what is below carry `trusted.overlay.opaque`.
    pub upper: PathBuf,
    /// An empty directory on the same file system, for overlayfs alone.
    pub work: PathBuf,
}

/// A directory of the machine's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Where it lies.
    pub source: PathBuf,
    /// Where the instance finds it.
    pub path: PathBuf,
}

/// A user by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group; there are no others.
    pub gid: u32,
}

/// How an instance reaches others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// The host's own network.
    Host,
    /// A network of its own with nothing but a loopback.
    Loopback,
    /// A network of its own, joined to a bridge.
    Isolated(Attachment),
}

/// What the whole process tree may use together. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory, tmpfs included; no swap beyond it.
    #[serde(default)]
    pub memory: Option<ByteSize>,
    /// Processor time in thousandths of one processor.
    #[serde(default)]
    pub cpu_millis: Option<u32>,
    /// Processes and threads.
    #[serde(default)]
    pub pids: Option<u32>,
}

/// A limit of each process, named as in `setrlimit(2)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rlimit {
    /// For example `RLIMIT_NOFILE`.
    pub resource: String,
    /// What is enforced.
    pub soft: u64,
    /// Up to where the process may raise it.
    pub hard: u64,
}

/// How an instance is asked to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Sent to the main process, for example `SIGTERM`.
    pub signal: String,
    /// How long it may take before everything is killed.
    pub timeout: Span,
}

/// Where an instance's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Into the log beside the spec.
    #[default]
    Log,
    /// Through the shim's standard output to whoever launched it; when nobody listens any more,
    /// everything is killed. For steps of a bake.
    Caller,
}

impl InstanceSpec {
    /// The only version so far.
    pub const VERSION: u32 = 1;
    /// Its file in the instance's directory.
    pub const FILE: &str = "spec.json";

    /// Freezes the spec into `dir`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        crate::record::write_whole(dir, Self::FILE, &serde_json::to_vec(self)?).map(drop)
    }

    /// Reads the spec in `dir`.
    ///
    /// # Errors
    /// When it cannot be read, is not a spec, or has another version.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let spec: Self = serde_json::from_slice(&read_file(&dir.join(Self::FILE), FILE_BYTES)?)?;
        if spec.v == Self::VERSION {
            return Ok(spec);
        }
        Err(io::Error::other(format!("the spec has version {}, not {}", spec.v, Self::VERSION)))
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: "SIGTERM".to_owned(), timeout: Span::seconds(30) }
    }
}

fn root_path() -> PathBuf {
    PathBuf::from("/")
}

impl Rlimit {
    /// What every process has unless told: enough files for a server; no core dumps, which would
    /// have nowhere to go.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let limit = |resource: &str, value| Self {
            resource: resource.to_owned(),
            soft: value,
            hard: value,
        };
        vec![limit("RLIMIT_NOFILE", 65_536), limit("RLIMIT_CORE", 0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"{"v":1,"install":"00ab1f","instance":"0123456789ab",
        "root":{"lower":["/base"]},"command":["/bin/true"],"user":{"uid":1,"gid":1},
        "hostname":"h","network":"loopback","limits":{}}"#;

    #[test]
    fn the_least_spec_gets_the_defaults_and_reads_back() {
        let spec: InstanceSpec = serde_json::from_str(LEAST).unwrap();
        assert_eq!((spec.stop.timeout, spec.output), (Span::seconds(30), Output::Log));
        assert_eq!((spec.cwd.to_str(), spec.rlimits.len()), (Some("/"), 2));
        let dir = tempfile::tempdir().unwrap();
        spec.write(dir.path()).unwrap();
        assert_eq!(InstanceSpec::read(dir.path()).unwrap(), spec);
    }

    #[test]
    fn unknown_keys_and_other_versions_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |text: String| {
            std::fs::write(dir.path().join(InstanceSpec::FILE), text).unwrap();
            InstanceSpec::read(dir.path()).unwrap_err().to_string()
        };
        assert!(refused(LEAST.replace("\"limits\"", "\"limit\"")).contains("unknown field"));
        assert!(refused(LEAST.replace("\"v\":1", "\"v\":2")).contains("version 2"));
    }
}
