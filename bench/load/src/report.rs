//! What came of it.

use crate::{Answer, KEPT_REASONS, Kind};
use std::collections::BTreeMap;
use std::time::Duration;

/// What all clients saw.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// By kind of client.
    pub tallies: BTreeMap<Kind, Tally>,
}

/// What the clients of one kind saw.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests that were begun, whatever came of them.
    pub requests: u64,
    /// Requests without the right answer.
    pub failures: u64,
    /// The first few failures.
    pub reasons: Vec<Reason>,
    /// The longest that a right answer took.
    pub slowest: Duration,
}

/// One failure, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// When its request was begun, since the load began.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

impl Tally {
    /// Counts a request and what came of it.
    pub(crate) fn count(&mut self, at: Duration, outcome: Result<&Answer, String>) {
        self.requests += 1;
        match outcome {
            Ok(answer) => self.slowest = self.slowest.max(answer.took),
            Err(what) => {
                self.failures += 1;
                if self.reasons.len() < KEPT_REASONS {
                    self.reasons.push(Reason { at, what });
                }
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.slowest = self.slowest.max(other.slowest);
        self.reasons.extend(other.reasons);
        self.reasons.sort_by_key(|reason| reason.at);
        self.reasons.truncate(KEPT_REASONS);
    }
}

impl Report {
    pub(crate) fn add(&mut self, kind: Kind, tally: Tally) {
        self.tallies.entry(kind).or_default().add(tally);
    }

    /// Requests of all clients.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.tallies.values().map(|tally| tally.requests).sum()
    }

    /// Requests of all clients without the right answer.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.tallies.values().map(|tally| tally.failures).sum()
    }

    /// The longest that a right answer took.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        self.tallies.values().map(|tally| tally.slowest).max().unwrap_or_default()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (kind, tally) in &self.tallies {
            let slowest = tally.slowest.as_secs_f64() * 1000.0;
            let (requests, failures) = (tally.requests, tally.failures);
            writeln!(
                f,
                "{kind:<15}{requests:>7} requests {failures:>5} failed, slowest {slowest:.1} ms"
            )?;
            for reason in &tally.reasons {
                writeln!(f, "    at {:.3} s: {}", reason.at.as_secs_f64(), reason.what)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failures_are_kept_and_the_rest_counted() {
        let mut tally = Tally::default();
        for n in 0..20 {
            tally.count(Duration::from_millis(n), Err(format!("failure {n}")));
        }
        assert_eq!((tally.requests, tally.failures, tally.reasons.len()), (20, 20, KEPT_REASONS));
        let mut report = Report::default();
        report.add(Kind::Poster, tally.clone());
        report.add(Kind::Poster, tally);
        assert_eq!((report.requests(), report.failures()), (40, 40));
        let text = report.to_string();
        assert!(text.contains("poster") && text.contains("failure 2"), "{text}");
    }
}
