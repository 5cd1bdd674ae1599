//! One command in a container that writes a layer, from beginning to end.
//!
//! A step runs as an instance does, under a shim in a directory of its own; only its root is
//! writable and its output comes back to the caller as it is written. Nothing but what the command
//! itself wrote is found in the layer: mount points that the image lacks are made in a layer beneath
//! it, `/tmp`, `/dev`, `/proc` and `/sys` are mounts, and `/etc/{resolv.conf,hosts,hostname}` are
//! covered by files of the host's while the command runs.

pub use crate::attached::Stream;

use crate::attached::attach;
use crate::launch::LaunchError;
use crate::record::ExitRecord;
use crate::spec::{InstanceSpec, Limits, NetworkMode, Output, Root, Stop, User, WritableLayer};
use kiln_names::{InstallId, InstanceId, SecretVersions, Span};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// What package managers need, of what Docker grants by default. Without `MKNOD`: a device made in a
/// layer would work nowhere else either, since layers are mounted without devices.
pub const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// One step.
#[derive(Debug, Clone)]
pub struct StepSpec {
    /// The binary to run as `kiln shim`.
    pub exe: PathBuf,
    /// An empty directory for the spec and the exit record; the caller removes it.
    pub dir: PathBuf,
    /// Whose step it is.
    pub install: InstallId,
    /// A fresh id for it.
    pub id: InstanceId,
    /// Unpacked layers, the base first.
    pub lower: Vec<PathBuf>,
    /// Where changes go.
    pub layer: WritableLayer,
    /// What to run, as root with [`CAPABILITIES`].
    pub command: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// How it reaches a package mirror: joined to the bake bridge, or not at all.
    pub network: NetworkMode,
    /// What it may use.
    pub limits: Limits,
}

/// Why a step has no result.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Its spec could not be written.
    #[error("the step could not be described")]
    Spec(#[source] io::Error),
    /// It did not start.
    #[error("the step could not be started")]
    Launch(#[source] LaunchError),
    /// Its shim broke off.
    #[error("the step broke off")]
    Lost(#[source] io::Error),
}

/// Runs the step to its end, handing over its output as it comes. What it returned is in the record;
/// not every record is a success.
///
/// # Cancellation
/// Dropping the future kills everything the step has started. The kill happens in the shim: it may
/// outlive the future by some milliseconds, and the layer is not to be touched before
/// [`crate::Cgroups::list`] no longer names the step.
///
/// # Errors
/// [`StepError`] when there is no result.
pub async fn run(
    step: &StepSpec,
    mut output: impl FnMut(Stream, &[u8]),
) -> Result<ExitRecord, StepError> {
    step.instance_spec().write(&step.dir).map_err(StepError::Spec)?;
    let mut attached = attach(&step.exe, &step.dir, &[]).await.map_err(StepError::Launch)?;
    let mut bytes = Vec::new();
    while let Some(stream) = attached.next(&mut bytes).await.map_err(StepError::Lost)? {
        output(stream, &bytes);
    }
    attached.finish().await.map_err(StepError::Lost)
}

impl StepSpec {
    fn instance_spec(&self) -> InstanceSpec {
        let mut env = self.env.clone();
        env.entry("HOME".to_owned()).or_insert_with(|| "/root".to_owned());
        InstanceSpec {
            v: InstanceSpec::VERSION,
            install: self.install,
            instance: self.id,
            root: Root { lower: self.lower.clone(), writable: Some(self.layer.clone()) },
            command: self.command.clone(),
            env,
            cwd: "/".into(),
            user: User { uid: 0, gid: 0 },
            capabilities: CAPABILITIES.map(str::to_owned).into(),
            writable: Vec::new(),
            volumes: Vec::new(),
            hostname: "bake".to_owned(),
            network: self.network.clone(),
            limits: self.limits,
            rlimits: crate::spec::Rlimit::defaults(),
            stop: Stop { signal: "SIGKILL".to_owned(), timeout: Span::ZERO },
            init: None,
            secrets: SecretVersions::new(),
            output: Output::Caller,
        }
    }
}
