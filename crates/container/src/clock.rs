//! The time of day, as records and log lines write it.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A moment, shown in RFC 3339 with nanoseconds and in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    seconds: i64,
    nanos: i64,
}

impl Timestamp {
    /// Now. The shim stamps what it sees; nothing decides by it.
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Realtime);
        Self { seconds: now.tv_sec, nanos: now.tv_nsec }
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, second) = (self.seconds.div_euclid(86_400), self.seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        let (second, nanos) = (second % 60, self.nanos);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

/// The Gregorian date of a day counted from 1970-01-01. Counts in eras of 400 years and in years
/// that begin in March, so that the leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Lets time pass where a process has nothing else to do: the shim, and waits on the kernel that
/// have no event to wait for.
pub(crate) fn pause(time: Duration) {
    let time = rustix::time::Timespec::try_from(time).expect("a pause is short");
    // Woken early by a signal: every caller asks again whether it is time.
    let _woken = rustix::thread::nanosleep(&time);
}

/// Asks every millisecond or so until `done` says yes or `limit` has passed; says which.
pub(crate) fn poll_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = std::time::Instant::now() + limit;
    let mut wait = Duration::from_micros(200);
    loop {
        if done() {
            return true;
        }
        if std::time::Instant::now() >= deadline {
            return false;
        }
        pause(wait);
        wait = (wait * 2).min(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_in_rfc_3339() {
        let check = |seconds, nanos, expected: &str| {
            assert_eq!(Timestamp { seconds, nanos }.to_string(), expected);
        };
        check(0, 0, "1970-01-01T00:00:00.000000000Z");
        check(1_475_711_829, 669_794_202, "2016-10-05T23:57:09.669794202Z");
        check(951_782_400, 1, "2000-02-29T00:00:00.000000001Z");
        check(4_107_542_399, 999_999_999, "2100-02-28T23:59:59.999999999Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z");
    }
}
