//! What the clients of one kind saw.

use crate::KEPT_REASONS;
use crate::failure::{Failure, Why};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// Digits of a time that are kept: a thousandth of it.
const DIGITS: u8 = 3;
/// The longest time that is told from longer ones.
const LONGEST: Duration = Duration::from_secs(120);

/// What the clients of one kind saw.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Requests that were wished for, whatever came of them.
    pub requests: u64,
    /// Requests without the right answer.
    pub failures: u64,
    /// How many for which reason.
    pub why: BTreeMap<Why, u64>,
    /// The first few failures.
    pub reasons: Vec<Reason>,
    /// How long right answers took, in microseconds.
    times: Histogram<u64>,
    /// The longest of them, exactly.
    slowest: Duration,
}

/// One failure, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// When its request was begun or due, since the load began.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

impl Default for Tally {
    fn default() -> Self {
        let times = Histogram::new_with_max(micros(LONGEST), DIGITS);
        let times = times.expect("the limits are sound");
        let (why, reasons) = (BTreeMap::new(), Vec::new());
        Self { requests: 0, failures: 0, why, reasons, times, slowest: Duration::ZERO }
    }
}

impl Tally {
    /// Counts a request and what came of it: how long its answer took, or why it has none.
    pub(crate) fn count(&mut self, at: Duration, outcome: Result<Duration, Failure>) {
        self.requests += 1;
        match outcome {
            Ok(took) => {
                self.times.saturating_record(micros(took));
                self.slowest = self.slowest.max(took);
            }
            Err(Failure { why, what }) => {
                self.failures += 1;
                *self.why.entry(why).or_default() += 1;
                if self.reasons.len() < KEPT_REASONS {
                    self.reasons.push(Reason { at, what });
                }
            }
        }
    }

    /// Adds what others saw.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        for (why, count) in &other.why {
            *self.why.entry(*why).or_default() += count;
        }
        self.reasons.extend(other.reasons.iter().cloned());
        self.reasons.sort_by_key(|reason| reason.at);
        self.reasons.truncate(KEPT_REASONS);
        self.slowest = self.slowest.max(other.slowest);
        self.times.add(&other.times).expect("both have the same limits");
    }

    /// Right answers.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.requests - self.failures
    }

    /// The longest that a right answer took.
    #[must_use]
    pub const fn slowest(&self) -> Duration {
        self.slowest
    }

    /// The time within which that share of the right answers came, in percent.
    #[must_use]
    pub fn within(&self, percent: f64) -> Duration {
        Duration::from_micros(self.times.value_at_percentile(percent)).min(self.slowest)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
