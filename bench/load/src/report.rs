//! What came of it.

use crate::{Kind, Tally};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::time::Duration;

/// What all clients saw.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// By kind of client.
    pub tallies: BTreeMap<Kind, Tally>,
    /// From the begin to the end of the last answer.
    pub took: Duration,
    /// The most that a request at a fixed rate was begun later than it was due: the load's own
    /// fault, and part of the answer's time.
    pub lag: Duration,
}

impl Report {
    pub(crate) fn add(&mut self, kind: Kind, tally: Tally) {
        self.tallies.entry(kind).or_default().add(&tally);
    }

    /// All kinds together.
    #[must_use]
    pub fn all(&self) -> Tally {
        let mut all = Tally::default();
        self.tallies.values().for_each(|tally| all.add(tally));
        all
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
        self.tallies.values().map(Tally::slowest).max().unwrap_or_default()
    }

    /// The share of what was offered that was answered well, in percent.
    #[must_use]
    pub fn answered_percent(&self) -> f64 {
        let all = self.requests().max(1);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let share = (self.requests() - self.failures()) as f64 / all as f64;
        share * 100.0
    }

    /// One object, for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let kinds = self.tallies.iter();
        let kinds = kinds.map(|(kind, tally)| (kind.as_str().to_owned(), of_tally(tally)));
        json!({
            "seconds": self.took.as_secs_f64(),
            "answered_percent": self.answered_percent(),
            "lag_ms": ms(self.lag),
            "all": of_tally(&self.all()),
            "kinds": kinds.collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

fn of_tally(tally: &Tally) -> Value {
    let why = tally.why.iter().map(|(why, count)| (why.as_str().to_owned(), json!(count)));
    json!({
        "offered": tally.requests,
        "answered": tally.answered(),
        "failed": tally.failures,
        "why": why.collect::<serde_json::Map<_, _>>(),
        "first_failures": tally.reasons.iter().map(|reason| &reason.what).collect::<Vec<_>>(),
        "ms": {
            "p50": ms(tally.within(50.0)),
            "p90": ms(tally.within(90.0)),
            "p99": ms(tally.within(99.0)),
            "p99.9": ms(tally.within(99.9)),
            "max": ms(tally.slowest()),
        },
    })
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{:<15}{:>8}{:>7}  {:>8}{:>8}{:>8}{:>8}{:>8}  ms",
            "kind", "offered", "failed", "p50", "p90", "p99", "p99.9", "latest"
        )?;
        for (kind, tally) in &self.tallies {
            line(f, kind.as_str(), tally)?;
            for reason in &tally.reasons {
                writeln!(f, "    at {:.3} s: {}", reason.at.as_secs_f64(), reason.what)?;
            }
        }
        let all = self.all();
        line(f, "all", &all)?;
        for (why, count) in &all.why {
            writeln!(f, "    {count} failed: {}", why.as_str())?;
        }
        let (share, seconds) = (self.answered_percent(), self.took.as_secs_f64());
        writeln!(f, "answered {share:.3} % in {seconds:.1} s; begun late by {:.1} ms", ms(self.lag))
    }
}

fn line(f: &mut Formatter<'_>, name: &str, tally: &Tally) -> std::fmt::Result {
    write!(f, "{name:<15}{:>8}{:>7}  ", tally.requests, tally.failures)?;
    for percent in [50.0, 90.0, 99.0, 99.9] {
        write!(f, "{:>8.1}", ms(tally.within(percent)))?;
    }
    writeln!(f, "{:>8.1}", ms(tally.slowest()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KEPT_REASONS, Why};

    #[test]
    fn the_first_failures_are_kept_and_the_rest_counted() {
        let mut tally = Tally::default();
        for n in 0..20 {
            tally.count(Duration::from_millis(n), Err(Why::Status.because(format!("failure {n}"))));
        }
        assert_eq!((tally.requests, tally.failures, tally.reasons.len()), (20, 20, KEPT_REASONS));
        let mut report = Report::default();
        report.add(Kind::Poster, tally.clone());
        report.add(Kind::Poster, tally);
        assert_eq!((report.requests(), report.failures()), (40, 40));
        let text = report.to_string();
        assert!(text.contains("poster") && text.contains("failure 2"), "{text}");
        assert!(text.contains("40 failed: status"), "{text}");
    }

    #[test]
    fn times_are_told_apart_by_a_thousandth() {
        let mut tally = Tally::default();
        for micros in 1..=1000 {
            tally.count(Duration::ZERO, Ok(Duration::from_micros(micros * 100)));
        }
        let near = |span: Duration, micros: u128| span.as_micros().abs_diff(micros) <= micros / 900;
        assert!(near(tally.within(50.0), 50_000), "{:?}", tally.within(50.0));
        assert!(near(tally.within(99.9), 99_900), "{:?}", tally.within(99.9));
        assert_eq!(tally.slowest(), Duration::from_millis(100));
    }

    #[test]
    fn a_report_fits_a_terminal_of_80_columns() {
        let mut report = Report::default();
        for kind in Kind::ALL {
            let mut tally = Tally::default();
            tally.count(Duration::ZERO, Ok(Duration::from_secs(60)));
            report.add(kind, tally);
        }
        let text = report.to_string();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert_eq!(report.to_json()["all"]["answered"], 6);
    }
}
