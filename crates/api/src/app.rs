//! What the handlers work with.

use kiln_bakery::Bakery;
use kiln_config::{Repositories, SmartHttp};
use kiln_deploy::Orchestrator;
use kiln_deploy::ports::{Clock, Engines};
use kiln_engine::Runner;
use kiln_image::Store;
use kiln_keeper::Link;
use kiln_names::InstallId;
use kiln_secrets::Vault;
use kiln_store::Database;
use std::sync::Arc;

/// What the handlers work with; the binary's wiring makes it.
#[derive(Debug, Clone)]
pub struct App {
    /// Which Kiln it is.
    pub install: InstallId,
    /// Where it listens over TCP.
    pub address: Option<std::net::SocketAddr>,
    /// The database.
    pub database: Database,
    /// Configuration.
    pub configurations: Repositories,
    /// The same, over git's own protocol.
    pub git: SmartHttp,
    /// Secrets.
    pub secrets: Vault,
    /// Images and the files of bakes.
    pub images: Store,
    /// What backups are made of.
    pub backups: kiln_backup::Sources,
    /// What bakes.
    pub bakery: Bakery,
    /// What deploys.
    pub orchestrator: Orchestrator,
    /// What runs each environment.
    pub engines: Arc<dyn Engines>,
    /// What runs images on this machine, if anything does.
    pub runner: Option<Arc<dyn Runner>>,
    /// The way to all routers.
    pub routers: Arc<Link>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The state of all handlers.
pub(crate) type Shared = axum::extract::State<Arc<App>>;
