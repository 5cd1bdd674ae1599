//! One client that asks again when it has its answer.

use crate::asker::{Asker, Connection};
use crate::{Kind, MAX_TIME, Tally};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// One client.
pub(crate) struct Client {
    pub(crate) kind: Kind,
    pub(crate) asker: Asker,
    pub(crate) rate: u32,
    pub(crate) began: Instant,
    pub(crate) ended: Arc<AtomicU64>,
}

impl Client {
    /// Asks until it is told to stop.
    pub(crate) async fn run(self, mut stopping: watch::Receiver<bool>) -> Tally {
        let mut tally = Tally::default();
        let mut kept: Option<Connection> = None;
        let mut turns = tokio::time::interval(Duration::from_secs(1) / self.rate);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.goes_on(&stopping) {
            tokio::select! {
                _ = turns.tick() => {}
                _ = stopping.changed() => break,
            }
            let at = self.began.elapsed();
            let turn = self.asker.turn(self.kind, tally.requests, kept.take(), Instant::now());
            let (outcome, open) = turn.await;
            kept = open;
            tally.count(at, outcome.map(|answer| answer.took));
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
        tally
    }

    fn goes_on(&self, stopping: &watch::Receiver<bool>) -> bool {
        let told = *stopping.borrow() || stopping.has_changed().is_err();
        !told && self.began.elapsed() < MAX_TIME
    }
}
