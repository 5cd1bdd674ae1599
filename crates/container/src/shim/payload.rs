//! The last steps before the command, taken inside the container.

use super::image::DEFAULT_PATH;
use super::seccomp::Filters;
use crate::spec::InstanceSpec;
use libcontainer::oci_spec::runtime::Spec;
use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use nix::sys::signal::SigSet;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

/// The command, and where to say why it could not be run.
#[derive(Clone)]
pub(super) struct Payload {
    program: PathBuf,
    command: Vec<String>,
    env: BTreeMap<String, String>,
    filters: Filters,
    refusals: Rc<OwnedFd>,
}

impl Payload {
    pub(super) fn new(
        spec: &InstanceSpec,
        program: PathBuf,
        filters: Filters,
        refusals: OwnedFd,
    ) -> Self {
        let mut env = spec.env.clone();
        env.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
        Self { program, command: spec.command.clone(), env, filters, refusals: Rc::new(refusals) }
    }

    fn become_command(&self) -> std::io::Error {
        // Set here and not before: a change of user clears it. From now on nothing runs unwatched.
        if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
            return error.into();
        }
        // The shim blocks what it reads from a descriptor; the command must not inherit that.
        if let Err(error) = SigSet::empty().thread_set_mask() {
            return error.into();
        }
        let (name, arguments) = self.command.split_first().expect("the shim looked for it");
        Command::new(&self.program).arg0(name).args(arguments).env_clear().envs(&self.env).exec()
    }
}

impl Executor for Payload {
    fn exec(&self, _spec: &Spec) -> Result<(), ExecutorError> {
        let error = self.become_command();
        let reason = format!("{} could not be executed: {error}", self.command[0]);
        // The shim waits for the reason or for the end of the pipe; should it be gone, so are we.
        let _told = rustix::io::write(&*self.refusals, reason.as_bytes());
        Err(ExecutorError::Other(reason))
    }

    /// The last word before the shim looks at what stands: capabilities are dropped, and no right can
    /// come back.
    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        self.filters.load().map_err(|error| {
            ExecutorValidationError::ArgValidationError(format!("no filter was loaded: {error}"))
        })
    }

    fn setup_envs(&self, _envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // The command gets its environment from `exec`; this process needs none.
        Ok(())
    }
}
