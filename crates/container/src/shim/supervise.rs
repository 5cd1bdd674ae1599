//! The shim's whole life between start and end: one loop over output, signals and a deadline.

use super::container::Running;
use super::output::Output;
use crate::attached::Stream;
use crate::spec::{InstanceSpec, Stop};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use rustix::stdio::stdout;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How much is read at a time: what a pipe holds.
const CHUNK: usize = 64 << 10;
/// How long output may still come after the main process has ended. All that could write died with
/// it; this is for what the pipes hold.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the main process ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// Whether somebody asked for it.
    pub(super) asked: bool,
    pub(super) cause: String,
}

impl Ended {
    /// The shim itself failed; what it started is killed without looking further.
    pub(super) fn lost(error: &io::Error) -> Self {
        Self {
            code: None,
            signal: Some(9),
            asked: false,
            cause: format!("the shim could not go on: {error}"),
        }
    }

    fn of(status: WaitStatus, stop: Option<&str>) -> Self {
        let (code, signal) = (status.exit_status(), status.terminating_signal());
        let cause = match (stop, code, signal) {
            (Some(stop), ..) => stop.to_owned(),
            (None, Some(code), _) => format!("exited with code {code}"),
            (None, None, Some(signal)) => format!("killed by {}", signal_name(signal)),
            (None, None, None) => "ended in a way the kernel does not tell".to_owned(),
        };
        Self { code, signal, asked: stop.is_some(), cause }
    }
}

/// Where stopping has got to.
enum Phase {
    /// Nobody has asked.
    Running,
    /// Asked; killed at the deadline.
    Stopping(Instant),
    /// Killed; only the end has to be seen.
    Killed,
}

/// How the main process ended, and until when its last words are waited for.
struct End(WaitStatus, Instant);

struct Supervisor<'a> {
    stop: &'a Stop,
    signals: &'a SignalFd,
    pid: Pid,
    streams: [Option<OwnedFd>; 2],
    output: Output,
    phase: Phase,
    /// Why it was stopped, in words, once it was.
    stopped: Option<String>,
    end: Option<End>,
}

/// Passes output on and answers signals until the main process has ended and its output with it.
pub(super) fn supervise(
    dir: &Path,
    spec: &InstanceSpec,
    signals: &SignalFd,
    running: Running,
) -> io::Result<Ended> {
    let output = Output::open(spec.output, dir)?;
    let pid = Pid::from_raw(running.pid).ok_or(io::ErrorKind::InvalidInput)?;
    let streams = [Some(running.stdout), Some(running.stderr)];
    let (phase, stopped, end) = (Phase::Running, None, None);
    let mut it =
        Supervisor { stop: &spec.stop, signals, pid, streams, output, phase, stopped, end };
    let result = it.watch();
    it.output.finish();
    result.map(|status| Ended::of(status, it.stopped.as_deref()))
}

/// Events of the streams carry their index; these come behind.
const SIGNALS: u64 = 2;
const CALLER: u64 = 3;

impl Supervisor<'_> {
    fn watch(&mut self) -> io::Result<WaitStatus> {
        let epoll = self.register()?;
        let mut buffer = vec![0; CHUNK];
        // The main process may have ended before signals were listened to.
        self.reap()?;
        loop {
            if let Some(status) = self.finished() {
                return Ok(status);
            }
            let mut events = Vec::with_capacity(4);
            match epoll::wait(&epoll, spare_capacity(&mut events), self.patience().as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events {
                match event.data.u64() {
                    SIGNALS => self.answer()?,
                    CALLER => self.caller_gone(&epoll)?,
                    index => self.read(usize::from(index != 0), &mut buffer)?,
                }
            }
            self.keep_deadline()?;
        }
    }

    fn register(&self) -> io::Result<OwnedFd> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let (data, read) = (epoll::EventData::new_u64, epoll::EventFlags::IN);
        for (index, stream) in (0..).zip(self.streams.iter().flatten()) {
            epoll::add(&epoll, stream, data(index), read)?;
        }
        epoll::add(&epoll, self.signals, data(SIGNALS), read)?;
        if self.output.has_caller() {
            // Errors are reported without being asked for: the reader has gone.
            epoll::add(&epoll, stdout(), data(CALLER), epoll::EventFlags::empty())?;
        }
        Ok(epoll)
    }

    /// The end, once it is known and nothing more will be read.
    fn finished(&self) -> Option<WaitStatus> {
        let End(status, until) = self.end.as_ref()?;
        let silent = self.streams.iter().all(Option::is_none);
        (silent || Instant::now() >= *until).then_some(*status)
    }

    /// How long the loop may sleep.
    fn patience(&self) -> Option<Timespec> {
        let until = match (&self.end, &self.phase) {
            (Some(End(_, until)), _) | (None, Phase::Stopping(until)) => *until,
            (None, Phase::Running | Phase::Killed) => return None,
        };
        let left = until.saturating_duration_since(Instant::now());
        Some(Timespec::try_from(left).expect("a stop timeout is at most a year"))
    }

    /// Reads what there is, once: other events have their turn before the next chunk.
    fn read(&mut self, index: usize, buffer: &mut [u8]) -> io::Result<()> {
        let Some(stream) = &self.streams[index] else { return Ok(()) };
        match rustix::io::read(stream, &mut *buffer) {
            // Closing it takes it out of the epoll.
            Ok(0) => self.streams[index] = None,
            Ok(length) => {
                let taken = self.output.take(Stream::ALL[index], &buffer[..length]);
                if taken.is_err() {
                    self.kill("killed: whoever asked for it has gone")?;
                    self.streams[index] = None;
                }
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn answer(&mut self) -> io::Result<()> {
        while let Some(signal) = self.signals.read_signal()? {
            let number = i32::try_from(signal.ssi_signo).unwrap_or(0);
            match Signal::try_from(number) {
                Ok(Signal::SIGCHLD) => self.reap()?,
                Ok(Signal::SIGTERM) if matches!(self.phase, Phase::Running) => self.ask()?,
                Ok(Signal::SIGTERM | Signal::SIGINT) => self.kill("killed on request")?,
                // A terminal that hangs up is nothing to an instance.
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks the main process to end.
    ///
    /// The first process of a pid namespace is not ended by a signal that it does nothing about,
    /// unlike any other. A service that never heard of the stop signal would run on until the
    /// timeout: it gets what it would have got anywhere else, at once.
    fn ask(&mut self) -> io::Result<()> {
        let signal = Signal::from_str(&self.stop.signal).unwrap_or(Signal::SIGTERM);
        self.stopped = Some(format!("stopped by {signal}"));
        if !minds(self.pid, signal) {
            self.phase = Phase::Killed;
            return self.send(Signal::SIGKILL);
        }
        self.phase = Phase::Stopping(Instant::now() + self.stop.timeout.get());
        self.send(signal)
    }

    fn keep_deadline(&mut self) -> io::Result<()> {
        match self.phase {
            Phase::Stopping(until) if Instant::now() >= until && self.end.is_none() => {
                let Stop { signal, timeout } = self.stop;
                self.kill(&format!("killed: still running {timeout} after {signal}"))
            }
            _ => Ok(()),
        }
    }

    fn caller_gone(&mut self, epoll: &OwnedFd) -> io::Result<()> {
        epoll::delete(epoll, stdout())?;
        self.kill("killed: whoever asked for it has gone")
    }

    /// The death of the main process is the death of its pid namespace.
    fn kill(&mut self, why: &str) -> io::Result<()> {
        if self.end.is_none() {
            self.stopped = Some(why.to_owned());
            self.phase = Phase::Killed;
        }
        self.send(Signal::SIGKILL)
    }

    /// The pid is ours until it is reaped, and nothing is sent after that.
    fn send(&self, signal: Signal) -> io::Result<()> {
        if self.end.is_some() {
            return Ok(());
        }
        let pid = nix::unistd::Pid::from_raw(self.pid.as_raw_nonzero().get());
        Ok(nix::sys::signal::kill(pid, signal)?)
    }

    /// Reaps whatever has ended: the main process, and orphans that the shim inherited.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid => {
                    self.end = Some(End(status, Instant::now() + LAST_WORDS));
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether the process does anything about the signal: handles it, waits for it, or ignores it on
/// purpose.
fn minds(pid: Pid, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    // When in doubt it is asked, not killed.
    status.is_empty() || mentions(&status, signal)
}

fn mentions(status: &str, signal: Signal) -> bool {
    let bit = 1_u64 << (signal as i32 - 1);
    let sets = status.lines().filter_map(|line| line.split_once(":\t"));
    let mut sets = sets.filter(|(name, _)| ["SigCgt", "SigIgn", "SigBlk"].contains(name));
    sets.any(|(_, set)| u64::from_str_radix(set, 16).is_ok_and(|set| set & bit != 0))
}

fn signal_name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |it| it.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_minds_the_signals_it_handles_blocks_or_ignores() {
        let status = |set: &str| format!("Name:\tx\nSigBlk:\t0\n{set}:\t0000000000004000\n");
        for set in ["SigCgt", "SigIgn", "SigBlk"] {
            assert!(mentions(&status(set), Signal::SIGTERM), "{set}");
            assert!(!mentions(&status(set), Signal::SIGQUIT), "{set}");
        }
        assert!(!mentions(&status("SigPnd"), Signal::SIGTERM));
    }

    #[test]
    fn signals_are_told_by_name() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(34), "signal 34");
    }
}
