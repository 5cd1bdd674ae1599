//! The outside of a visit: one loop over the command's output, what the guard reports, who waits for
//! the result, and the deadline; then the end of everything that is left.

use super::fork::Child;
use super::guard::Report;
use super::tail::Tail;
use super::target::Target;
use super::{Outside, VisitError};
use crate::cgroups::VisitGroup;
use crate::enter::Entered;
use crate::shim::verify::{self, Hole};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitOptions, WaitStatus, waitpid};
use rustix::stdio::stdin;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How much output is read at a time: what a pipe holds.
const CHUNK: usize = 64 << 10;
/// How much of what was written before the end is read after it. What is killed has left a pipe full
/// at most; a service that got hold of the pipe could fill it for ever.
const LAST_WORDS: usize = 4 * CHUNK;
/// The longest report: a reason with a path in it.
const REPORT_BYTES: usize = 16 << 10;
/// How long the guard may take to reap what was killed. It takes less than a millisecond.
const REAPING: Duration = Duration::from_secs(2);

/// Why there is nothing more to watch.
enum Stop {
    Ended {
        code: Option<i32>,
        signal: Option<i32>,
    },
    Failed(String),
    Hole(Hole),
    Late,
    /// Nobody waits for the result any more.
    Unwanted,
    /// The guard has nothing more to say.
    Silent,
}

pub(super) struct Watch<'a> {
    target: &'a Target,
    guard: Child,
    output: OwnedFd,
    report: Option<OwnedFd>,
    /// What was reported and not understood yet.
    heard: Vec<u8>,
    /// Lets the command go. `None` once that was done.
    go: Option<OwnedFd>,
    until: Instant,
    tail: Tail,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        target: &'a Target,
        guard: Child,
        Outside { output, report, go }: Outside,
        until: Instant,
    ) -> Self {
        let (report, go, heard, tail) = (Some(report), Some(go), Vec::new(), Tail::default());
        Self { target, guard, output, report, heard, go, until, tail }
    }

    /// Returns when nothing of the visit runs any more; `None` if nobody waits for the result.
    pub(super) fn run(mut self, group: &VisitGroup) -> Result<Option<Entered>, VisitError> {
        let stop = self.watch();
        let went = self.go.is_none();
        let guard = self.end(group).map_err(VisitError::End)?;
        self.read(LAST_WORDS).map_err(VisitError::Watch)?;
        let lines = self.tail.finish();
        let killed = Some(Signal::KILL.as_raw());
        let (code, signal, late) = match stop.map_err(VisitError::Watch)? {
            Stop::Ended { code, signal } => (code, signal, false),
            Stop::Late => (None, killed, true),
            // Whoever killed the guard killed the command.
            Stop::Silent if went => (None, guard.terminating_signal().or(killed), false),
            Stop::Silent => return Err(VisitError::Guard(died(guard))),
            Stop::Failed(why) => return Err(VisitError::Guard(why)),
            Stop::Hole(hole) => return Err(VisitError::Hole(hole)),
            Stop::Unwanted => return Ok(None),
        };
        Ok(Some(Entered { code, signal, late, lines }))
    }

    fn watch(&mut self) -> io::Result<Stop> {
        loop {
            let [written, reported, unwanted] = self.wait()?;
            if unwanted {
                return Ok(Stop::Unwanted);
            }
            if written {
                self.read(CHUNK)?;
            }
            if reported && let Some(stop) = self.listen()? {
                return Ok(stop);
            }
            if Instant::now() >= self.until {
                return Ok(Stop::Late);
            }
        }
    }

    /// Waits for output, a report, or the end of whoever waits; not beyond the deadline.
    fn wait(&self) -> io::Result<[bool; 3]> {
        let left = timespec(self.until.saturating_duration_since(Instant::now()));
        let report = self.report.as_ref().expect("it is closed when the watch is over");
        let mut fds = [
            PollFd::new(&self.output, PollFlags::IN),
            PollFd::new(report, PollFlags::IN),
            PollFd::from_borrowed_fd(stdin(), PollFlags::empty()),
        ];
        match poll(&mut fds, Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(fds.map(|fd| !fd.revents().is_empty())),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what was written, no more than about `most` of it.
    fn read(&mut self, most: usize) -> io::Result<()> {
        let mut buffer = [0; CHUNK];
        let mut left = most;
        while left > 0 {
            match rustix::io::read(&self.output, &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Ok(length) => {
                    self.tail.take(&buffer[..length]);
                    left = left.saturating_sub(length);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn listen(&mut self) -> io::Result<Option<Stop>> {
        let report = self.report.as_ref().expect("it is closed when the watch is over");
        let mut buffer = [0; 4096];
        let length = rustix::io::read(report, &mut buffer)?;
        self.heard.extend_from_slice(&buffer[..length]);
        let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') else {
            let over = length == 0 || self.heard.len() > REPORT_BYTES;
            return Ok(over.then_some(Stop::Silent));
        };
        let line: Vec<u8> = self.heard.drain(..=end).collect();
        match serde_json::from_slice(&line) {
            Ok(Report::Ready) => self.let_go(),
            Ok(Report::Ended { code, signal }) => Ok(Some(Stop::Ended { code, signal })),
            Ok(Report::Failed(why)) => Ok(Some(Stop::Failed(why))),
            Err(_) => Ok(Some(Stop::Silent)),
        }
    }

    /// The guard is what the command will be forked from: no right can come back after this.
    fn let_go(&mut self) -> io::Result<Option<Stop>> {
        let pid = self.guard.pid.as_raw_nonzero().get();
        let spec = &self.target.spec;
        let sound =
            verify::verify(pid, spec).and_then(|()| verify::namespaces(pid, self.target.pid));
        if let Err(hole) = sound {
            return Ok(Some(Stop::Hole(hole)));
        }
        let Some(go) = self.go.take() else { return Ok(Some(Stop::Silent)) };
        // One that was killed meanwhile is found by its silence.
        let _told = rustix::io::write(&go, b"g");
        Ok(None)
    }

    /// Kills everything but the guard as long as the guard is there to reap it, then the guard too.
    fn end(&mut self, group: &VisitGroup) -> io::Result<WaitStatus> {
        let until = Instant::now() + REAPING;
        let mut pause = Duration::from_micros(200);
        if self.go.take().is_some() {
            // It has no children, and is told to end by the end of its pipe; unless it hangs.
            group.kill(None);
        }
        while !self.has_ended_within(pause)? {
            let spared = Some(self.guard.pid).filter(|_| Instant::now() < until);
            group.kill(spared);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        let status = waitpid(Some(self.guard.pid), WaitOptions::empty())?;
        Ok(status.ok_or(io::ErrorKind::NotFound)?.1)
    }

    fn has_ended_within(&self, time: Duration) -> io::Result<bool> {
        match poll(&mut [PollFd::new(&self.guard.process, PollFlags::IN)], Some(&timespec(time))) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    const MOST: Duration = Duration::from_secs(1 << 30);
    Timespec::try_from(time.min(MOST)).expect("it is small enough")
}

fn died(status: WaitStatus) -> String {
    match status.terminating_signal() {
        Some(9) => {
            "start the command: its process was killed, for want of memory perhaps".to_owned()
        }
        Some(signal) => format!("start the command: its process ended by signal {signal}"),
        None => "start the command: its process broke off".to_owned(),
    }
}
