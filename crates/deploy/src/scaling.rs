//! How many instances a load needs. Pure.
//!
//! Target tracking, as Kubernetes' horizontal pod autoscaler does it: the number of instances times what
//! each has over what each is to have, rounded up; within a tenth of the target nothing changes. More
//! come at once; fewer only when fewer have done for the whole of a while, and then as many as the
//! busiest moment of it needed. (Kubernetes documentation, *Horizontal Pod Autoscaling*, "Algorithm
//! details".)

use kiln_protocol::configuration::{ProcessParams, Scale, ScaleBy, in_force};
use std::collections::VecDeque;

/// How far from the target is near enough.
const TOLERANCE: f64 = 0.1;

/// What was needed lately.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// When, in milliseconds, and how many instances.
    lately: VecDeque<(u64, u32)>,
    /// Since when that is known.
    since_ms: Option<u64>,
}

/// How many instances a load needs of which each has so much now.
pub(crate) fn needed(scale: &Scale, each: f64, instances: u32, (min, max): (u32, u32)) -> u32 {
    let ratio = each / f64::from(scale.target);
    if (ratio - 1.0).abs() <= TOLERANCE {
        return instances.clamp(min, max);
    }
    let needed = (f64::from(instances) * ratio).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    (needed as u32).clamp(min, max)
}

/// The fewest and the most instances at a time, in milliseconds since 1970.
pub(crate) fn bounds(params: &ProcessParams, now_ms: u64) -> (u32, u32) {
    match in_force(&params.schedule, now_ms) {
        None => (params.min, params.max),
        Some(entry) if params.scale.is_none() => (entry.min, entry.min),
        Some(entry) => (entry.min, entry.max.unwrap_or(params.max).max(entry.min)),
    }
}

/// "the schedule asks for 6 from mon-fri 07:00 on"
pub(crate) fn by_the_clock(params: &ProcessParams, now_ms: u64) -> String {
    let (min, max) = bounds(params, now_ms);
    let asked = if min == max { min.to_string() } else { format!("{min} to {max}") };
    match in_force(&params.schedule, now_ms) {
        Some(entry) => format!("the schedule asks for {asked} from {} on", entry.at),
        None => format!("the configuration asks for {asked}"),
    }
}

impl Needs {
    /// Notes what is needed now, and answers with how many there should be.
    pub(crate) fn note(&mut self, scale: &Scale, now_ms: u64, needed: u32, instances: u32) -> u32 {
        let window = u64::try_from(scale.scale_in_after.get().as_millis()).unwrap_or(u64::MAX);
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        self.lately.push_back((now_ms, needed));
        while self.lately.front().is_some_and(|(at, _)| now_ms.saturating_sub(*at) > window) {
            self.lately.pop_front();
        }
        let most = self.lately.iter().map(|(_, needed)| *needed).max().unwrap_or(needed);
        let whole = now_ms.saturating_sub(since_ms) >= window;
        if needed > instances {
            needed
        } else if whole && most < instances {
            most
        } else {
            instances
        }
    }
}

/// "cpu 92 % of each, where 60 % are wanted"
pub(crate) fn reason(scale: &Scale, each: f64) -> String {
    let (unit, what) = match scale.by {
        ScaleBy::Cpu => (" %", "of its processor"),
        ScaleBy::InFlight => ("", "requests in flight"),
        ScaleBy::Requests => ("", "requests a second"),
    };
    format!("each has {each:.1}{unit} {what}, and {}{unit} is the target", scale.target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_names::Span;

    fn scale(target: u32) -> Scale {
        Scale { by: ScaleBy::Cpu, target, scale_in_after: Span::seconds(60) }
    }

    #[test]
    fn as_many_are_needed_as_bring_each_to_the_target() {
        let of = |each, instances| needed(&scale(50), each, instances, (2, 10));
        assert_eq!(of(100.0, 2), 4);
        assert_eq!(of(51.0, 4), 4, "near enough");
        assert_eq!(of(56.0, 4), 5);
        assert_eq!(of(10.0, 8), 2);
        assert_eq!(of(0.0, 8), 2, "never below min");
        assert_eq!(of(1_000.0, 8), 10, "never beyond max");
        assert_eq!(of(f64::INFINITY, 8), 10);
    }

    #[test]
    fn more_come_at_once_and_fewer_after_a_while() {
        let (scale, mut needs) = (scale(50), Needs::default());
        assert_eq!(needs.note(&scale, 0, 4, 2), 4);
        assert_eq!(needs.note(&scale, 10_000, 2, 4), 4);
        assert_eq!(needs.note(&scale, 59_000, 3, 4), 4, "the window is not whole yet");
        // The first moment, which needed 4, is over; the busiest since then needed 3.
        assert_eq!(needs.note(&scale, 61_000, 2, 4), 3);
        assert_eq!(needs.note(&scale, 130_000, 2, 3), 2);
    }

    #[test]
    fn a_server_that_has_just_begun_takes_nobody_away() {
        let mut needs = Needs::default();
        assert_eq!(needs.note(&scale(50), 1_000_000, 1, 5), 5);
    }
}
