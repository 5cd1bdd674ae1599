//! A visit: the process that runs one command inside a running instance.
//!
//! It runs as `kiln enter DIR MILLISECONDS COMMAND…`, with one thread.
//!
//! ```text
//! kiln enter          outside; watches, verifies, kills
//!   └─ guard          the instance's namespaces, limits, user, filters; adopts orphans
//!        └─ command   a session of its own; what it starts is the guard's in the end
//! ```
//!
//! Guard and command are in a control group of their own beneath the instance's. What the command
//! leaves behind is killed by that group, which no process can leave, and reaped by the guard, so that
//! not even a dead process is left to a service that does not expect any.
//!
//! # Contract
//! * Standard input: a pipe that stays open as long as somebody wants the result. At its end
//!   everything is killed.
//! * Standard output: one line of JSON, [`crate::enter::Word`].
//! * Killed with SIGKILL it takes the guard and the command along. What the command had started by
//!   then is killed by the next visit, or with the instance.

mod fork;
mod guard;
mod tail;
mod target;
mod walls;
mod watch;

use super::detach;
use super::seccomp::Filters;
use super::verify::{Hole, capabilities};
use crate::cgroups::{Cgroups, VisitGroup};
use crate::enter::{Entered, Word};
use crate::error::chain;
use crate::ident::{Boot, ProcessIdent};
use crate::program;
use fork::{Fork, fork_into};
use guard::Guard;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::fchown;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use target::{Target, TargetError};
use watch::Watch;

/// Why a command did not run. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
enum VisitError {
    #[error("understand what to run: {0}")]
    Request(&'static str),
    #[error("become a process of its own")]
    Detach(#[source] io::Error),
    #[error("keep its own program from being overwritten from inside")]
    Program(#[source] io::Error),
    #[error("find the instance")]
    Target(#[source] TargetError),
    #[error("filter its system calls")]
    Filter(#[source] seccompiler::BackendError),
    #[error("make a control group for the command")]
    Group(#[source] io::Error),
    #[error("enter the instance")]
    Enter(#[source] io::Error),
    #[error("watch the command")]
    Watch(#[source] io::Error),
    #[error("let the command in: the walls around it have a hole")]
    Hole(#[source] Hole),
    #[error("{0}")]
    Guard(String),
    #[error("end what the command had started")]
    End(#[source] io::Error),
}

/// What is asked for.
struct Request {
    dir: PathBuf,
    deadline: Duration,
    command: Vec<String>,
}

/// What this process turns out to be, and what came of it.
enum Outcome {
    Outside(Option<Entered>),
    Guard(ExitCode),
}

/// Makes the visit that the arguments behind `enter` describe. To be called first thing in a process
/// with one thread.
#[must_use]
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let outcome = program::ensure_own_read_only()
        .map_err(VisitError::Program)
        .and_then(|()| detach::detach().map_err(VisitError::Detach))
        // The signals stay blocked: whoever started this asks it to end by its standard input.
        .and_then(|_signals| Request::parse(arguments))
        .and_then(|request| visit(&request));
    let word = match outcome {
        Ok(Outcome::Guard(code)) => return code,
        Ok(Outcome::Outside(None)) => return ExitCode::FAILURE,
        Ok(Outcome::Outside(Some(entered))) => Word::Done(entered),
        Err(error) => error.into(),
    };
    let line = serde_json::to_string(&word).expect("a word is JSON");
    detach::say(&line).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

impl Request {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, VisitError> {
        let refuse = VisitError::Request;
        let dir = arguments.next().ok_or(refuse("there is no directory"))?.into();
        let text = |it: OsString| it.into_string().map_err(|_| refuse("it is not UTF-8"));
        let millis = text(arguments.next().unwrap_or_default())?;
        let millis = millis.parse().map_err(|_| refuse("the deadline is not a number"))?;
        let command: Vec<String> = arguments.map(text).collect::<Result<_, _>>()?;
        if command.first().is_none_or(String::is_empty) {
            return Err(refuse("the command is empty"));
        }
        Ok(Self { dir, deadline: Duration::from_millis(millis), command })
    }
}

impl From<VisitError> for Word {
    fn from(error: VisitError) -> Self {
        let text = format!("failed to {}", chain(&error));
        match error {
            VisitError::Target(TargetError::Ended(_) | TargetError::Lost) => Self::Ended(text),
            VisitError::Guard(_) | VisitError::Request(_) => Self::Refused(text),
            // Whatever else it is, it is no fault of what runs in the instance.
            _ => Self::Broken(text),
        }
    }
}

fn visit(request: &Request) -> Result<Outcome, VisitError> {
    let until = Instant::now() + request.deadline;
    let target = Target::find(&request.dir).map_err(VisitError::Target)?;
    let filters = Filters::new(capabilities(&target.spec)).map_err(VisitError::Filter)?;
    let group = make_group(&target).map_err(VisitError::Group)?;
    let entered = enter(&request.command, &target, filters, &group, until);
    if let Ok(Outcome::Guard(_)) = entered {
        return entered;
    }
    let removed = group.remove().map_err(VisitError::End);
    match entered {
        // An instance that ended meanwhile explains whatever else went wrong.
        Err(error) => {
            Err(target.still_runs(&request.dir).map_or_else(VisitError::Target, |()| error))
        }
        Ok(outcome) => removed.map(|()| outcome),
    }
}

fn make_group(target: &Target) -> io::Result<VisitGroup> {
    let own = i32::try_from(std::process::id()).expect("the kernel's pids are 31 bits");
    let boot = Boot::current()?;
    let own = ProcessIdent::of(own, &boot)?;
    Cgroups::detect(target.spec.install)?.visit(&target.spec.instance, &own)
}

fn enter(
    command: &[String],
    target: &Target,
    filters: Filters,
    group: &VisitGroup,
    until: Instant,
) -> Result<Outcome, VisitError> {
    let (inside, outside) = pipes(target).map_err(VisitError::Enter)?;
    // Of this process itself the call changes nothing: its children are born there.
    let joined =
        move_into_thread_name_spaces(target.process.as_fd(), ThreadNameSpaceType::PROCESS_ID);
    joined.map_err(|error| VisitError::Enter(error.into()))?;
    let birthplace = group.birthplace().map_err(VisitError::Enter)?;
    match fork_into(birthplace.as_ref().map(AsFd::as_fd)).map_err(VisitError::Enter)? {
        Fork::Child => {
            drop((outside, birthplace));
            Ok(Outcome::Guard(Guard { command, target, filters, group }.run(inside)))
        }
        Fork::Parent(guard) => {
            drop((inside, birthplace));
            Watch::new(target, guard, outside, until).run(group).map(Outcome::Outside)
        }
    }
}

/// The ends that the guard has.
struct Inside {
    output: OwnedFd,
    report: OwnedFd,
    go: OwnedFd,
}

/// The ends that stay outside.
struct Outside {
    output: OwnedFd,
    report: OwnedFd,
    go: OwnedFd,
}

/// Both streams of the command share one pipe, which keeps their order. It belongs to the command's
/// user, who may open it once more as `/dev/stdout`.
fn pipes(target: &Target) -> io::Result<(Inside, Outside)> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC);
    let (output, output_end) = pipe()?;
    fchown(&output_end, Some(target.spec.user.uid), Some(target.spec.user.gid))?;
    rustix::io::ioctl_fionbio(&output, true)?;
    let (report, report_end) = pipe()?;
    let (go, go_end) = pipe()?;
    Ok((
        Inside { output: output_end, report: report_end, go },
        Outside { output, report, go: go_end },
    ))
}
