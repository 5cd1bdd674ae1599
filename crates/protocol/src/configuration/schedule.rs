//! `schedule`: how many instances there are at which time of the week.

use super::MAX_INSTANCES;
use crate::document::{Mistake, Reader};
use kiln_names::Invalid;
use serde::{Deserialize, Serialize};

const ENTRY: &[&str] = &["at", "min", "max"];
/// The most entries: four for each day.
const MAX_ENTRIES: usize = 28;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
/// The first of January 1970 was a Thursday.
const FIRST_DAY: u64 = 3;

/// From a time on, every week, until the next entry's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduled {
    /// From when on.
    pub at: WeekTime,
    /// The fewest instances; exactly so many where the size follows nothing else.
    pub min: u32,
    /// The most instances; what holds otherwise, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// A time on some days of the week, in UTC: `07:00`, `mon-fri 07:00`, `sat,sun 10:30`.
#[derive(Clone, PartialEq, Eq)]
pub struct WeekTime {
    text: String,
    /// A bit for each day, Monday the lowest.
    days: u8,
    /// Of the day.
    minute: u32,
}

impl WeekTime {
    /// Reads `[DAYS ]HH:MM`.
    ///
    /// # Errors
    /// [`Invalid`], with the form, when it is no such time.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let form = "HH:MM in UTC, after days if not daily: mon-fri 07:00, or sat,sun 10:30";
        let invalid = || Invalid::new(text, "a time of the week", form);
        let (days, time) = match text.split_once(' ') {
            Some((days, time)) => (days_of(days).ok_or_else(invalid)?, time),
            None => (0x7f, text),
        };
        let minute = minute_of(time).ok_or_else(invalid)?;
        Ok(Self { text: text.to_owned(), days, minute })
    }

    /// How many minutes ago it was last.
    fn ago(&self, now: u32) -> u32 {
        let on = (0_u32..7).filter(|day| self.days >> day & 1 == 1);
        let ago = on.map(|day| (now + WEEK - (day * DAY + self.minute)) % WEEK);
        ago.min().unwrap_or(WEEK)
    }
}

/// `mon`, `mon-fri`, `sat,sun`, `fri-mon`.
fn days_of(text: &str) -> Option<u8> {
    let number = |name: &str| DAYS.iter().position(|day| *day == name);
    text.split(',').try_fold(0, |days, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        let length = (last + 7 - first) % 7;
        Some((first..=first + length).fold(days, |days, day| days | 1 << (day % 7)))
    })
}

fn minute_of(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number = |part: &str, below: u32| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u32>().ok().filter(|number| digits && *number < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

impl std::fmt::Display for WeekTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
kiln_names::checked_text!(WeekTime);

/// The entry that holds at a time, in milliseconds since 1970: the one that was last.
#[must_use]
pub fn in_force(schedule: &[Scheduled], at_ms: u64) -> Option<&Scheduled> {
    let minutes = at_ms / 60_000 + FIRST_DAY * u64::from(DAY);
    let now = u32::try_from(minutes % u64::from(WEEK)).expect("a week has 10,080 minutes");
    schedule.iter().min_by_key(|entry| entry.at.ago(now))
}

pub(super) fn schedule(list: &Reader<'_>) -> Result<Vec<Scheduled>, Mistake> {
    list.each("entries", MAX_ENTRIES, |item| {
        let fields = item.fields(ENTRY)?;
        let at = fields.require("at")?.parse()?;
        let min = fields.require("min")?.whole(0..=MAX_INSTANCES)?;
        let max = fields.read("max", |max| max.whole(min..=MAX_INSTANCES))?;
        Ok(Scheduled { at, min, max })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::DeploymentParams;

    /// Monday the 4th of January 2027, at midnight.
    const MONDAY_MS: u64 = 1_799_020_800_000;

    fn read(text: &str) -> Result<Vec<Scheduled>, String> {
        let text = format!(r#"{{"min": 1, "schedule": {text}}}"#);
        let params = DeploymentParams::parse(&text).map_err(|mistake| mistake.to_string())?;
        let (app, env) = ("hello".parse().unwrap(), "prod".parse().unwrap());
        Ok(params.resolve(&app, &env, &"web".parse().unwrap(), true).schedule)
    }

    fn at(schedule: &[Scheduled], day: u64, hour: u64, minute: u64) -> u32 {
        let now_ms = MONDAY_MS + ((day * 24 + hour) * 60 + minute) * 60_000;
        in_force(schedule, now_ms).unwrap().min
    }

    #[test]
    fn the_entry_that_was_last_holds() {
        let schedule = read(
            r#"[{"at": "mon-fri 07:00", "min": 6}, {"at": "20:00", "min": 2},
                {"at": "sat,sun 10:30", "min": 3}]"#,
        );
        let schedule = schedule.unwrap();
        assert_eq!(at(&schedule, 0, 0, 0), 2, "since Sunday evening");
        assert_eq!(at(&schedule, 0, 6, 59), 2);
        assert_eq!(at(&schedule, 0, 7, 0), 6);
        assert_eq!(at(&schedule, 4, 19, 59), 6);
        assert_eq!(at(&schedule, 4, 20, 0), 2);
        assert_eq!(at(&schedule, 5, 10, 29), 2);
        assert_eq!(at(&schedule, 6, 10, 30), 3);
        assert_eq!(in_force(&[], 0), None);
    }

    #[test]
    fn days_may_go_round_the_end_of_the_week() {
        let time = WeekTime::parse("fri-mon 00:00").unwrap();
        assert_eq!(time.days, 0b111_0001);
        assert_eq!(WeekTime::parse("wed 00:00").unwrap().days, 0b100);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, told) in [
            (r#"[{"min": 1}]"#, "at"),
            (r#"[{"at": "07:00"}]"#, "min"),
            (r#"[{"at": "7:00", "min": 1}]"#, "HH:MM"),
            (r#"[{"at": "24:00", "min": 1}]"#, "HH:MM"),
            (r#"[{"at": "mon-xyz 07:00", "min": 1}]"#, "HH:MM"),
            (r#"[{"at": "mon  07:00", "min": 1}]"#, "HH:MM"),
            (r#"[{"at": "07:00", "min": 5, "max": 4}]"#, "from 5 to 1000"),
            (r#"[{"at": "07:00", "min": 5, "desired": 4}]"#, "desired"),
        ] {
            let mistake = read(text).unwrap_err();
            assert!(mistake.contains(told), "{text}: {mistake}");
        }
    }
}
