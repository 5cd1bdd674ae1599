//! What was measured, with what it should be beside it.

use kiln_load::Report;
use std::fmt::{Display, Formatter};
use std::time::Duration;

/// The rows of the table, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Vec<Row>,
    failed: u64,
}

#[derive(Debug)]
struct Row {
    what: String,
    figure: String,
    goal: String,
    reached: Option<bool>,
}

impl Figures {
    /// A span, and the most that it should be.
    pub(crate) fn took(&mut self, what: &str, took: Duration, goal_ms: Option<u64>) {
        self.rows.push(Row {
            what: what.to_owned(),
            figure: span(took),
            goal: goal_ms.map(|goal| format!("≤ {goal} ms")).unwrap_or_default(),
            reached: goal_ms.map(|goal| took <= Duration::from_millis(goal)),
        });
    }

    /// Memory in bytes, and the most MB that it should be.
    pub(crate) fn held(&mut self, what: &str, bytes: Option<u64>, goal_mb: u64) {
        let tenths = bytes.map(|bytes| bytes / 100_000);
        self.rows.push(Row {
            what: what.to_owned(),
            figure: tenths.map_or("unknown".to_owned(), |n| format!("{}.{} MB", n / 10, n % 10)),
            goal: format!("≤ {goal_mb} MB"),
            reached: bytes.map(|bytes| bytes <= goal_mb * 1_000_000),
        });
    }

    /// What the clients saw.
    pub(crate) fn load(&mut self, report: &Report) {
        self.failed = report.failures();
        let count = |what: &str, figure: u64| Row {
            what: what.to_owned(),
            figure: figure.to_string(),
            goal: String::new(),
            reached: None,
        };
        self.rows.push(count("requests meanwhile", report.requests()));
        let failed = count("requests that failed", self.failed);
        let reached = Some(self.failed == 0);
        self.rows.push(Row { goal: "0".to_owned(), reached, ..failed });
        self.took("slowest request", report.slowest(), Some(500));
    }

    /// How many requests failed.
    pub(crate) const fn failed(&self) -> u64 {
        self.failed
    }
}

fn span(span: Duration) -> String {
    let ms = span.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:<44}{:>10}   goal", "what", "took")?;
        for Row { what, figure, goal, reached } in &self.rows {
            let mark = match reached {
                Some(true) => "reached",
                Some(false) => "missed",
                None => "",
            };
            let line = format!("{what:<44}{figure:>10}   {goal:<10}{mark}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
