//! From a root file system to a running command, by `libcontainer`.

use super::oci;
use super::payload::Payload;
use super::seccomp::Filters;
use super::stage::Stage;
use super::verify::{self, Hole, capabilities};
use crate::spec::InstanceSpec;
use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::syscall::syscall::SyscallType;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Why a container did not come up.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContainerError {
    #[error("{0}")]
    Io(&'static str, #[source] io::Error),
    #[error("it could not be set up")]
    Setup(#[source] Box<LibcontainerError>),
    #[error("its system calls could not be filtered")]
    Filter(#[source] seccompiler::BackendError),
    #[error("its walls have a hole, and it was not let in")]
    Hole(#[source] Hole),
    #[error("{0}")]
    Exec(String),
}

/// A container whose command runs.
pub(super) struct Running {
    /// Its main process, as the host numbers it.
    pub(super) pid: i32,
    /// What it writes, to be read without waiting.
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Starts the command, and returns once the kernel has taken it.
pub(super) fn start(
    spec: &InstanceSpec,
    stage: &Stage,
    program: PathBuf,
) -> Result<Running, ContainerError> {
    let io = |what| move |error: io::Error| ContainerError::Io(what, error);
    let document = oci::document(spec, stage);
    std::fs::write(stage.bundle().join("config.json"), document.to_string())
        .map_err(io("its description could not be written"))?;
    let pipe =
        || pipe_with(PipeFlags::CLOEXEC).map_err(|error| io("no pipe was left")(error.into()));
    let (stdout, stdout_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    let (refusals, refusals_end) = pipe()?;
    let filters = Filters::new(capabilities(spec)).map_err(ContainerError::Filter)?;
    let payload = Payload::new(spec, program, filters, refusals_end);
    let setup = |error| ContainerError::Setup(Box::new(error));
    let (mut container, pid) =
        create(spec, stage, payload, [stdout_end, stderr_end]).map_err(setup)?;
    verify::verify(pid, spec).map_err(ContainerError::Hole)?;
    verify::secrets(pid, spec).map_err(ContainerError::Hole)?;
    container.start().map_err(setup)?;
    taken(refusals)?;
    for end in [&stdout, &stderr] {
        rustix::io::ioctl_fionbio(end, true).map_err(|error| io("a pipe failed")(error.into()))?;
    }
    Ok(Running { pid, stdout, stderr })
}

/// Everything but the command: the first process stands within its walls and waits.
fn create(
    spec: &InstanceSpec,
    stage: &Stage,
    payload: Payload,
    [stdout, stderr]: [OwnedFd; 2],
) -> Result<(Container, i32), LibcontainerError> {
    let container = ContainerBuilder::new(spec.instance.to_string(), SyscallType::Linux)
        .with_root_path(stage.bundle().with_file_name("state"))?
        .with_executor(payload)
        .with_stdout(stdout)
        .with_stderr(stderr)
        .as_init(stage.bundle())
        .with_systemd(false)
        .with_detach(true)
        .build()?;
    let pid = container.pid().ok_or(LibcontainerError::Other("it has no process".to_owned()))?;
    Ok((container, pid.as_raw()))
}

/// The kernel closes the other end when it takes the command; otherwise the reason comes through.
fn taken(refusals: OwnedFd) -> Result<(), ContainerError> {
    let mut reason = String::new();
    File::from(refusals)
        .read_to_string(&mut reason)
        .map_err(|error| ContainerError::Io("its start could not be watched", error))?;
    if reason.is_empty() { Ok(()) } else { Err(ContainerError::Exec(reason)) }
}
