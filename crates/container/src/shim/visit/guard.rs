//! The first process of a visit inside: it raises the walls around itself, starts the command once it
//! is told to, and stays until everything that the command left is dead and reaped.

use super::target::Target;
use super::{Inside, walls};
use crate::cgroups::VisitGroup;
use crate::shim::image::DEFAULT_PATH;
use crate::shim::seccomp::Filters;
use crate::spec::InstanceSpec;
use nix::sys::signal::SigSet;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, set_child_subreaper, set_parent_process_death_signal,
    setsid, wait,
};
use rustix::thread::{ThreadNameSpaceType as Namespace, move_into_thread_name_spaces};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// What the guard says outside, a line of JSON each.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Report {
    /// The walls stand: it waits for one byte.
    Ready,
    /// The command has ended.
    Ended { code: Option<i32>, signal: Option<i32> },
    /// There will be no command.
    Failed(String),
}

/// All that it needs to know.
pub(super) struct Guard<'a> {
    pub(super) command: &'a [String],
    pub(super) target: &'a Target,
    pub(super) filters: Filters,
    pub(super) group: &'a VisitGroup,
}

impl Guard<'_> {
    pub(super) fn run(&self, Inside { output, report, go }: Inside) -> ExitCode {
        let mut report = File::from(report);
        let said = match self.enter(output, go) {
            Ok(()) => self.accompany(&mut report),
            Err(error) => Report::Failed(error).say(&mut report),
        };
        // Unheard: whoever listened is gone, and this process is about to be killed for it.
        said.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
    }

    /// Everything but the command.
    fn enter(&self, output: OwnedFd, go: OwnedFd) -> Result<(), String> {
        let failed = |what: &str, error: &io::Error| format!("{what}: {error}");
        self.group.join().map_err(|error| failed("join its control groups", &error))?;
        self.join_namespaces().map_err(|error| failed("join its namespaces", &error))?;
        stand_alone(&output, &go).map_err(|error| failed("stand alone", &error))?;
        drop((output, go));
        let spec = &self.target.spec;
        std::env::set_current_dir(&spec.cwd)
            .map_err(|error| failed(&format!("go to {}", spec.cwd.display()), &error))?;
        walls::raise(spec, &self.filters).map_err(|error| failed("raise the walls", &error))
    }

    fn join_namespaces(&self) -> io::Result<()> {
        let all = Namespace::MOUNT
            | Namespace::NETWORK
            | Namespace::INTER_PROCESS_COMMUNICATION
            | Namespace::HOST_NAME_AND_NIS_DOMAIN_NAME
            | Namespace::CONTROL_GROUP;
        Ok(move_into_thread_name_spaces(self.target.process.as_fd(), all)?)
    }

    fn accompany(&self, report: &mut File) -> io::Result<()> {
        Report::Ready.say(report)?;
        let mut byte = [0];
        io::stdin().read_exact(&mut byte)?;
        match self.start() {
            Ok(command) => reap(command, report),
            Err(error) => {
                let name = &self.command[0];
                Report::Failed(format!("run {name}: {error}")).say(report)
            }
        }
    }

    #[expect(unsafe_code, reason = "what runs between fork and exec is ours to vouch for")]
    fn start(&self) -> io::Result<Pid> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).env_clear().envs(environment(&self.target.spec));
        let prepare = || {
            setsid()?;
            Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
        };
        // SAFETY: two system calls; no memory is allocated and no lock is taken.
        unsafe { command.pre_exec(prepare) };
        command.stdin(Stdio::null()).spawn().map(|child| Pid::from_child(&child))
    }
}

impl Report {
    fn say(&self, to: &mut File) -> io::Result<()> {
        let line = serde_json::to_string(self).expect("a report is JSON") + "\n";
        to.write_all(line.as_bytes())
    }
}

/// A session of its own, the pipes for streams, and orphans for children.
fn stand_alone(output: &OwnedFd, go: &OwnedFd) -> io::Result<()> {
    setsid()?;
    set_child_subreaper(Pid::from_raw(1))?;
    rustix::stdio::dup2_stdin(go)?;
    rustix::stdio::dup2_stdout(output)?;
    rustix::stdio::dup2_stderr(output)?;
    Ok(SigSet::empty().thread_set_mask()?)
}

/// What the service got at its start. `kiln-init` adds the settings' variables to the spec's.
fn environment(spec: &InstanceSpec) -> BTreeMap<String, String> {
    let mut env = spec.env.clone();
    env.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
    if let Some(init) = &spec.init {
        env.extend(init.env.clone());
        env.remove(kiln_init::SPEC_VARIABLE);
    }
    env
}

/// Tells how the command ended, and stays until there is nothing left to reap.
fn reap(command: Pid, report: &mut File) -> io::Result<()> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => ended(status).say(report)?,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn ended(status: WaitStatus) -> Report {
    Report::Ended { code: status.exit_status(), signal: status.terminating_signal() }
}
