//! The time, as an input.

use std::time::Duration;
use tokio::sync::watch;

/// Tells the time and waits for it.
#[async_trait::async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// Returns once the given time has passed.
    async fn sleep(&self, time: Duration);
}

/// A clock that stands still until somebody moves it.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: watch::Sender<u64>,
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that shows the given time, in milliseconds since 1970.
    #[must_use]
    pub fn at(now_ms: u64) -> Self {
        Self { now_ms: watch::Sender::new(now_ms) }
    }

    /// Lets time pass; whoever slept until then wakes.
    pub fn advance(&self, time: Duration) {
        self.now_ms.send_modify(|now| *now = now.saturating_add(millis(time)));
    }
}

#[async_trait::async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        *self.now_ms.borrow()
    }

    async fn sleep(&self, time: Duration) {
        let mut now = self.now_ms.subscribe();
        let until = now.borrow().saturating_add(millis(time));
        if now.wait_for(|now| *now >= until).await.is_err() {
            // The clock is gone, and with it whoever could move it.
            std::future::pending::<()>().await;
        }
    }
}

/// A span in milliseconds; more than 2^64 of them is for ever.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
