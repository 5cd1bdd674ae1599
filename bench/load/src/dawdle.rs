//! The pauses that a slow client makes on purpose, so that they are not taken for the server's.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// How a slow client sends: so many bytes, then a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) bytes: usize,
    pub(crate) pause: Duration,
}

/// A connection's pauses, added up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dawdled(Arc<AtomicU64>);

impl Dawdled {
    pub(crate) fn sum(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A pause that counts itself when it is over, for as long as it really was: that the client woke up
/// late is not the server's doing.
pub(crate) struct Pause {
    began: Instant,
    sleep: Pin<Box<Sleep>>,
    dawdled: Dawdled,
}

impl Pause {
    pub(crate) fn begin(span: Duration, dawdled: &Dawdled) -> Self {
        let sleep = Box::pin(tokio::time::sleep(span));
        Self { began: Instant::now(), sleep, dawdled: dawdled.clone() }
    }
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.sleep.as_mut().poll(cx));
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.dawdled.0.fetch_add(micros, Ordering::Relaxed);
        Poll::Ready(())
    }
}
