//! The figures of one group, counted without locks and without sharing cache lines.

use crate::shard::Sharded;
use crate::status::{GroupStatus, Latency};
use http::StatusCode;
use kiln_names::GroupId;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counts of one group. They live as long as the group is in the table.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) id: GroupId,
    counts: Sharded<Counts>,
}

/// One thread's share of the counts. `ended` and `begun` may be counted by different threads: only
/// their sums over all shards mean something.
#[derive(Debug)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    statuses: [AtomicU64; 5],
    broken: AtomicU64,
    latency: [AtomicU64; Latency::BUCKETS],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            begun: AtomicU64::default(),
            ended: AtomicU64::default(),
            statuses: Default::default(),
            broken: AtomicU64::default(),
            latency: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

impl Figures {
    pub(crate) fn new(id: GroupId) -> Self {
        Self { id, counts: Sharded::default() }
    }

    /// A request was given to one of the group's instances.
    pub(crate) fn begun(&self) {
        self.counts.mine().begun.fetch_add(1, Relaxed);
    }

    /// It holds the instance no longer.
    pub(crate) fn ended(&self) {
        self.counts.mine().ended.fetch_add(1, Relaxed);
    }

    /// The head of its answer came, or was made up for it, after `time`.
    pub(crate) fn answered(&self, status: StatusCode, time: Duration) {
        let counts = self.counts.mine();
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        counts.statuses[class].fetch_add(1, Relaxed);
        counts.latency[Latency::bucket(time)].fetch_add(1, Relaxed);
    }

    /// The instance left its answer unfinished.
    pub(crate) fn broken(&self) {
        self.counts.mine().broken.fetch_add(1, Relaxed);
    }

    /// The sums, as they are reported.
    pub(crate) fn status(&self) -> GroupStatus {
        let sum = |of: &dyn Fn(&Counts) -> u64| self.counts.all().map(of).sum::<u64>();
        let ended = sum(&|counts| counts.ended.load(Relaxed));
        let begun = sum(&|counts| counts.begun.load(Relaxed));
        let statuses: [u64; 5] =
            std::array::from_fn(|class| sum(&|counts| counts.statuses[class].load(Relaxed)));
        let bucket = |bucket: usize| sum(&|counts| counts.latency[bucket].load(Relaxed));
        let mut counts: Vec<u64> = (0..Latency::BUCKETS).map(bucket).collect();
        counts.truncate(counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1));
        GroupStatus {
            id: self.id,
            requests: statuses.iter().sum(),
            statuses,
            broken: sum(&|counts| counts.broken.load(Relaxed)),
            latency: Latency { counts },
            in_flight: begun.saturating_sub(ended),
        }
    }
}
