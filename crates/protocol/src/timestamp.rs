//! Instants as they cross the wire.

use kiln_names::Invalid;

/// An instant, in milliseconds since 1970. Written as RFC 3339 in UTC, such as
/// `2026-11-21T00:55:59.123Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Reads RFC 3339 of any offset.
    ///
    /// # Errors
    /// [`Invalid`] for another form, and for instants before 1970.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new(text, "an instant", "RFC 3339, such as 2026-11-21T00:55:59Z");
        let instant: jiff::Timestamp = text.parse().map_err(|_| invalid())?;
        u64::try_from(instant.as_millisecond()).map(Self).map_err(|_| invalid())
    }

    /// How many milliseconds it is after `earlier`; 0 if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        let instant = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{instant:.3}")
    }
}
kiln_names::checked_text!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_back_what_it_shows() {
        let instant = Timestamp(1_795_222_559_120);
        assert_eq!(instant.to_string(), "2026-11-21T00:55:59.120Z");
        assert_eq!(Timestamp::parse("2026-11-21T00:55:59.120Z"), Ok(instant));
        assert_eq!(Timestamp::parse("2026-11-21T01:55:59.12+01:00"), Ok(instant));
        assert!(Timestamp::parse("yesterday").is_err());
        assert!(Timestamp::parse("1969-12-31T00:00:00Z").is_err());
    }
}
