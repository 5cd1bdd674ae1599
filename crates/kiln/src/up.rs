//! `kiln up`: starts server and router or finds them running, and brings back what dies.
//!
//! Both are sessions of their own: neither Ctrl-C nor the end of this process reaches them. Ctrl-C
//! makes it stop the server, and leave router and instances alone.

use crate::chain::chain;
use crate::data::Data;
use crate::role::{Player, Role};
use crate::{say, shutdown};
use anyhow::{Context, Result, bail};
use kiln_cli::Globals;
use kiln_cli::commands::up::Up;
use kiln_container::Boot;
use rustix::process::{Pid, Signal};
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a part may take until it is ready: a server may have hundreds of instances to adopt.
const READY: Duration = Duration::from_secs(60);
/// How long the server may take to finish what it does.
const STOPPED: Duration = Duration::from_secs(30);
/// The shortest time between two starts of a part.
const RESTART: Duration = Duration::from_millis(200);
/// The longest time between two tries of a part that does not start.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The exit code for "somebody else has it".
const CONFLICT: u8 = 5;

/// Runs until it is told to stop.
pub(crate) fn run(globals: &Globals, options: &Up) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    say::conclude(runtime.context("start").and_then(|rt| rt.block_on(up(globals, options))))
}

async fn up(globals: &Globals, options: &Up) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!("start: root is needed, for namespaces and control groups");
    }
    let data = Data::ensure(&globals.data)?;
    let Some(_held) = Role::Up.take(&data)? else {
        let text = format!("another kiln up runs on {}", data.root().display());
        say::complain(&text, Some("kiln down stops it."));
        return Ok(ExitCode::from(CONFLICT));
    };
    Role::Up.announce(&data, None)?;
    let parts = Parts::new(data, options)?;
    // The router first: the server's first table finds it.
    let router = parts.ensure(Role::Router).await?;
    let server = parts.ensure(Role::Server).await.inspect_err(|_| {
        // It may be all that serves instances that were there before, and is not stopped.
        say::note("The router goes on without a server; kiln down stops it.");
    })?;
    elsewhere("router", &router, parts.http);
    elsewhere("server", &server, parts.api);
    greet(&parts.data, globals, &server, &router);
    tokio::select! {
        never = parts.mind(Role::Router, router) => never?,
        never = parts.mind(Role::Server, server) => never?,
        () = shutdown::asked() => {}
    }
    farewell(&parts).await?;
    Ok(ExitCode::SUCCESS)
}

/// What is needed to start either part.
struct Parts {
    data: Data,
    boot: Boot,
    program: PathBuf,
    api: SocketAddr,
    http: SocketAddr,
    network: Option<String>,
}

impl Parts {
    fn new(data: Data, options: &Up) -> Result<Self> {
        Ok(Self {
            program: data.keep_program()?,
            boot: Boot::current()?,
            data,
            api: options.api,
            http: options.http,
            network: options.network.clone(),
        })
    }

    /// Finds the part's player, or starts one and waits until it is ready. A server that runs from
    /// an earlier program makes room for one that runs from this; a router that does goes on, since
    /// its connections would be lost.
    async fn ensure(&self, role: Role) -> Result<Player> {
        match role.player(&self.data) {
            Some(player) if player.program == self.program => Ok(player),
            Some(earlier) if role == Role::Server => {
                say::note("An earlier Kiln's server runs; this one's takes over.");
                stop(&earlier, STOPPED).await?;
                self.start(role).await
            }
            Some(earlier) => {
                say::note("An earlier Kiln's router goes on until the next kiln down.");
                Ok(earlier)
            }
            None => self.start(role).await,
        }
    }

    async fn start(&self, role: Role) -> Result<Player> {
        let log = self.data.at("log").join(format!("{}.log", role.name()));
        let begun = std::fs::metadata(&log).map_or(0, |meta| meta.len());
        let mut child = self.command(role, &log)?.spawn().context("start a process")?;
        let deadline = Instant::now() + READY;
        loop {
            if let Some(player) = role.player(&self.data) {
                // Not one of the runtime's: that would wait at its end for a router that goes on.
                std::thread::spawn(move || child.wait());
                return Ok(player);
            }
            if let Some(status) = child.try_wait()? {
                bail!("start the {}: it ended with {status}{}", role.name(), said(&log, begun));
            }
            if Instant::now() > deadline {
                child.kill()?;
                bail!("start the {}: not ready within {READY:?}{}", role.name(), said(&log, begun));
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    fn command(&self, role: Role, log: &std::path::Path) -> Result<Command> {
        let log = OpenOptions::new().create(true).append(true).open(log).context("open a log")?;
        let mut command = Command::new(&self.program);
        command.arg(role.name()).arg("--data").arg(self.data.root());
        match role {
            Role::Router => command.args(["--http", &self.http.to_string()]),
            _ => command.args(["--api", &self.api.to_string()]),
        };
        if let (Role::Server, Some(network)) = (role, &self.network) {
            command.args(["--network", network]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.current_dir("/");
        Ok(command)
    }

    /// Starts the part again whenever its player is gone.
    async fn mind(&self, role: Role, mut player: Player) -> Result<()> {
        loop {
            let begun = Instant::now();
            kiln_container::wait(&player.process, &self.boot).await.context("watch a process")?;
            tokio::time::sleep_until(begun + RESTART).await;
            say::note(&format!("The {} ended; starting it again.", role.name()));
            player = self.start_again(role).await;
        }
    }

    /// Tries until there is a player; what was only killed once more is there again soon.
    async fn start_again(&self, role: Role) -> Player {
        let mut pause = RESTART;
        loop {
            match self.ensure(role).await {
                Ok(player) => return player,
                Err(error) => say::complain(&format!("failed to {}", chain(&error)), None),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The last lines that a part wrote since it was started.
fn said(log: &std::path::Path, begun: u64) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let from = usize::try_from(begun).unwrap_or(0).min(text.len());
    let text = String::from_utf8_lossy(&text[from..]).trim_end().to_owned();
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// Says so when a part that ran before listens elsewhere than is asked now.
fn elsewhere(part: &str, player: &Player, asked: SocketAddr) {
    if let Some(at) = player.address.filter(|at| *at != asked && asked.port() != 0) {
        say::note(&format!("The {part} that runs listens on {at} and not on {asked}:"));
        say::note("kiln down and then kiln up moves it.");
    }
}

fn greet(data: &Data, globals: &Globals, server: &Player, router: &Player) {
    let address = |player: &Player| player.address.map(|a| a.to_string()).unwrap_or_default();
    let (data, api, http) = (data.root().display(), address(server), address(router));
    if globals.json {
        let data = data.to_string();
        say::data(&serde_json::json!({ "data": data, "api": api, "http": http }).to_string());
        return;
    }
    say::note("Kiln is up.");
    say::note(&format!("  services  http://{http}"));
    say::note(&format!("  API       http://{api}, token in {data}/admin.token"));
    say::note(&format!("  data      {data}"));
    say::note("Ctrl-C stops the server; the router and the instances go on serving.");
}

async fn farewell(parts: &Parts) -> Result<()> {
    if let Some(server) = Role::Server.player(&parts.data) {
        stop(&server, STOPPED).await?;
    }
    say::note("The server has stopped. The router and the instances go on serving;");
    say::note("kiln up takes them over again, kiln down stops them.");
    Ok(())
}

/// Asks a part to stop, and kills it when it does not.
pub(crate) async fn stop(player: &Player, patience: Duration) -> Result<()> {
    let Some(pid) = Pid::from_raw(player.process.pid) else { return Ok(()) };
    let boot = Boot::current()?;
    let Some(pinned) = player.process.pidfd(&boot)? else { return Ok(()) };
    for (signal, patience) in [(Signal::TERM, patience), (Signal::KILL, STOPPED)] {
        let sent = rustix::process::pidfd_send_signal(&pinned, signal);
        if sent == Err(rustix::io::Errno::SRCH) {
            return Ok(());
        }
        let ended = kiln_container::wait(&player.process, &boot);
        if tokio::time::timeout(patience, ended).await.is_ok() {
            return Ok(());
        }
    }
    bail!("stop process {}: it survived SIGKILL", pid.as_raw_nonzero())
}
