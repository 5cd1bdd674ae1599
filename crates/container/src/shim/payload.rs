//! The last steps before the command, taken inside the container.

use super::image::DEFAULT_PATH;
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
    uid: u32,
    capabilities: usize,
    refusals: Rc<OwnedFd>,
}

impl Payload {
    pub(super) fn new(spec: &InstanceSpec, program: PathBuf, refusals: OwnedFd) -> Self {
        let mut env = spec.env.clone();
        env.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
        Self {
            program,
            command: spec.command.clone(),
            env,
            uid: spec.user.uid,
            capabilities: spec.capabilities.len(),
            refusals: Rc::new(refusals),
        }
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

    /// Reads back from the kernel what was asked of it. A sandbox that is not there is an error,
    /// whatever the reason.
    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        let failed = |error: &dyn std::fmt::Display| {
            ExecutorValidationError::ArgValidationError(error.to_string())
        };
        let status =
            std::fs::read_to_string("/proc/self/status").map_err(|error| failed(&error))?;
        verify(&status, self.uid, self.capabilities).map_err(|error| failed(&error))
    }

    fn setup_envs(&self, _envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // The command gets its environment from `exec`; this process needs none.
        Ok(())
    }
}

fn verify(status: &str, uid: u32, capabilities: usize) -> Result<(), String> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.ok_or_else(|| format!("the kernel does not tell {name}"))
    };
    if field("NoNewPrivs")? != "1" {
        return Err("new privileges are still allowed".to_owned());
    }
    if field("Uid")?.split('\t').any(|id| id != uid.to_string()) {
        return Err(format!("the user is not {uid}"));
    }
    for set in ["CapBnd", "CapPrm", "CapEff"] {
        let held = u64::from_str_radix(field(set)?, 16).map_err(|error| error.to_string())?;
        if held.count_ones() as usize > capabilities {
            return Err(format!("{set} holds more than was asked for: {held:016x}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_with_a_hole_is_refused() {
        let status = |privileges: &str, uid: &str, bounding: &str| {
            format!(
                "Name:\tx\nUid:\t{uid}\t7\t7\t7\nCapPrm:\t0000000000000000\n\
                 CapEff:\t0000000000000000\nCapBnd:\t{bounding}\nNoNewPrivs:\t{privileges}\n"
            )
        };
        let none = "0000000000000000";
        assert_eq!(verify(&status("1", "7", none), 7, 0), Ok(()));
        assert!(verify(&status("0", "7", none), 7, 0).unwrap_err().contains("privileges"));
        assert!(verify(&status("1", "0", none), 7, 0).unwrap_err().contains("user"));
        let two = "0000000000000003";
        assert!(verify(&status("1", "7", two), 7, 1).unwrap_err().contains("CapBnd"));
        assert_eq!(verify(&status("1", "7", two), 7, 2), Ok(()));
        assert!(verify("Name:\tx\n", 7, 0).is_err());
    }
}
