//! Keeps groups as they should be, over anything that can run an instance.
//!
//! ```text
//!  Engine, Traffic ──▶ database (desired state) ──▶ model (memory)
//!                                                    │        ▲
//!             keep, one task per group ◀─────────────┤        │ health
//!               │ start        │ drain               ▼        │
//!               ▼              ▼                    link ◀──▶ router
//!             life ──▶ Runtime   out of the table, in flight gone, signal
//! ```
//!
//! A [`Runtime`] runs single instances: as processes of this machine, as containers of a Docker
//! Engine, as tasks of a Swarm. What a group is, which instance goes first, when one is given up and
//! what the router is told is decided here, once for all of them.
//!
//! # Invariants
//! * What is wanted is in the database before it is in the model; what runs is found again by the
//!   runtime.
//! * The keeper alone starts and stops instances; everybody else writes what is wanted.
//! * Out of the table → in flight zero or deadline → stop signal, always in that order.
//! * An address is given out again only after the router acknowledged a table without it.

mod checks;
mod drain;
mod drift;
mod engine;
mod exits;
mod external;
mod inner;
mod keep;
mod life;
mod link;
mod logs;
mod model;
mod recover;
mod routing;
mod runtime;
mod scope;
mod told;
mod traffic;
mod usage;

pub use checks::command;
pub use exits::{chain, never_started};
pub use link::{Elsewhere, FIRST_TABLE, LEASE, Link, MOST, NotHeard, Said};
pub use runtime::{Birth, Log, Look, Looked, NotLaunched, Runtime, Sample, Size, Wish};
pub use scope::Scope;
pub use told::{init, over_image};

use inner::Inner;
use kiln_names::{AppName, GroupId};
use kiln_store::{Database, StoreError};
use std::sync::Arc;

/// An engine: both its traits are implemented by this one handle.
#[derive(Debug, Clone)]
pub struct Keeper {
    inner: Arc<Inner>,
}

/// What a keeper is made of.
#[derive(Debug)]
pub struct Settings {
    /// Where the desired state lives.
    pub db: Database,
    /// What runs instances.
    pub runtime: Arc<dyn Runtime>,
    /// The way to the router.
    pub link: Arc<Link>,
    /// Which environments it answers for.
    pub scope: Scope,
    /// The time, in milliseconds since 1970.
    pub now_ms: fn() -> u64,
    /// Six random bytes.
    pub random: fn() -> [u8; 6],
}

/// Why a keeper could not begin. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The database refused.
    #[error("read what is kept")]
    Store(#[from] StoreError),
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

impl Keeper {
    /// Takes over from the server before, and keeps all groups of its scope from then on.
    ///
    /// # Errors
    /// When the database refuses, or holds what cannot be read.
    pub async fn start(settings: Settings) -> Result<Self, KeeperError> {
        let model = recover::model(&settings.db, &settings.scope).await?;
        let inner = Arc::new(Inner::new(settings, model));
        let source: Arc<dyn link::Source> = inner.clone();
        inner.link.join(Arc::downgrade(&source));
        recover::take_over(&inner).await?;
        inner.link.touch();
        inner.spawn(usage::sample(inner.clone()));
        Ok(Self { inner })
    }

    /// Ends the keeping of an environment that is deleted, in which nothing runs any more, and removes
    /// what its instances shared.
    ///
    /// # Errors
    /// When the provider refuses or cannot be asked; the keeping has ended all the same.
    pub async fn leave(&self) -> Result<(), kiln_engine::EngineError> {
        self.inner.close();
        self.inner.runtime.leave().await
    }
}
