//! Time for client connections: one beat for all of them in place of a timer for each request.
//!
//! A connection is looked at whenever something happens on it, and at every beat. So a wait that has
//! no event of its own ends at the first beat after its deadline, and setting one costs nothing.

use hyper::rt::{Sleep, Timer};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How long after its deadline a wait may go on.
pub(crate) const BEAT: Duration = Duration::from_secs(5);

/// What all client connections are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// Time has passed.
    Beat,
    /// End after the request you are busy with.
    Close,
}

/// A timer for futures that are polled at every beat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BeatTimer;

#[derive(Debug)]
struct BeatSleep {
    deadline: Instant,
}

impl Timer for BeatTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(BeatSleep { deadline })
    }
}

impl Sleep for BeatSleep {}

impl Future for BeatSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        // Nobody is asked to wake this: the next beat does.
        if Instant::now() < self.deadline { Poll::Pending } else { Poll::Ready(()) }
    }
}
