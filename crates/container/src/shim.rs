//! The process that owns one instance: it starts the container, keeps its log, stops it when asked,
//! writes down how it ended, and leaves nothing behind.
//!
//! It runs as `kiln shim DIR`, re-executed so that it has a single thread: `libcontainer` forks, and
//! a forked copy of a threaded process inherits locks that nobody will ever release.
//!
//! # Contract
//! * Standard output: one JSON line, `{"shim":{…},"pid":N}` once the command runs, or
//!   `{"error":"failed to …"}`.
//!   A shim that cannot say so ends what it started: nobody would know of it.
//! * Standard input: the values of the secrets that the spec names, if it names any, each behind its
//!   length, in the order of their names.
//! * SIGTERM: the stop signal, the stop timeout, then the end of everything. A second SIGTERM, or
//!   SIGINT: the end of everything now.
//! * `exit.json` is on disk before the shim ends.
//! * Killed with SIGKILL it takes the container with it; [`crate::cleanup`] does the rest.

mod container;
mod detach;
mod files;
mod image;
mod link;
mod log;
mod oci;
mod output;
mod payload;
mod rlimits;
mod seccomp;
mod secrets;
mod stage;
mod supervise;
mod verify;

pub mod visit;

use crate::cgroups::Cgroups;
use crate::clock::Timestamp;
use crate::error::chain;
use crate::ident::{Boot, ProcessIdent};
use crate::program;
use crate::record::{ExitRecord, State};
use crate::spec::{InstanceSpec, Limits};
use container::Running;
use link::Link;
use secrets::Secrets;
use serde_json::json;
use stage::Stage;

pub(crate) use stage::lower_option;
pub(crate) use verify::capabilities as granted;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use supervise::Ended;

/// Why an instance did not start. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("become a process of its own")]
    Detach(#[source] io::Error),
    #[error("keep its own program from being overwritten from inside")]
    Program(#[source] io::Error),
    #[error("read the spec")]
    Spec(#[source] io::Error),
    #[error("receive its secrets")]
    Secrets(#[source] io::Error),
    #[error("limit what it may use")]
    Cgroups(#[source] io::Error),
    #[error("join the network")]
    Network(#[source] io::Error),
    #[error("put its root file system together")]
    Stage(#[source] stage::StageError),
    #[error("find what to run")]
    Command(#[source] image::CommandError),
    #[error("create the container")]
    Container(#[source] container::ContainerError),
    #[error("write down that it runs")]
    State(#[source] io::Error),
    #[error("tell its caller that it runs")]
    Unheard(#[source] io::Error),
}

/// Runs the instance whose spec is in `dir` until it has ended. To be called first thing in a
/// process with one thread.
#[must_use]
pub fn main(dir: &Path) -> ExitCode {
    let instance = program::ensure_own_read_only()
        .map_err(StartError::Program)
        .and_then(|()| detach::detach().map_err(StartError::Detach))
        .and_then(|signals| Ok((signals, InstanceSpec::read(dir).map_err(StartError::Spec)?)))
        .and_then(|(signals, spec)| {
            let secrets = Secrets::receive(&spec).map_err(StartError::Secrets)?;
            Instance::start(dir, spec, secrets, signals)
        });
    match instance {
        Ok(instance) => instance.run(),
        Err(error) => refuse(dir, &error),
    }
}

/// A started instance and all that belongs to it.
struct Instance<'a> {
    dir: &'a Path,
    spec: InstanceSpec,
    signals: nix::sys::signalfd::SignalFd,
    cgroups: Cgroups,
    link: Option<Link>,
    running: Running,
    started_at: String,
}

impl<'a> Instance<'a> {
    fn start(
        dir: &'a Path,
        spec: InstanceSpec,
        secrets: Secrets,
        signals: nix::sys::signalfd::SignalFd,
    ) -> Result<Self, StartError> {
        let cgroups = prepare_cgroups(&spec).map_err(StartError::Cgroups)?;
        // From here the shim is in the instance's group, so that the container is born into it.
        let started = start_in(dir, &spec, secrets);
        let left = cgroups.join_shims().map_err(StartError::Cgroups);
        if started.is_err() {
            // Whatever was made must not outlive the attempt; what it died of is the better story.
            let _swept = sweep(&cgroups, &spec);
        }
        let (link, running) = started?;
        left?;
        let started_at = Timestamp::now().to_string();
        let instance = Self { dir, spec, signals, cgroups, link, running, started_at };
        let announced = instance.announce();
        if announced.is_err() {
            let _swept = sweep(&instance.cgroups, &instance.spec);
        }
        announced.map(|()| instance)
    }

    /// Says that the command runs: to the next server by a file, to this one by a line. Unheard, it
    /// is as if it had never started: the caller died meanwhile, and the next one may have found
    /// nothing here and be starting another.
    fn announce(&self) -> Result<(), StartError> {
        let shim = self.write_state().map_err(StartError::State)?;
        let line = json!({"shim": shim, "pid": self.running.pid});
        detach::say(&line.to_string()).map_err(StartError::Unheard)
    }

    fn write_state(&self) -> io::Result<ProcessIdent> {
        let pid = i32::try_from(std::process::id()).expect("the kernel's pids are 31 bits");
        let shim = ProcessIdent::of(pid, &Boot::current()?)?;
        let (pid, started_at) = (self.running.pid, self.started_at.clone());
        ExitRecord::reserve(self.dir)?;
        State { shim: shim.clone(), pid, started_at }.write(self.dir)?;
        Ok(shim)
    }

    fn run(mut self) -> ExitCode {
        let ended = match supervise::supervise(self.dir, &self.spec, &self.signals, self.running) {
            Ok(ended) => ended,
            Err(error) => Ended::lost(&error),
        };
        let ended_at = Timestamp::now().to_string();
        let instance = &self.spec.instance;
        let swept = self.cgroups.kill(instance);
        let oom_kills = self.cgroups.oom_kills(instance);
        let record = ExitRecord {
            code: ended.code,
            signal: ended.signal,
            oom_killed: oom_kills > 0,
            started_at: Some(self.started_at),
            ended_at,
            peak_memory_bytes: self.cgroups.usage(instance).memory_peak_bytes,
            cause: cause(&ended, oom_kills, &self.spec.limits),
        };
        let unlinked = self.link.as_mut().map_or(Ok(()), Link::remove);
        let removed = self.cgroups.remove(instance);
        let written = record.write(self.dir);
        match written.and(swept).and(unlinked).and(removed) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error),
        }
    }
}

fn prepare_cgroups(spec: &InstanceSpec) -> io::Result<Cgroups> {
    let cgroups = Cgroups::detect(spec.install)?;
    cgroups.create_roots()?;
    cgroups.create(&spec.instance, &spec.limits)?;
    cgroups.join(&spec.instance)?;
    Ok(cgroups)
}

/// Everything between limits and a running command, in the one order that works: the network first,
/// since `/sys` shows the namespace it is mounted in; then the files; then the container.
fn start_in(
    dir: &Path,
    spec: &InstanceSpec,
    secrets: Secrets,
) -> Result<(Option<Link>, Running), StartError> {
    let link = link::join(spec).map_err(StartError::Network)?;
    let stage = stage::Stage::enter(dir).map_err(StartError::Stage)?;
    let running = start_on(&stage, spec, secrets);
    stage.leave().map_err(StartError::Stage)?;
    Ok((link, running?))
}

fn start_on(stage: &Stage, spec: &InstanceSpec, secrets: Secrets) -> Result<Running, StartError> {
    let layers = stage.show_image(spec).map_err(StartError::Stage)?;
    let program = stage.command(spec).map_err(StartError::Command)?;
    stage.mount_root(spec, &layers).map_err(StartError::Stage)?;
    stage.show_secrets(spec, secrets).map_err(StartError::Stage)?;
    container::start(spec, stage, program).map_err(StartError::Container)
}

fn sweep(cgroups: &Cgroups, spec: &InstanceSpec) -> io::Result<()> {
    cgroups.kill(&spec.instance)?;
    cgroups.remove(&spec.instance)
}

/// The story in a few words. Memory comes first: it explains whatever signal was seen, unless somebody
/// sent it.
fn cause(ended: &Ended, oom_kills: u64, limits: &Limits) -> String {
    match limits.memory {
        Some(memory) if oom_kills > 0 && ended.signal.is_some() && !ended.asked => {
            format!("out of memory: it may use {memory}")
        }
        _ => ended.cause.clone(),
    }
}

fn refuse(dir: &Path, error: &StartError) -> ExitCode {
    let text = format!("failed to {}", chain(error));
    let record = ExitRecord {
        code: None,
        signal: None,
        oom_killed: false,
        started_at: None,
        ended_at: Timestamp::now().to_string(),
        peak_memory_bytes: None,
        cause: text.clone(),
    };
    let written = record.write(dir);
    match detach::say(&json!({"error": text}).to_string()).and(written) {
        Ok(()) => ExitCode::FAILURE,
        Err(error) => complain(&error),
    }
}

/// Standard error is a file beside the log: for what nobody is left to be told.
fn complain(error: &io::Error) -> ExitCode {
    use std::io::Write;
    drop(writeln!(io::stderr(), "shim: {error}"));
    ExitCode::FAILURE
}
