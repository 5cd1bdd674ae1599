//! Whether something fits: the one rule, for the planner that refuses and for the page that shows.
//!
//! Memory is a promise that is kept, so more than there is cannot be promised; processors go to who
//! is busy, so they may be promised twice.

use kiln_engine::Capacity;
use kiln_names::ByteSize;

/// Memory that is not promised yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    left: ByteSize,
}

impl Room {
    /// What an engine has left.
    #[must_use]
    pub const fn of(capacity: &Capacity) -> Self {
        Self { left: capacity.left.memory }
    }

    /// How much that is.
    #[must_use]
    pub const fn left(&self) -> ByteSize {
        self.left
    }

    /// The same with memory that can be had back.
    #[must_use]
    pub const fn with(&self, spare: ByteSize) -> Self {
        Self { left: ByteSize(self.left.0.saturating_add(spare.0)) }
    }

    /// Whether so much more can be promised.
    #[must_use]
    pub const fn holds(&self, needed: ByteSize) -> bool {
        needed.0 <= self.left.0
    }

    /// How many instances of the given limit can be promised their memory.
    #[must_use]
    pub const fn instances(&self, limit: ByteSize) -> u64 {
        match self.left.0.checked_div(limit.0) {
            Some(count) => count,
            None => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_engine::Resources;

    #[test]
    fn as_many_instances_fit_as_the_planner_would_take() {
        let check = |left: u64, limit: u64, expected: u64| {
            let memory = ByteSize::mib(left);
            let room = Room::of(&Capacity::unused(Resources { cpu_millis: 0, memory }));
            let limit = ByteSize::mib(limit);
            assert_eq!(room.instances(limit), expected);
            assert!(room.holds(ByteSize(limit.0 * expected)));
            assert!(!room.holds(ByteSize(limit.0 * (expected + 1))));
        };
        check(1000, 512, 1);
        check(1024, 512, 2);
        check(10, 512, 0);
    }
}
