//! Runs instances on this machine: each under a shim of its own, in namespaces and control groups,
//! on its environment's bridge. What a group is, and which instance goes when, the keeper decides.
//!
//! # Invariants
//! * What runs is found again by boot, pid and start time.
//! * A row in the database, then a directory, then a process; gone in the opposite order.
//! * What no row answers for is removed when the engine begins.

mod addresses;
mod drift;
mod exits;
mod frozen;
mod inner;
mod labels;
mod log;
mod machine;
mod runs;
mod runtime;
mod sweep;
mod volumes;

pub use labels::Labels;
pub use machine::MachineSettings;

use inner::Inner;
use kiln_keeper::{Keeper, KeeperError, Link, Scope};
use kiln_store::Database;
use std::sync::Arc;

/// The name of this engine in an environment's settings.
pub const NAME: &str = "local";

/// What runs instances on this machine, and runs that somebody watches.
#[derive(Debug, Clone)]
pub struct LocalRuntime {
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
    /// The way to the router.
    pub link: Arc<Link>,
    /// The machine.
    pub machine: MachineSettings,
}

/// Why the engine could not begin. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Control groups, networks or directories could not be prepared.
    #[error("prepare this machine")]
    Machine(#[from] std::io::Error),
    /// What is kept could not be taken over.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// Takes over from the server before: the keeper of all environments that no other engine runs, and
/// what it runs them with.
///
/// # Errors
/// When the database or the machine refuses.
pub async fn start(settings: Settings) -> Result<(Keeper, LocalRuntime), LocalError> {
    let (db, link) = (settings.db.clone(), settings.link.clone());
    let (now_ms, random) = (settings.machine.now_ms, settings.machine.random);
    let runtime = LocalRuntime { inner: Arc::new(Inner::new(settings)?) };
    let keeper = Keeper::start(kiln_keeper::Settings {
        db,
        runtime: Arc::new(runtime.clone()),
        link,
        scope: Scope::AllBut { engine: NAME },
        now_ms,
        random,
    });
    Ok((keeper.await?, runtime))
}
