//! The parts that run in the background: what they are told, and how they begin and end.

use crate::chain::chain;
use crate::data::Data;
use crate::join::Join;
use crate::role::Role;
use crate::{reload, say, server, shutdown};
use anyhow::{Context, Result, bail};
use clap::Parser;
use kiln_names::RouterName;
use kiln_router::{Control, Socket};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How long a router that stops lets requests in flight go on.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(30);
/// How long a router that handed over keeps what it still carries: a download over a slow line, a web
/// socket.
const LINGER: std::time::Duration = std::time::Duration::from_secs(600);

/// The control plane
///
/// `kiln up` starts it. A service manager does so with the same words; see
/// packaging/systemd.
#[derive(Debug, Parser)]
#[command(name = "server", verbatim_doc_comment)]
pub(crate) struct Server {
    /// The data directory
    #[arg(long, default_value = "/var/lib/kiln")]
    pub(crate) data: PathBuf,
    /// Where the API listens over TCP
    #[arg(long, default_value = "127.0.0.1:7400")]
    pub(crate) api: SocketAddr,
    /// The network that instances get their addresses from
    #[arg(long)]
    pub(crate) network: Option<kiln_container::Subnet>,
    /// Say whether this program can work with the data, and change nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Where a service manager passes credentials; kiln-secrets-key seals secrets
    #[arg(long, env = "CREDENTIALS_DIRECTORY")]
    pub(crate) credentials: Option<PathBuf>,
}

/// The data plane
///
/// `kiln up` starts it. A service manager does so with the same words; see
/// packaging/systemd. At SIGHUP it starts the program that it was started from
/// anew, which may be a newer one by then, and hands its place over.
///
/// On a machine of its own it joins a server elsewhere, and carries traffic to all
/// instances that are reached from other machines; see docs/operations/routers.md.
///
/// Example:
///
///   kiln router --data /var/lib/kiln-router --http 0.0.0.0:80 \
///     --join http://10.0.0.1:7400 --name edge-1 --token-file router.token
#[derive(Debug, Parser)]
#[command(name = "router", verbatim_doc_comment)]
pub(crate) struct Router {
    /// The data directory
    #[arg(long, default_value = "/var/lib/kiln")]
    pub(crate) data: PathBuf,
    /// Where traffic is taken
    #[arg(long, default_value = "0.0.0.0:8000")]
    pub(crate) http: SocketAddr,
    /// Take the place of the router that runs
    #[arg(long)]
    pub(crate) take_over: bool,
    /// The API of the server that it joins
    #[arg(long, value_name = "URL", requires_all = ["name", "token_file"])]
    pub(crate) join: Option<String>,
    /// What it is called there
    #[arg(long, requires = "join")]
    pub(crate) name: Option<RouterName>,
    /// A copy of router.token from the server's data directory
    #[arg(long, value_name = "FILE", requires = "join")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Router {
    /// The server elsewhere that it joins, if it does.
    fn join(&self, data: &Data) -> Result<Option<Join>> {
        let (Some(url), Some(name), Some(token)) = (&self.join, &self.name, &self.token_file)
        else {
            return Ok(None);
        };
        let control = Control::new(data.router_socket());
        let join = Join::new(url, token, name.clone(), data.install, control);
        join.map(Some).with_context(|| format!("join {url}"))
    }
}

/// A part that plays until it is told to stop.
pub(crate) trait Daemon {
    /// Plays the part.
    async fn play(&self) -> Result<()>;
}

impl Daemon for Server {
    async fn play(&self) -> Result<()> {
        if self.check {
            return check(&self.data).await;
        }
        let data = Data::ensure(&self.data)?;
        let _held = hold(Role::Server, &data)?;
        server::serve(&data, self).await
    }
}

impl Daemon for Router {
    async fn play(&self) -> Result<()> {
        let data = Data::ensure(&self.data)?;
        let join = self.join(&data)?;
        // The one before holds the part until then, and gives its lock away with its place.
        let (socket, locks) = match self.take_over {
            true => (Socket::HandedOver, Vec::new()),
            false => (Socket::Address(self.http), vec![hold(Role::Router, &data)?.into()]),
        };
        let settings = kiln_router::Settings {
            socket,
            locks,
            control: data.router_socket(),
            state_dir: data.at("router"),
            drain_timeout: DRAIN,
            linger: LINGER,
        };
        let announced = data.clone();
        let router = kiln_router::run(settings, shutdown::asked());
        let address = crate::ports::of_router(&announced);
        tokio::pin!(router);
        tokio::select! {
            ended = &mut router => return ended.context("carry traffic"),
            address = address => {
                let address = address?;
                // On a machine of its own, no instances of its server are.
                if join.is_none() {
                    let_in(&announced, address.port()).await?;
                }
                Role::Router.announce(&announced, Some(address))?;
            }
        }
        let following = async {
            match join {
                Some(join) => join.follow().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = router => ended.context("carry traffic"),
            never = reload::at_hangups() => never,
            never = following => match never {},
        }
    }
}

/// Opens what the server would, as far as that changes nothing.
async fn check(data: &Path) -> Result<()> {
    let schema = kiln_store::Schema::of(&data.join("kiln.db")).await.context("use the database")?;
    say::data(&serde_json::json!({ "schema": schema.found, "known": schema.known }).to_string());
    Ok(())
}

/// Says where traffic is taken to the guard of the instances' networks. A machine where that fails has
/// traffic from everywhere else.
async fn let_in(data: &Data, port: u16) -> Result<()> {
    let install = data.install;
    let opened =
        tokio::task::spawn_blocking(move || kiln_container::Network::open_door(install, port));
    if let Err(error) = opened.await? {
        tracing::warn!("instances cannot reach the router: {}", chain(&error.into()));
    }
    Ok(())
}

fn hold(role: Role, data: &Data) -> Result<crate::role::Held> {
    match role.take(data)? {
        Some(held) => Ok(held),
        None => bail!("another {} runs on {}", role.name(), data.root().display()),
    }
}

/// Runs a part to its end.
pub(crate) fn run(daemon: &impl Daemon) -> ExitCode {
    // A session of its own: no terminal and no process group of the caller reaches it. Under a
    // service manager it is one already.
    rustix::process::setsid().ok();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("info"))
        .with_writer(std::io::stderr)
        // It would tell of a line that could not be written with `eprintln!`, which panics where the
        // same full disk takes that one neither, and ends whatever task had something to say.
        .log_internal_errors(false)
        .with_ansi(false)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let played = runtime.context("start threads").and_then(|rt| rt.block_on(daemon.play()));
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("failed to {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}
