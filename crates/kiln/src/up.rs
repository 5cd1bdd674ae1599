//! `kiln up`: starts server and router or finds them running, and brings back what dies.
//!
//! Both are sessions of their own: neither Ctrl-C nor the end of this process reaches them. Ctrl-C
//! makes it stop the server, and leave router and instances alone.

use crate::chain::chain;
use crate::data::Data;
use crate::down::{CONFLICT, managed};
use crate::parts::{Parts, STOPPED, Start, stop};
use crate::role::{Player, Role, turn};
use crate::{say, shutdown};
use anyhow::{Context, Result, bail};
use kiln_cli::Globals;
use kiln_cli::commands::up::Up;
use kiln_container::{Network, NetworkError, Subnet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The exit code for a command line that is not understood.
const USAGE: u8 = 2;
/// The exit code for what cannot be.
const INVALID: u8 = 4;
/// The shortest time between two starts of a part.
const RESTART: Duration = Duration::from_millis(200);
/// The longest time between two tries of a part that does not start.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// From one look at who plays a part to the next: an upgrade changes it, and the part goes on.
const LOOK: Duration = Duration::from_millis(500);

/// Runs until it is told to stop.
pub(crate) fn run(globals: &Globals, options: &Up) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    say::conclude(runtime.context("start").and_then(|rt| rt.block_on(up(globals, options))))
}

async fn up(globals: &Globals, options: &Up) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!("start: root is needed, for namespaces and control groups");
    }
    let network = match options.network.as_deref().map(str::parse::<Subnet>).transpose() {
        Ok(network) => network,
        Err(mistake) => {
            say::complain(&format!("--network: {mistake}"), None);
            return Ok(ExitCode::from(USAGE));
        }
    };
    let data = Data::ensure(&globals.data)?;
    if let Some(refused) = network.and_then(|network| refuse_network(&data, network)) {
        return Ok(refused);
    }
    let Some(_held) = Role::Up.take(&data)? else {
        let text = format!("another kiln up runs on {}", data.root().display());
        say::complain(&text, Some("kiln down stops it."));
        return Ok(ExitCode::from(CONFLICT));
    };
    Role::Up.announce(&data, None)?;
    if let Some(role) = managed(&data) {
        let text = format!("a service manager runs the {} on these data", role.name());
        say::complain(&text, Some("systemctl start kiln.target starts what is missing."));
        return Ok(ExitCode::from(CONFLICT));
    }
    let up = Minder::new(data, options)?;
    // Before anything is stopped: what a newer Kiln has written is not for this one.
    up.parts.check(&up.program).await?;
    // The router first: the server's first table finds it.
    let router = up.ensure(Role::Router).await?;
    let server = up.ensure(Role::Server).await.inspect_err(|_| {
        // It may be all that serves instances that were there before, and is not stopped.
        say::note("The router goes on without a server; kiln down stops it.");
    })?;
    up.parts.data.forget_programs_but(&[&up.program, &router.program, &server.program])?;
    elsewhere("router", &router, options.http);
    elsewhere("server", &server, options.api);
    greet(&up.parts.data, globals, &server, &router);
    tokio::select! {
        never = up.mind(Role::Router, router) => never?,
        never = up.mind(Role::Server, server) => never?,
        () = shutdown::asked() => {}
    }
    farewell(&up.parts.data).await?;
    Ok(ExitCode::SUCCESS)
}

/// Says no to a network that cannot be had, before anything is started.
fn refuse_network(data: &Data, network: Subnet) -> Option<ExitCode> {
    let error = Network::check(data.install, network).err()?;
    let (exit, hint) = match &error {
        NetworkError::Kept { .. } => (CONFLICT, "kiln down gives it back; then kiln up again."),
        NetworkError::Taken { .. } => {
            (CONFLICT, "name another, or none: then a free one is taken.")
        }
        _ => (INVALID, "10.64.0.0/16 has room for 255 environments."),
    };
    say::complain(&chain(&error.into()), Some(hint));
    Some(ExitCode::from(exit))
}

/// What is needed to start either part, and to bring it back.
struct Minder {
    parts: Parts,
    program: PathBuf,
    api: SocketAddr,
    http: SocketAddr,
    network: Option<String>,
}

impl Minder {
    fn new(data: Data, options: &Up) -> Result<Self> {
        Ok(Self {
            program: data.keep_program()?,
            parts: Parts::new(data)?,
            api: options.api,
            http: options.http,
            network: options.network.clone(),
        })
    }

    /// Finds the part's player, or starts one and waits until it is ready. One that runs from an
    /// earlier program makes room for one that runs from this.
    async fn ensure(&self, role: Role) -> Result<Player> {
        let _turn = turn(&self.parts.data).await?;
        let start = self.start(role, &self.program);
        match role.player(&self.parts.data) {
            Some(player) if player.program == self.program => Ok(player),
            Some(earlier) => {
                say::note(&format!(
                    "An earlier Kiln's {} runs; this one's takes over.",
                    role.name()
                ));
                match self.parts.succeed(role, &earlier, &start).await {
                    Err(error) if role == Role::Router => {
                        say::complain(&format!("failed to {}", chain(&error)), None);
                        say::note("The earlier router goes on until the next kiln down.");
                        Ok(earlier)
                    }
                    player => player,
                }
            }
            None => self.parts.start(role, &start).await,
        }
    }

    fn start(&self, role: Role, program: &Path) -> Start {
        let mut arguments: Vec<OsString> = match role {
            Role::Router => vec!["--http".into(), self.http.to_string().into()],
            _ => vec!["--api".into(), self.api.to_string().into()],
        };
        if let (Role::Server, Some(network)) = (role, &self.network) {
            arguments.extend(["--network".into(), network.into()]);
        }
        Start { program: program.to_owned(), arguments }
    }

    /// Starts the part again whenever nobody plays it, from the program that it ran from last.
    async fn mind(&self, role: Role, mut player: Player) -> Result<()> {
        loop {
            let begun = Instant::now();
            self.until_gone(role, &mut player).await?;
            tokio::time::sleep_until(begun + RESTART).await;
            player = self.start_again(role, &player.program).await;
        }
    }

    /// Waits until nobody plays the part, from one player to the next.
    async fn until_gone(&self, role: Role, player: &mut Player) -> Result<()> {
        loop {
            let ended = kiln_container::wait(&player.process, &self.parts.boot);
            // Late is as good as ended here: either way another may have taken over.
            let gone = tokio::time::timeout(LOOK, ended).await;
            match role.player(&self.parts.data) {
                Some(next) => *player = next,
                None if gone.is_ok() => return gone?.context("watch a process"),
                None => {}
            }
        }
    }

    /// Tries until there is a player; what was only killed once more is there again soon.
    async fn start_again(&self, role: Role, program: &Path) -> Player {
        let mut pause = RESTART;
        loop {
            match self.restart(role, program).await {
                Ok(player) => return player,
                Err(error) => say::complain(&format!("failed to {}", chain(&error)), None),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn restart(&self, role: Role, program: &Path) -> Result<Player> {
        let _turn = turn(&self.parts.data).await?;
        if let Some(player) = role.player(&self.parts.data) {
            return Ok(player);
        }
        say::note(&format!("The {} ended; starting it again.", role.name()));
        let program = if program.exists() { program } else { &self.program };
        self.parts.start(role, &self.start(role, program)).await
    }
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

async fn farewell(data: &Data) -> Result<()> {
    if let Some(server) = Role::Server.player(data) {
        stop(&server.process, STOPPED).await?;
    }
    say::note("The server has stopped. The router and the instances go on serving;");
    say::note("kiln up takes them over again, kiln down stops them.");
    Ok(())
}
