//! Spans of time as people write them.

use crate::text::{Invalid, checked_text};
use std::time::Duration;

/// A span such as `30s`, `250ms`, `15m`, `2h`, `7d`: one whole number and one unit, at most 365 days.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(Duration);

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const MAX_MS: u64 = 365 * 86_400_000;

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// `count` milliseconds.
    #[must_use]
    pub const fn millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// `count` seconds.
    #[must_use]
    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// The span as the standard library's type.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Reads a whole number and a unit.
    ///
    /// # Errors
    /// [`Invalid`] for another form or more than 365 days.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = "a whole number with ms, s, m, h or d, such as 30s; at most 365d";
        let invalid = || Invalid::new(text, "a duration", rule);
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let scale = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?.1;
        let millis = number.checked_mul(scale).filter(|ms| *ms <= MAX_MS).ok_or_else(invalid)?;
        Ok(Self::millis(millis))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let exact = |scale: u64| millis != 0 && millis.is_multiple_of(scale);
        let (unit, scale) = UNITS.iter().find(|(_, scale)| exact(*scale)).unwrap_or(&("s", 1_000));
        write!(f, "{}{unit}", millis / scale)
    }
}
checked_text!(Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_what_it_shows() {
        for text in ["0s", "10ms", "30s", "15m", "2h", "7d", "90s"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn spans_without_a_unit_or_beyond_a_year_are_refused() {
        for bad in ["", "30", "s", "-1s", "1.5s", "366d", "1w", "1s 2ms"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }
}
