//! The pauses that a slow client makes on purpose, so that they are not taken for the server's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a slow client sends: so many bytes, then a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) bytes: usize,
    pub(crate) pause: Duration,
}

/// A connection's pauses, added up as they were meant: what a pause took longer counts as waiting.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dawdled(Arc<AtomicU64>);

impl Dawdled {
    pub(crate) fn add(&self, pause: Duration) {
        let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn sum(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}
