//! The instance that is entered: found by its files, pinned, and then looked at.

use crate::ident::{Boot, has_ended};
use crate::launch::exit_record;
use crate::record::State;
use crate::spec::InstanceSpec;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Why there is nothing to enter.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error("its files cannot be read")]
    Files(#[source] io::Error),
    #[error("it has not started")]
    NotStarted,
    #[error("it has ended: {0}")]
    Ended(String),
    #[error("it has ended, and its shim did not say how")]
    Lost,
    #[error("process {pid} is not the one that shim {shim} started")]
    Stranger { pid: i32, shim: i32 },
}

/// A running instance.
pub(super) struct Target {
    pub(super) spec: InstanceSpec,
    /// Its main process, as this process numbers it.
    pub(super) pid: i32,
    /// Pins it.
    pub(super) process: OwnedFd,
}

impl Target {
    /// Finds the instance whose files are in `dir`.
    ///
    /// A process is its main process if the shim is its parent and it is the first of a pid
    /// namespace; asked while it is pinned, and before the shim was seen to live still, the answer is
    /// about no other process that came to have its number.
    pub(super) fn find(dir: &Path) -> Result<Self, TargetError> {
        let files = TargetError::Files;
        let boot = Boot::current().map_err(files)?;
        let spec = InstanceSpec::read(dir).map_err(files)?;
        let state = State::read(dir).map_err(files)?.ok_or(TargetError::NotStarted)?;
        let Some(shim) = state.shim.pidfd(&boot).map_err(files)? else { return Err(ended(dir)) };
        let pid = Pid::from_raw(state.pid).ok_or_else(|| ended(dir))?;
        let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| ended(dir))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if has_ended(&process) || has_ended(&shim) {
            return Err(ended(dir));
        }
        if !is_first_child(&status, state.shim.pid) {
            return Err(TargetError::Stranger { pid: state.pid, shim: state.shim.pid });
        }
        Ok(Self { spec, pid: state.pid, process })
    }

    /// Whether it has not ended meanwhile.
    pub(super) fn still_runs(&self, dir: &Path) -> Result<(), TargetError> {
        if has_ended(&self.process) { Err(ended(dir)) } else { Ok(()) }
    }
}

fn ended(dir: &Path) -> TargetError {
    match exit_record(dir) {
        Ok(Some(record)) => TargetError::Ended(record.cause),
        Ok(None) => TargetError::Lost,
        Err(error) => TargetError::Files(error),
    }
}

/// Whether this status is that of the first process of a pid namespace, and a child of `parent`.
fn is_first_child(status: &str, parent: i32) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let child = field("PPid:\t").is_some_and(|pid| pid.parse() == Ok(parent));
    let mut numbers = field("NSpid:\t").unwrap_or_default().split('\t');
    // As each namespace numbers it, the outermost first.
    child && numbers.next().is_some() && numbers.next_back() == Some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_of_a_namespace_with_the_right_parent_is_the_main_process() {
        let check = |status: &str, expected: bool| {
            assert_eq!(is_first_child(status, 70), expected, "{status}");
        };
        check("Name:\tx\nPPid:\t70\nNSpid:\t71\t1\n", true);
        check("Name:\tx\nPPid:\t70\nNSpid:\t71\t8\t1\n", true);
        check("Name:\tx\nPPid:\t7\nNSpid:\t71\t1\n", false);
        check("Name:\tx\nPPid:\t70\nNSpid:\t71\t2\n", false);
        check("Name:\tx\nPPid:\t70\nNSpid:\t1\n", false);
        check("", false);
    }
}
