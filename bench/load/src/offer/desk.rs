//! Where requests that are due are begun, and their outcomes counted.

use super::pacer::Due;
use super::shares::Shares;
use crate::asker::{Asker, Connection};
use crate::failure::{Failure, Why};
use crate::{Kind, MAX_IN_FLIGHT, Report};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One request's end.
struct Outcome {
    kind: Kind,
    due: Instant,
    took: Result<Duration, Failure>,
    kept: Option<Connection>,
}

/// The one task that begins requests and counts their outcomes.
pub(super) struct Desk {
    asker: Arc<Asker>,
    shares: Shares,
    began: Instant,
    ended: Arc<AtomicU64>,
    kept: BTreeMap<Kind, Vec<Connection>>,
    report: Report,
    in_flight: usize,
}

impl Desk {
    pub(super) fn new(asker: Asker, shares: Shares, began: Instant, ended: Arc<AtomicU64>) -> Self {
        let (kept, report) = (BTreeMap::new(), Report::default());
        Self { asker: Arc::new(asker), shares, began, ended, kept, report, in_flight: 0 }
    }

    /// Begins what is due until nobody says so any more, and waits for the last outcome.
    pub(super) async fn run(mut self, mut due: UnboundedReceiver<Due>) -> Report {
        let (done, mut outcomes) = unbounded_channel();
        let mut more = true;
        while more || self.in_flight > 0 {
            tokio::select! {
                outcome = outcomes.recv() => self.count(outcome.expect("a sender is held here")),
                next = due.recv(), if more => match next {
                    Some((n, at)) => self.begin(n, at, &done),
                    None => more = false,
                },
            }
        }
        self.report.took = self.began.elapsed();
        self.report
    }

    fn begin(&mut self, n: u64, due: Instant, done: &UnboundedSender<Outcome>) {
        self.report.lag = self.report.lag.max(due.elapsed());
        let kind = self.shares.next();
        self.in_flight += 1;
        if self.in_flight > MAX_IN_FLIGHT {
            let many = format!("{MAX_IN_FLIGHT} others wait for their answers");
            let took = Err(Why::NotBegun.because(many));
            return self.count(Outcome { kind, due, took, kept: None });
        }
        let kept = self.kept.get_mut(&kind).and_then(Vec::pop);
        let (asker, done) = (self.asker.clone(), done.clone());
        tokio::spawn(async move {
            let (outcome, kept) = asker.turn(kind, n, kept, due).await;
            let took = outcome.map(|answer| answer.took);
            // Nobody listens only when the whole load is dropped.
            done.send(Outcome { kind, due, took, kept }).ok();
        });
    }

    fn count(&mut self, outcome: Outcome) {
        let Outcome { kind, due, took, kept } = outcome;
        self.in_flight -= 1;
        self.kept.entry(kind).or_default().extend(kept);
        let at = due.saturating_duration_since(self.began);
        self.report.tallies.entry(kind).or_default().count(at, took);
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}
