//! Launch commands: run in order, before the service, under one deadline.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Why launching stopped.
#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    /// A command could not start or did not return 0.
    Failed(String),
    /// The deadline passed while a command ran.
    Late(String),
}

/// Runs `commands` with `/bin/sh -c` until one fails or `limit` has passed.
///
/// # Errors
/// The first failure, as a sentence that names the command.
pub(crate) fn run(
    commands: &[String],
    env: &BTreeMap<String, String>,
    limit: Duration,
) -> Result<(), Failure> {
    let deadline = Instant::now() + limit;
    commands.iter().try_for_each(|command| run_one(command, env, deadline, limit))
}

fn run_one(
    command: &str,
    env: &BTreeMap<String, String>,
    deadline: Instant,
    limit: Duration,
) -> Result<(), Failure> {
    let failed = |why: String| Failure::Failed(format!("launch command {command:?} {why}"));
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .envs(env)
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("could not start: {error}")))?;
    let in_time = ends_before(&child, deadline);
    if !in_time.map_err(|error| failed(format!("cannot be watched: {error}")))? {
        return Err(stop(&mut child, command, limit));
    }
    let status = child.wait().map_err(|error| failed(format!("cannot be awaited: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(format!("failed: {status}"))) }
}

/// Waits on the process itself, so that no time is lost between its end and our noticing.
fn ends_before(child: &Child, deadline: Instant) -> rustix::io::Result<bool> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a launch timeout is not centuries");
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other? > 0),
        }
    }
}

fn stop(child: &mut Child, command: &str, limit: Duration) -> Failure {
    let late = format!("launch command {command:?} was still running after {limit:?} in all");
    // The group has gone already when it ended this very moment, which is as good.
    let killed = kill_process_group(Pid::from_child(child), Signal::KILL).is_ok();
    Failure::Late(if killed && child.wait().is_err() {
        format!("{late} and is lost")
    } else {
        late
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(commands: &[&str], limit: Duration) -> Result<(), Failure> {
        let commands: Vec<String> = commands.iter().map(|&text| text.to_owned()).collect();
        let env = BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]);
        run(&commands, &env, limit)
    }

    #[test]
    fn commands_run_in_order_with_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("out");
        let file = file.to_str().unwrap();
        let first = format!("printf '%s ' \"$GREETING\" > {file}");
        let second = format!("echo there >> {file}");
        launch(&[&first, &second], Duration::from_secs(20)).unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "hello there\n");
    }

    #[test]
    fn the_first_failure_is_named_and_ends_the_launch() {
        let failure = launch(&["true", "exit 3", "exit 4"], Duration::from_secs(20)).unwrap_err();
        let Failure::Failed(text) = failure else { panic!("{failure:?}") };
        assert_eq!(text, "launch command \"exit 3\" failed: exit status: 3");
    }

    #[test]
    fn a_command_that_outlives_the_deadline_is_killed() {
        let started = Instant::now();
        let failure = launch(&["sleep 60"], Duration::from_millis(50)).unwrap_err();
        assert!(matches!(failure, Failure::Late(text) if text.contains("sleep 60")));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
