//! Runs groups on this machine, and routes to them.
//!
//! ```text
//!  Engine, Traffic ──▶ database (desired state) ──▶ model (memory)
//!                                                    │        ▲
//!             keeper, one task per group ◀───────────┤        │ health
//!               │ start        │ drain               ▼        │
//!               ▼              ▼                    link ◀──▶ router
//!             life ──▶ shim   out of the table, in flight gone, signal
//! ```
//!
//! # Invariants
//! * What is wanted is in the database before it is in the model; what runs is found again by boot,
//!   pid and start time.
//! * The keeper alone starts and stops instances; everybody else writes what is wanted.
//! * Out of the table → in flight zero or deadline → stop signal, always in that order.
//! * An address is given out again only after the router acknowledged a table without it.

mod addresses;
mod drain;
mod drift;
mod engine;
mod exits;
mod frozen;
mod inner;
mod keeper;
mod labels;
mod life;
mod link;
mod logs;
mod machine;
mod model;
mod recover;
mod routing;
mod runs;
mod traffic;
mod usage;

pub use labels::Labels;
pub use machine::MachineSettings;

use inner::Inner;
use kiln_names::{AppName, GroupId};
use kiln_router::Control;
use kiln_store::{Database, StoreError, local};
use link::Link;
use machine::Machine;
use std::path::PathBuf;
use std::sync::Arc;

/// The engine `local`: both its traits are implemented by this one handle.
#[derive(Debug, Clone)]
pub struct LocalEngine {
    inner: Arc<Inner>,
}

/// What a local engine is made of.
#[derive(Debug)]
pub struct Settings {
    /// Where the desired state lives.
    pub db: Database,
    /// Where images are unpacked.
    pub images: kiln_image::Store,
    /// What instances get their secrets from.
    pub secrets: kiln_secrets::Vault,
    /// The router's control socket.
    pub router: PathBuf,
    /// The machine.
    pub machine: MachineSettings,
}

/// Why the engine could not begin. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The database refused.
    #[error("read the local engine's state")]
    Store(#[from] StoreError),
    /// Control groups, networks or directories could not be prepared.
    #[error("prepare this machine")]
    Machine(#[from] std::io::Error),
    /// A stored group cannot be read.
    #[error("read the spec of group {group}")]
    Spec {
        /// The group.
        group: GroupId,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A stored traffic state cannot be read.
    #[error("read the traffic of {app}")]
    Traffic {
        /// The application.
        app: AppName,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl LocalEngine {
    /// Takes over from the server before, and keeps all groups from then on.
    ///
    /// # Errors
    /// When the database or the machine refuses.
    pub async fn start(settings: Settings) -> Result<Self, LocalError> {
        let mut db = settings.db.write().await?;
        let epoch = local::next_router_epoch(&mut db).await?;
        db.commit().await?;
        let machine = Machine::new(settings.machine)?;
        let link = Link::new(Control::new(settings.router), epoch);
        let model = recover::model(&settings.db).await?;
        let sources = (settings.db, settings.images, settings.secrets);
        let inner = Arc::new(Inner::new(sources, machine, link, model));
        recover::take_over(&inner).await?;
        inner.link.touch();
        inner.spawn(link::send_tables(inner.clone()));
        inner.spawn(link::hear(inner.clone()));
        inner.spawn(usage::sample(inner.clone()));
        Ok(Self { inner })
    }
}
