//! Which process is meant: boot, pid and start time together.
//!
//! A pid alone is given out again, after a reboot at the latest. A pidfd pins a process, and the
//! start time read while holding it tells whether it pins the right one.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// One boot of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boot(String);

impl Boot {
    /// Where the kernel says which boot this is.
    pub const PATH: &str = "/proc/sys/kernel/random/boot_id";

    /// This boot.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn current() -> io::Result<Self> {
        Self::read(Path::new(Self::PATH))
    }

    /// The boot that the file at `path` names; for tests that simulate a reboot.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        std::fs::read_to_string(path).map(|text| Self(text.trim().to_owned()))
    }
}

/// One process, for as long as anybody remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdent {
    /// The boot it ran in.
    pub boot_id: Boot,
    /// Its number in the first pid namespace.
    pub pid: i32,
    /// When it started, in clock ticks since that boot: field 22 of `/proc/PID/stat`.
    pub start_time: u64,
}

impl ProcessIdent {
    /// The process that has this pid now.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(pid: i32, boot: &Boot) -> io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start_time =
            start_time(&stat).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self { boot_id: boot.clone(), pid, start_time })
    }

    /// A descriptor that pins the process, or `None` when it is gone, even if its pid is in use.
    ///
    /// # Errors
    /// When the kernel refuses for another reason.
    pub fn pidfd(&self, boot: &Boot) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        if self.boot_id != *boot {
            return Ok(None);
        }
        let pinned = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pinned) => pinned,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Read after the pin: the pid cannot change hands any more.
        let same = Self::of(self.pid, boot).is_ok_and(|now| now == *self);
        Ok(same.then_some(pinned))
    }

    /// Whether it runs. A process that ended but was not reaped does not.
    #[must_use]
    pub fn is_alive(&self, boot: &Boot) -> bool {
        self.pidfd(boot).ok().flatten().is_some_and(|pidfd| !has_ended(&pidfd))
    }
}

/// A pidfd becomes readable when its process ends.
pub(crate) fn has_ended(pidfd: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}

/// The program's name comes second, in parentheses, and may hold spaces and parentheses itself.
fn start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_found_behind_any_program_name() {
        let rest = "S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 1";
        assert_eq!(start_time(&format!("7 (a) b (c) {rest}")), Some(98765));
        assert_eq!(start_time("7 (cut"), None);
    }

    #[test]
    fn another_boot_or_another_start_time_is_another_process() {
        let boot = Boot::current().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        let me = ProcessIdent::of(pid, &boot).unwrap();
        assert!(me.is_alive(&boot));
        let reused = ProcessIdent { start_time: me.start_time + 1, ..me.clone() };
        assert!(!reused.is_alive(&boot));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boot_id");
        std::fs::write(&path, "after-the-reboot\n").unwrap();
        assert!(!me.is_alive(&Boot::read(&path).unwrap()));
    }

    #[test]
    fn a_process_that_ended_is_not_alive_before_and_after_it_is_reaped() {
        let boot = Boot::current().unwrap();
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let ident = ProcessIdent::of(i32::try_from(child.id()).unwrap(), &boot).unwrap();
        assert!(ident.is_alive(&boot));
        drop(child.stdin.take());
        assert!(crate::clock::poll_until(std::time::Duration::from_secs(20), || {
            !ident.is_alive(&boot)
        }));
        child.wait().unwrap();
        assert!(!ident.is_alive(&boot));
    }
}
