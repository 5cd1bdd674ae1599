//! Exits that nobody asked for: how long they hold starts up, and when they are a crash loop.

use super::Instance;
use kiln_engine::{CrashLoop, Exit};
use kiln_names::InstanceId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So many exits in a row before the first passing check are a crash loop.
const CRASH_LOOP_EXITS: u32 = 3;
/// The pause after the second exit in a row; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two starts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The recent exits that nobody asked for.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    slots: BTreeMap<u32, SlotFailures>,
    /// In a row, before any instance of the group passed a check.
    unproven: u32,
    /// The last one had all the time that a start may take: two more would take as long again.
    gave_up: bool,
    last: Option<(InstanceId, Exit)>,
}

/// Those of one slot: instances that die together do not hold each other's successors up.
#[derive(Debug)]
struct SlotFailures {
    /// In a row, since an instance of the slot last proved itself.
    in_a_row: u32,
    /// No start before this.
    not_before: Instant,
}

impl Failures {
    /// Counts an exit that nobody asked for.
    pub(super) fn add(&mut self, instance: &Instance, exit: Exit, now: Instant) {
        let before = self.slots.get(&instance.slot).map_or(0, |slot| slot.in_a_row);
        let in_a_row = before.saturating_add(1);
        let slot = SlotFailures { in_a_row, not_before: now + pause_after(in_a_row) };
        self.slots.insert(instance.slot, slot);
        self.unproven = if instance.passed { 0 } else { self.unproven.saturating_add(1) };
        self.gave_up = !instance.passed && instance.stopped_for.is_some();
        self.last = Some((instance.id, exit));
    }

    /// The slots that must not be filled yet, and for how long.
    pub(crate) fn pauses(&self, now: Instant) -> BTreeMap<u32, Duration> {
        let pause = |slot: &SlotFailures| slot.not_before.saturating_duration_since(now);
        let pauses = self.slots.iter().map(|(number, slot)| (*number, pause(slot)));
        pauses.filter(|(_, pause)| !pause.is_zero()).collect()
    }

    /// A slot whose instance has proved itself begins anew.
    pub(super) fn forgive(&mut self, slot: u32) {
        self.slots.remove(&slot);
    }

    /// An instance of the group has passed a check.
    pub(super) const fn prove(&mut self) {
        self.unproven = 0;
    }

    /// Whether instances keep exiting before any has passed a check.
    pub(super) fn crash_loop(&self) -> Option<CrashLoop> {
        let crashing = self.unproven >= CRASH_LOOP_EXITS || (self.unproven > 0 && self.gave_up);
        let (instance, last) = self.last.clone().filter(|_| crashing)?;
        Some(CrashLoop { exits: self.unproven, last, instance })
    }
}

/// Nothing after the first exit, then doubling.
fn pause_after(exits: u32) -> Duration {
    match exits {
        0 | 1 => Duration::ZERO,
        more => FIRST_PAUSE.saturating_mul(1 << (more - 2).min(16)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit() -> Exit {
        Exit {
            code: Some(1),
            signal: None,
            out_of_memory: false,
            cause: "exited with code 1".into(),
            at_ms: 0,
            memory_peak: None,
        }
    }

    fn instance(slot: u32, passed: bool) -> Instance {
        let address = "10.0.0.1:80".parse().unwrap();
        Instance { passed, ..Instance::new(InstanceId::from_random([1; 6]), slot, address, 0) }
    }

    #[test]
    fn pauses_between_starts_double_up_to_half_a_minute() {
        let pauses: Vec<_> = [0, 1, 2, 3, 4, 10, 99].map(|n| pause_after(n).as_millis()).into();
        assert_eq!(pauses, [0, 0, 100, 200, 400, 25_600, 30_000]);
    }

    #[test]
    fn three_exits_before_the_first_pass_are_a_crash_loop() {
        let mut failures = Failures::default();
        for exits in 1..=3 {
            assert_eq!(failures.crash_loop(), None, "after {} exits", exits - 1);
            failures.add(&instance(exits, false), exit(), Instant::now());
        }
        assert_eq!(failures.crash_loop().map(|c| c.exits), Some(3));
    }

    #[test]
    fn one_start_whose_time_ran_out_is_enough() {
        let mut failures = Failures::default();
        let stopped_for = Some("the start-up check did not pass within 60s".to_owned());
        failures.add(&Instance { stopped_for, ..instance(0, false) }, exit(), Instant::now());
        assert_eq!(failures.crash_loop().map(|c| c.exits), Some(1));
    }

    #[test]
    fn exits_of_instances_that_had_passed_are_no_crash_loop_but_slow_their_slot_down() {
        let now = Instant::now();
        let mut failures = Failures::default();
        for slot in [0, 0, 0, 0, 1] {
            failures.add(&instance(slot, true), exit(), now);
        }
        assert_eq!(failures.crash_loop(), None);
        assert_eq!(failures.pauses(now), BTreeMap::from([(0, Duration::from_millis(400))]));
        assert_eq!(failures.pauses(now + Duration::from_millis(400)), BTreeMap::new());
    }
}
