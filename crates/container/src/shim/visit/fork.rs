//! A fork that is born into a control group.

use rustix::process::Pid;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `CLONE_INTO_CGROUP` of `<linux/sched.h>`; the `libc` crate's has too few bits.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// A child, pinned so that its number cannot come to mean another process.
pub(super) struct Child {
    /// As this process numbers it.
    pub(super) pid: Pid,
    pub(super) process: OwnedFd,
}

/// Which of the two the caller is.
pub(super) enum Fork {
    Parent(Child),
    Child,
}

/// Forks this process. Being born into a group of v2 spares the move there, which makes all
/// processors wait for each other.
#[expect(unsafe_code, reason = "no safe wrapper forks, and none at all into a control group")]
pub(super) fn fork_into(group: Option<BorrowedFd<'_>>) -> io::Result<Fork> {
    let mut process: libc::c_int = -1;
    let into = if group.is_some() { INTO_CGROUP } else { 0 };
    let arguments = libc::clone_args {
        flags: into | u64::from(libc::CLONE_PIDFD.unsigned_abs()),
        pidfd: (&raw mut process).expose_provenance() as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: group.map_or(0, |it| u64::from(it.as_raw_fd().unsigned_abs())),
    };
    // SAFETY: nothing is shared with the child, no memory and no descriptors; this process has one
    // thread, so that the child's copy of it holds no lock of another's. The kernel writes to
    // `process` alone, which outlives the call.
    let result = unsafe {
        libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>())
    };
    match i32::try_from(result).ok().and_then(|pid| Pid::from_raw(pid.max(0))) {
        Some(pid) => {
            // SAFETY: the kernel has just opened it for this process, and nobody else knows of it.
            let process = unsafe { OwnedFd::from_raw_fd(process) };
            Ok(Fork::Parent(Child { pid, process }))
        }
        None if result == 0 => Ok(Fork::Child),
        None => Err(io::Error::last_os_error()),
    }
}
