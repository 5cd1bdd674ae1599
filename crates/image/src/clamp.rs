//! Modification times that do not depend on the day of the bake.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time that stands for "made by the bake": 2000-01-01T00:00:00Z, in seconds since 1970.
pub const PUBLISHED_TIME: i64 = 946_684_800;

/// Files are stamped with the clock of the last timer tick, which may lie this far behind the clock
/// that programs read: a tick of a 100 Hz kernel, twice.
const TICK: Duration = Duration::from_millis(20);

/// Which modification times of a tree are kept.
///
/// What a step itself wrote carries the time of that step and would differ on the next day: those
/// times become [`PUBLISHED_TIME`]. Older ones came out of packages and are kept, because compiled
/// Python files record the time of their source. All become whole seconds.
#[derive(Debug, Clone, Copy)]
pub struct Clamp {
    start: Option<(i64, u32)>,
}

impl Clamp {
    /// Keeps all times, for trees whose times were set on purpose.
    #[must_use]
    pub const fn keep() -> Self {
        Self { start: None }
    }

    /// Replaces the times from the `start` of the step on.
    #[must_use]
    pub fn from_start(start: SystemTime) -> Self {
        let start = start - TICK;
        let since = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Self { start: Some((seconds, since.subsec_nanos())) }
    }

    /// The time, in whole seconds, that a file of time `seconds` and `nanos` gets.
    pub(crate) fn apply(self, seconds: i64, nanos: u32) -> i64 {
        match self.start {
            Some(start) if (seconds, nanos) >= start => PUBLISHED_TIME,
            _ => seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_since_the_start_become_the_published_one_and_older_ones_stay() {
        let clamp = Clamp::from_start(UNIX_EPOCH + Duration::new(2_000_000_000, 500_000_000));
        for (seconds, nanos, expected) in [
            (2_000_000_001, 0, PUBLISHED_TIME),
            (2_000_000_000, 490_000_000, PUBLISHED_TIME),
            (2_000_000_000, 100_000_000, 2_000_000_000),
            (1_600_000_000, 999_999_999, 1_600_000_000),
            (-1, 0, -1),
        ] {
            assert_eq!(clamp.apply(seconds, nanos), expected, "{seconds}.{nanos}");
            assert_eq!(Clamp::keep().apply(seconds, nanos), seconds);
        }
    }
}
