//! Versions that Kiln names itself: `YYYYMMDD.N`, the day in UTC. Pure.

use jiff::{Timestamp, tz::TimeZone};
use kiln_names::Version;

/// What such versions look like, as a `GLOB` pattern: eight digits, a dot, and one digit at least.
pub(crate) const PATTERN: &str = "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9].[0-9]*";

/// The day of `at_ms` milliseconds since 1970, as `20261121`.
pub(crate) fn day(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC).strftime("%Y%m%d").to_string()
}

/// The number of `version` if it is one of that day.
pub(crate) fn number_of(version: &Version, day: &str) -> Option<u64> {
    let number = version.as_str().strip_prefix(day)?.strip_prefix('.')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
}

/// The version after all `taken` ones of the day.
pub(crate) fn next<'v>(day: &str, taken: impl Iterator<Item = &'v Version>) -> Version {
    let highest = taken.filter_map(|version| number_of(version, day)).max().unwrap_or(0);
    let next = format!("{day}.{}", highest.saturating_add(1));
    Version::parse(&next).expect("digits and a dot make a version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        assert_eq!(day(0), "19700101");
        assert_eq!(day(1_795_219_199_999), "20261120");
        assert_eq!(day(1_795_219_200_000), "20261121");
    }

    #[test]
    fn numbers_go_on_after_the_highest_of_the_day() {
        let taken: Vec<Version> =
            ["20261121.2", "20261121.10", "20261120.77", "20261121.x", "3.14"]
                .map(|text| Version::parse(text).unwrap())
                .into();
        assert_eq!(next("20261121", taken.iter()).as_str(), "20261121.11");
        assert_eq!(next("20261122", taken.iter()).as_str(), "20261122.1");
    }
}
