//! A load at work.

use crate::Report;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Clients at work. They end by themselves after [`MAX_TIME`](crate::MAX_TIME).
pub struct Running {
    pub(crate) stop: Box<dyn FnOnce() + Send>,
    pub(crate) ended: Arc<AtomicU64>,
    pub(crate) thread: JoinHandle<Report>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Running {
    /// How many requests have come to an end, well or not.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Lets every request that has begun come to its end, and sums up.
    ///
    /// # Panics
    /// When a check did.
    #[must_use]
    pub fn stop(self) -> Report {
        (self.stop)();
        self.thread.join().expect("no check panicked")
    }
}
