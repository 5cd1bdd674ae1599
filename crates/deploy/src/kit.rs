//! What the parts of an orchestrator share.

use crate::Ports;
use crate::lookout::Lookouts;
use crate::ports::Clock;
use crate::progress::Hub;
use kiln_store::Database;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::Notify;

/// The database, the ports, and who is told what.
#[derive(Debug)]
pub(crate) struct Kit {
    pub(crate) db: Database,
    pub(crate) ports: Ports,
    pub(crate) hub: Hub,
    pub(crate) lookouts: Lookouts,
    /// Rung when a group may have become due for removal.
    pub(crate) retire: Notify,
}

/// Ends an orchestrator at a chosen instant, as a crash would: from then on none of its tasks
/// records anything, and all end. Tests burn it down one notch at a time; a server has none.
#[derive(Debug, Clone, Default)]
pub struct Fuse(Option<Arc<Wick>>);

/// What burns.
#[derive(Debug)]
struct Wick {
    left: AtomicI64,
    /// What is done when it has burnt down, besides.
    then: Option<fn()>,
}

/// The fuse has blown: whoever hears this ends without another word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blown;

// === impl Kit ===

impl Kit {
    pub(crate) fn now_ms(&self) -> u64 {
        self.ports.clock.now_ms()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.ports.clock
    }
}

// === impl Fuse ===

impl Fuse {
    /// No fuse: nothing ever ends by it.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Blows at the given notch. Each commit burns two: one before it and one after it.
    #[must_use]
    pub fn at(notch: i64) -> Self {
        Self(Some(Arc::new(Wick { left: AtomicI64::new(notch), then: None })))
    }

    /// The same, and calls `then` when it blows.
    #[must_use]
    pub fn that_calls(notch: i64, then: fn()) -> Self {
        Self(Some(Arc::new(Wick { left: AtomicI64::new(notch), then: Some(then) })))
    }

    /// How many notches are left; negative once it has blown.
    #[must_use]
    pub fn left(&self) -> Option<i64> {
        self.0.as_ref().map(|wick| wick.left.load(Ordering::SeqCst))
    }

    /// Burns one notch.
    pub(crate) fn burn(&self) -> Result<(), Blown> {
        let Some(wick) = &self.0 else { return Ok(()) };
        if wick.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        if let Some(then) = wick.then {
            then();
        }
        Err(Blown)
    }

    /// Whether it has blown.
    pub(crate) fn blown(&self) -> bool {
        self.left().is_some_and(|left| left < 0)
    }
}
