//! Who says when a request is due.

use crate::MAX_TIME;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A request's number, and the instant at which it is due.
pub(super) type Due = (u64, Instant);

/// Sends a word at the instant of every request. It has a thread of its own, because the timers of
/// a runtime are a millisecond wide, and it never waits for whoever hears it.
pub(super) struct Pacer {
    rate: u32,
    began: Instant,
    stopped: Receiver<()>,
    due: UnboundedSender<Due>,
}

impl Pacer {
    /// A pacer, what stops it when it is dropped, and what it says.
    pub(super) fn new(rate: u32) -> (Self, Sender<()>, UnboundedReceiver<Due>) {
        let (stop, stopped) = channel();
        let (due, says) = unbounded_channel();
        (Self { rate, began: Instant::now(), stopped, due }, stop, says)
    }

    /// When the first request is due.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Keeps the time until it is stopped.
    pub(super) fn run(self) {
        for n in 0_u64.. {
            let after =
                Duration::from_nanos(n.saturating_mul(1_000_000_000) / u64::from(self.rate));
            let at = self.began + after;
            let wait = at.saturating_duration_since(Instant::now());
            let told = self.stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
            if told || after > MAX_TIME || self.due.send((n, at)).is_err() {
                return;
            }
        }
    }
}
