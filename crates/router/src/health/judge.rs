//! What an instance's health becomes after a check. Pure.

use crate::status::Health;

/// The health so far and the failures in a row.
#[derive(Debug)]
pub struct Judge {
    health: Health,
    failures: u32,
    /// No pass yet, and the start-up timeout not over: checks come quickly.
    starting: bool,
}

impl Judge {
    /// Begins with what is known.
    #[must_use]
    pub fn new(health: Health) -> Self {
        let starting = matches!(health, Health::Starting | Health::Presumed);
        Self { health, failures: 0, starting }
    }

    /// Whether the next check is a start-up check.
    #[must_use]
    pub const fn is_starting(&self) -> bool {
        self.starting
    }

    /// The health after one more check. `late` says that the start-up timeout is over.
    pub fn after(&mut self, passed: bool, threshold: u32, late: bool) -> Health {
        self.failures = if passed { 0 } else { self.failures.saturating_add(1) };
        self.health = match self.health {
            _ if passed => Health::Healthy,
            Health::Starting | Health::Unhealthy if self.starting && late => Health::Failed,
            // It was taken on trust; the first check that disagrees ends that.
            Health::Presumed => Health::Unhealthy,
            Health::Healthy if self.failures >= threshold => Health::Unhealthy,
            unchanged => unchanged,
        };
        self.starting &= !passed && !late;
        self.health
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Health::{Failed, Healthy, Presumed, Starting, Unhealthy};

    /// Feeds checks (`+` pass, `-` fail, `x` fail after the start-up timeout), threshold 3.
    fn check(from: Health, checks: &str, expected: &[Health]) {
        let mut judge = Judge::new(from);
        let after = |sign| judge.after(sign == '+', 3, sign == 'x');
        let seen: Vec<Health> = checks.chars().map(after).collect();
        assert_eq!(seen, expected, "{from:?} {checks}");
    }

    #[test]
    fn an_instance_is_starting_until_its_first_pass() {
        check(Starting, "---+", &[Starting, Starting, Starting, Healthy]);
    }

    #[test]
    fn an_instance_that_does_not_pass_in_time_has_failed_until_it_passes() {
        check(Starting, "-xx-+", &[Starting, Failed, Failed, Failed, Healthy]);
    }

    #[test]
    fn a_healthy_instance_may_fail_twice_in_a_row() {
        check(Healthy, "--+--+", &[Healthy; 6]);
        check(Healthy, "---+", &[Healthy, Healthy, Unhealthy, Healthy]);
        check(Healthy, "xx", &[Healthy, Healthy]);
    }

    #[test]
    fn a_presumption_ends_with_the_first_check() {
        check(Presumed, "+", &[Healthy]);
        check(Presumed, "--x", &[Unhealthy, Unhealthy, Failed]);
    }

    #[test]
    fn start_up_checks_end_with_a_pass_or_the_timeout() {
        for (sign, expected) in
            [((false, false), true), ((true, false), false), ((false, true), false)]
        {
            let mut judge = Judge::new(Starting);
            judge.after(sign.0, 3, sign.1);
            assert_eq!(judge.is_starting(), expected);
        }
    }
}
