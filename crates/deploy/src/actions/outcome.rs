//! The three ways in which an action ends a try, and the one place that decides what an engine's
//! error means.

use kiln_engine::{EngineError, ErrorKind};
use std::time::Duration;

/// How a try went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What was to be ensured is so.
    Done {
        /// What was found or done, in words.
        note: Option<String>,
    },
    /// Not yet: look again when something changes, or after a while.
    RetryAfter {
        /// The longest to wait.
        after: Duration,
        /// For what.
        waiting_for: String,
    },
    /// It will not come true.
    Failed {
        /// Why.
        reason: String,
        /// What was said last, where that shows why.
        lines: Vec<String>,
    },
}

/// How a try went, errors of the engine included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done { note: Option<String> },
    RetryAfter { after: Duration, waiting_for: String },
    Failed { reason: String, lines: Vec<String>, stale: bool },
}

/// The first pause after an error that may pass.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

// === impl Outcome ===

impl Outcome {
    pub(crate) const fn done() -> Self {
        Self::Done { note: None }
    }

    pub(crate) fn noted(note: impl Into<String>) -> Self {
        Self::Done { note: Some(note.into()) }
    }

    /// Nothing to do.
    pub(crate) fn already_so() -> Self {
        Self::noted("already so")
    }

    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::failed_saying(reason, Vec::new())
    }

    pub(crate) fn failed_saying(reason: impl Into<String>, lines: Vec<String>) -> Self {
        Self::Failed { reason: reason.into(), lines }
    }

    /// Wait for what an engine announces: the time only bounds a lost announcement.
    pub(crate) fn until_change(waiting_for: impl Into<String>) -> Self {
        Self::RetryAfter { after: Duration::from_secs(1), waiting_for: waiting_for.into() }
    }

    /// Wait for what nobody announces.
    pub(crate) fn poll(waiting_for: impl Into<String>) -> Self {
        Self::RetryAfter { after: Duration::from_millis(10), waiting_for: waiting_for.into() }
    }
}

/// What a try means. `errors` counts the errors in a row, this one included: pauses double with
/// each of them.
pub(crate) fn verdict(result: Result<Outcome, EngineError>, errors: u32) -> Verdict {
    match result {
        Ok(Outcome::Done { note }) => Verdict::Done { note },
        Ok(Outcome::RetryAfter { after, waiting_for }) => {
            Verdict::RetryAfter { after, waiting_for }
        }
        Ok(Outcome::Failed { reason, lines }) => Verdict::Failed { reason, lines, stale: false },
        Err(EngineError { kind: ErrorKind::Retry, message }) => {
            let doubled = FIRST_PAUSE.saturating_mul(1 << errors.saturating_sub(1).min(16));
            let waiting_for = format!("the engine, which failed to {message}");
            Verdict::RetryAfter { after: doubled.min(LONGEST_PAUSE), waiting_for }
        }
        Err(error) => {
            let stale = error.kind == ErrorKind::Stale;
            let reason = format!("the engine failed to {error}");
            Verdict::Failed { reason, lines: Vec::new(), stale }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds() {
        let pause = |errors| match verdict(Err(EngineError::retry("answer")), errors) {
            Verdict::RetryAfter { after, .. } => after.as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!([1, 2, 3, 8, 40].map(pause), [50, 100, 200, 5_000, 5_000]);
    }

    #[test]
    fn only_errors_that_may_pass_are_tried_again() {
        let check = |error, expected| assert_eq!(verdict(Err(error), 1), expected);
        let failed = |reason: &str, stale| Verdict::Failed {
            reason: reason.to_owned(),
            lines: Vec::new(),
            stale,
        };
        check(EngineError::permanent("x"), failed("the engine failed to x", false));
        check(EngineError::not_found("x"), failed("the engine failed to x", false));
        check(EngineError::stale("x"), failed("the engine failed to x", true));
    }
}
