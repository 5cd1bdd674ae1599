//! A load of requests that come at a fixed rate, whatever becomes of the ones before.
//!
//! Clients who wait for their answers ask less while the server is slow, so that a pause of a second
//! costs them one late answer each (coordinated omission). Here every request has an instant at
//! which it is due, and its time counts from there: a pause of a second makes as many late answers
//! as requests were due in it.

mod desk;
mod pacer;
mod shares;

use crate::asker::{Asker, Check};
use crate::{Answer, Kind, MAX_OFFER, Running, Target};
use desk::Desk;
use pacer::Pacer;
use shares::Shares;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Of 100 requests, how many are of which kind, if nothing else is said.
const USUAL: [(Kind, u32); 6] = [
    (Kind::NewConnection, 20),
    (Kind::KeepAlive, 68),
    (Kind::SlowReader, 1),
    (Kind::Poster, 6),
    (Kind::SlowRequest, 3),
    (Kind::Upload, 2),
];

/// A load to be: requests at a fixed rate.
#[derive(Clone)]
pub struct Offer {
    target: Target,
    rate: u32,
    kinds: Vec<(Kind, u32)>,
    check: Check,
}

impl Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { target, rate, kinds, check: _ } = self;
        f.debug_struct("Offer")
            .field("target", target)
            .field("rate", rate)
            .field("kinds", kinds)
            .finish_non_exhaustive()
    }
}

impl Offer {
    /// So many requests a second, at most [`MAX_OFFER`], of all kinds; every answer must be 200.
    #[must_use]
    pub fn new(target: Target, per_second: u32) -> Self {
        let rate = per_second.clamp(1, MAX_OFFER);
        Self { target, rate, kinds: USUAL.to_vec(), check: Arc::new(|_| Ok(())) }
    }

    /// Only requests of those kinds, each with its share. Shares of nothing change nothing.
    #[must_use]
    pub fn kinds(mut self, shares: impl IntoIterator<Item = (Kind, u32)>) -> Self {
        let shares: Vec<_> = shares.into_iter().filter(|(_, share)| *share > 0).collect();
        if !shares.is_empty() {
            self.kinds = shares;
        }
        self
    }

    /// Also looks at every answer of status 200; the text it returns says what is wrong.
    #[must_use]
    pub fn check(
        mut self,
        check: impl Fn(&Answer) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.check = Arc::new(check);
        self
    }

    /// Begins, on two threads of its own: one that keeps the time and one that asks.
    ///
    /// # Panics
    /// When the machine has no thread or no event queue left.
    #[must_use]
    pub fn start(self) -> Running {
        let ended = Arc::new(AtomicU64::new(0));
        let (pacer, stop, due) = Pacer::new(self.rate);
        let asker = Asker { target: self.target, check: self.check };
        let desk = Desk::new(asker, Shares::new(self.kinds), pacer.began(), ended.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a machine with an event queue");
            std::thread::spawn(move || pacer.run());
            runtime.block_on(desk.run(due))
        });
        // Whoever keeps the time stops when nobody listens any more, as when it is told to.
        Running { stop: Box::new(move || drop(stop)), ended, thread }
    }
}
