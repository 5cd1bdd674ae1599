//! The server: opens what lasts, takes over what runs, answers the API.

use crate::daemon::Server;
use crate::data::Data;
use crate::role::Role;
use crate::wiring::{
    AllEngines, BakedImages, DatabaseCatalog, GitConfigurations, LiveHooks, Parts,
    PrometheusMetrics, RandomIds, SystemClock,
};
use crate::{books, clock, shutdown};
use anyhow::{Context, Result};
use kiln_bakery::Bakery;
use kiln_container::{Boot, Network};
use kiln_deploy::ports::Engines;
use kiln_deploy::{Orchestrator, Ports};
use kiln_engine::Runner;
use kiln_engine_local::{MachineSettings, Settings};
use kiln_keeper::Link;
use kiln_names::InstanceId;
use kiln_router::Control;
use kiln_secrets::{KeyFile, Vault};
use kiln_store::Database;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Serves until told to stop.
pub(crate) async fn serve(data: &Data, settings: &Server) -> Result<()> {
    let api = settings.api;
    let tcp = TcpListener::bind(api).await.with_context(|| format!("listen on {api}"))?;
    let address = tcp.local_addr()?;
    let app = Arc::new(assemble(data, settings, address).await?);
    let recovered = app.orchestrator.recover().await.context("take up deployments")?;
    tracing::info!(deployments = recovered.len(), "the server runs");
    let unix = kiln_api::bind_unix(&data.at("kiln.sock")).context("make the socket")?;
    let token = data.ensure_token()?;
    data.keep_router_token(&kiln_api::router_token(&token))?;
    let stopping = stopping();
    let over_socket = kiln_api::serve_unix(unix, app.clone(), ended(stopping.clone()));
    let over_tcp = kiln_api::serve_tcp(tcp, app.clone(), &token, ended(stopping));
    Role::Server.announce(data, Some(address))?;
    tokio::join!(over_socket, over_tcp);
    app.orchestrator.halt();
    app.database.close().await;
    Ok(())
}

/// Everything that the API works with.
async fn assemble(data: &Data, settings: &Server, address: SocketAddr) -> Result<kiln_api::App> {
    let network = Network::ensure(data.install, settings.network).context("prepare the network")?;
    let database = books::open(data).await?;
    let (live, spare) = (books::path(data), books::spare(data));
    tokio::spawn(kiln_store::spare::keep(database.clone(), live, spare));
    let secrets = vault(data, &database, settings.credentials.as_deref()).await?;
    let images = kiln_image::Store::open(&data.at("images")).context("open the image store")?;
    let configurations =
        kiln_config::Repositories::open(data.at("config")).context("open the configuration")?;
    let program = program(data)?;
    let git = kiln_config::SmartHttp::open(configurations.clone(), program.clone())
        .context("prepare to serve git")?;
    let bakery = bakery(data, &database, &images, &network, &program)?;
    let link = link(data, &database).await?;
    let local = Settings {
        db: database.clone(),
        images: images.clone(),
        secrets: secrets.clone(),
        link: link.clone(),
        machine: machine(data, network, program),
    };
    let (keeper, local) = kiln_engine_local::start(local).await?;
    let parts = Parts {
        install: data.install,
        database: database.clone(),
        images: images.clone(),
        secrets: secrets.clone(),
        link: link.clone(),
        memory: data.memory(),
        pull_token: kiln_api::pull_token(&data.ensure_token()?),
    };
    let engines: Arc<dyn Engines> = Arc::new(AllEngines::start(keeper, parts).await?);
    // All who had instances before are there: the routers may hear of them.
    link.open();
    let clock = Arc::new(SystemClock);
    let runner: Arc<dyn Runner> = Arc::new(local);
    let ports = Ports {
        images: Arc::new(BakedImages { database: database.clone(), store: images.clone() }),
        configurations: Arc::new(GitConfigurations::new(configurations.clone())),
        catalog: Arc::new(DatabaseCatalog(database.clone())),
        engines: engines.clone(),
        hooks: Arc::new(LiveHooks::new(runner.clone(), secrets.clone())),
        metrics: Arc::new(PrometheusMetrics),
        clock: clock.clone(),
        ids: Arc::new(RandomIds),
        fuse: crate::fuse::laid(data),
    };
    let orchestrator = Orchestrator::new(database.clone(), ports);
    let backups = kiln_backup::Sources::open(
        data.root(),
        database.clone(),
        configurations.clone(),
        images.clone(),
    );
    Ok(kiln_api::App {
        install: data.install,
        backups: backups.context("prepare for backups")?,
        address: Some(address),
        database,
        configurations,
        git,
        secrets,
        images,
        bakery,
        orchestrator,
        engines,
        routers: link,
        runner: Some(runner),
        clock,
    })
}

/// The way to the routers, with an epoch that no server had before.
async fn link(data: &Data, database: &Database) -> Result<Arc<Link>> {
    let mut db = database.write().await?;
    let epoch = kiln_store::local::next_router_epoch(&mut db).await?;
    let joined = kiln_store::routers::all(&mut db).await?;
    db.commit().await?;
    let link = Link::new(Control::new(data.router_socket()), epoch);
    joined.into_iter().for_each(|router| link.admit(router.name, router.install));
    Ok(link)
}

/// The secrets, with the key that the service manager passes, or the data directory's own.
async fn vault(data: &Data, database: &Database, credentials: Option<&Path>) -> Result<Vault> {
    let key = KeyFile::find(data.root(), credentials);
    let database = database.clone();
    let settings = kiln_secrets::Settings { database, key, random: clock::fill };
    Ok(Vault::open(settings).await?)
}

fn bakery(
    data: &Data,
    database: &Database,
    images: &kiln_image::Store,
    network: &Network,
    program: &Path,
) -> Result<Bakery> {
    let bridge = network.ensure_bridge(Network::BAKE).context("prepare the network of bakes")?;
    let ids = || InstanceId::from_random(clock::random());
    let settings = kiln_bakery::Settings::new(program.to_owned(), data.install, Some(bridge), ids);
    Ok(Bakery::new(database.clone(), images.clone(), settings))
}

fn machine(data: &Data, network: Network, program: PathBuf) -> MachineSettings {
    MachineSettings {
        install: data.install,
        program,
        instances: data.at("instances"),
        volumes: data.at("volumes"),
        boot_id: PathBuf::from(Boot::PATH),
        network,
        now_ms: clock::now_ms,
        random: clock::random,
    }
}

/// The file that shims are started from: the one that `up` keeps and this process runs from, or a copy
/// of the one that a service manager runs, which may be replaced at any time.
fn program(data: &Data) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    if own.starts_with(data.at("bin")) {
        return Ok(own);
    }
    let kept = data.keep_program()?;
    data.forget_programs_but(&[&kept])?;
    Ok(kept)
}

/// One signal for both listeners.
fn stopping() -> watch::Receiver<bool> {
    let (say, hear) = watch::channel(false);
    tokio::spawn(async move {
        shutdown::asked().await;
        say.send_replace(true);
    });
    hear
}

async fn ended(mut stopping: watch::Receiver<bool>) {
    // The sender lives until it has spoken.
    drop(stopping.wait_for(|stop| *stop).await);
}
