//! How the shim separates itself from whoever started it.

use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io::{self, Write};

/// Leaves the caller's session and descriptors behind, takes over orphans, and turns the signals it
/// answers into a descriptor. The rest of a session's signals are blocked: nobody's terminal may end
/// an instance.
pub(super) fn detach() -> io::Result<SignalFd> {
    close_inherited()?;
    match rustix::process::setsid() {
        // The leader of a group already, as a shell makes it: it has its own session or needs none.
        Ok(_) | Err(rustix::io::Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
    default_signals()?;
    let mut answered = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD, Signal::SIGHUP] {
        answered.add(signal);
    }
    answered.thread_block()?;
    Ok(SignalFd::with_flags(&answered, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// What a caller ignores, `nohup` a hangup for example, would be ignored by every service too: it is
/// inherited across everything. Rust's own runtime sees to SIGPIPE.
#[expect(unsafe_code, reason = "signal handlers run anywhere; these do not run at all")]
fn default_signals() -> io::Result<()> {
    let fixed = [Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGPIPE];
    for signal in Signal::iterator().filter(|signal| !fixed.contains(signal)) {
        // SAFETY: the kernel's default action is no code of this process.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }?;
    }
    Ok(())
}

/// Closes every descriptor but the standard three, which a careless parent may have left open.
#[expect(unsafe_code, reason = "no safe wrapper closes a range of descriptors")]
fn close_inherited() -> io::Result<()> {
    // SAFETY: this is the first thing the process does, with one thread and no descriptor of its
    // own beyond the standard three, so that no owner of a closed one exists.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Writes the one line to whoever is waiting on standard output.
pub(super) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Points standard output at nothing, so that the caller sees its end.
pub(super) fn hang_up() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(&null)?)
}
