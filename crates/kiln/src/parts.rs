//! Starting the parts that run in the background, and letting a newer program take over from an
//! earlier one.

use crate::data::Data;
use crate::role::{Player, Role};
use crate::say;
use anyhow::{Context, Result, bail};
use kiln_container::{Boot, ProcessIdent};
use rustix::process::{Pid, Signal};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a part may take until it is ready: a server may have hundreds of instances to adopt.
const READY: Duration = Duration::from_secs(60);
/// How long the server may take to finish what it does.
pub(crate) const STOPPED: Duration = Duration::from_secs(30);
/// How long a program may take to look at the data.
const CHECKED: Duration = Duration::from_secs(30);

/// How a part is started.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    /// All behind the part's name but the data directory.
    pub(crate) arguments: Vec<OsString>,
}

impl Start {
    /// As a part was started that runs, from that program or another; where it listens it would again.
    pub(crate) fn like(player: &Player, program: &Path) -> Result<Self> {
        let line = std::fs::read(format!("/proc/{}/cmdline", player.process.pid));
        let line = line.context("read how it was started")?;
        let words = line.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
        let mut arguments: Vec<OsString> =
            words.skip(2).filter(|word| !word.is_empty() && word != TAKE_OVER).collect();
        if let Some(at) = arguments.iter().position(|word| word == "--data") {
            arguments.drain(at..arguments.len().min(at + 2));
        }
        for name in ["--api", "--http"] {
            let at = arguments.iter().position(|word| word == name);
            let value = at.and_then(|at| arguments.get_mut(at + 1));
            if let (Some(value), Some(address)) = (value, player.address) {
                *value = address.to_string().into();
            }
        }
        Ok(Self { program: program.to_owned(), arguments })
    }
}

/// Tells a router to ask the one that runs for its place.
const TAKE_OVER: &str = "--take-over";

/// The parts of one Kiln.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) data: Data,
    pub(crate) boot: Boot,
}

impl Parts {
    pub(crate) fn new(data: Data) -> Result<Self> {
        Ok(Self { data, boot: Boot::current()? })
    }

    /// Starts a part that nobody plays, and waits until it is ready.
    pub(crate) async fn start(&self, role: Role, start: &Start) -> Result<Player> {
        self.spawn(role, start, &[]).await
    }

    /// Starts a part in the place of an earlier one. If that fails, the earlier one goes on; a server
    /// does so in a process of its own.
    pub(crate) async fn succeed(
        &self,
        role: Role,
        earlier: &Player,
        start: &Start,
    ) -> Result<Player> {
        if role == Role::Router {
            return self.spawn(role, start, &[TAKE_OVER]).await;
        }
        let before = Start::like(earlier, &earlier.program)?;
        stop(&earlier.process, STOPPED).await?;
        let failed = match self.start(role, start).await {
            Ok(player) => return Ok(player),
            Err(failed) => failed,
        };
        say::note("The new server does not start; the earlier one is started again.");
        self.start(role, &before).await.context("start the earlier server again")?;
        Err(failed)
    }

    /// Lets a program look at the data, and say why it could not work with it.
    pub(crate) async fn check(&self, program: &Path) -> Result<()> {
        let mut command = tokio::process::Command::new(program);
        command.args(["server", "--check", "--data"]).arg(self.data.root());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(CHECKED, command.output()).await;
        let output = output.context("wait for the new program")?.context("run the new program")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("use the new program: it ended with {}\n{}", output.status, said.trim_end());
        }
        Ok(())
    }

    async fn spawn(&self, role: Role, start: &Start, more: &[&str]) -> Result<Player> {
        let log = self.data.at("log").join(format!("{}.log", role.name()));
        let begun = std::fs::metadata(&log).map_or(0, |meta| meta.len());
        let mut command = command(role, start, &log)?;
        command.arg("--data").arg(self.data.root()).args(more);
        let mut child = command.spawn().context("start a process")?;
        match self.ready(role, &mut child).await {
            Ok(player) => {
                // Not one of the runtime's: that would wait at its end for a part that goes on.
                std::thread::spawn(move || child.wait());
                Ok(player)
            }
            Err(error) => {
                child.kill()?;
                child.wait()?;
                bail!("start the {}: {error}{}", role.name(), said(&log, begun))
            }
        }
    }

    async fn ready(&self, role: Role, child: &mut Child) -> Result<Player> {
        let deadline = Instant::now() + READY;
        let pid = i32::try_from(child.id())?;
        loop {
            if let Some(player) = role.player(&self.data).filter(|p| p.process.pid == pid) {
                return Ok(player);
            }
            if let Some(status) = child.try_wait()? {
                bail!("it ended with {status}");
            }
            if Instant::now() > deadline {
                bail!("it is not ready within {READY:?}");
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}

fn command(role: Role, start: &Start, log: &Path) -> Result<Command> {
    let log = OpenOptions::new().create(true).append(true).open(log).context("open a log")?;
    let mut command = Command::new(&start.program);
    command.arg(role.name()).args(&start.arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.current_dir("/");
    Ok(command)
}

/// The last lines that a part wrote since it was started.
fn said(log: &Path, begun: u64) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let from = usize::try_from(begun).unwrap_or(0).min(text.len());
    let text = String::from_utf8_lossy(&text[from..]).trim_end().to_owned();
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// Asks a part to stop, and kills it when it does not.
pub(crate) async fn stop(process: &ProcessIdent, patience: Duration) -> Result<()> {
    let Some(pid) = Pid::from_raw(process.pid) else { return Ok(()) };
    let boot = Boot::current()?;
    let Some(pinned) = process.pidfd(&boot)? else { return Ok(()) };
    for (signal, patience) in [(Signal::TERM, patience), (Signal::KILL, STOPPED)] {
        let sent = rustix::process::pidfd_send_signal(&pinned, signal);
        if sent == Err(rustix::io::Errno::SRCH) {
            return Ok(());
        }
        let ended = kiln_container::wait(process, &boot);
        if tokio::time::timeout(patience, ended).await.is_ok() {
            return Ok(());
        }
    }
    bail!("stop process {}: it survived SIGKILL", pid.as_raw_nonzero())
}
