//! What a router reports: its table's number, its figures, and how each instance does.

use kiln_names::{GroupId, InstanceId};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// The state of a router at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The change sequence: grows when a table is applied, an instance's health changes, or the last
    /// request in flight of a removed instance ends. It begins anew with every router process.
    pub seq: u64,
    /// The epoch of the table in force; 0 before the first.
    pub epoch: u64,
    /// The version of the table in force; 0 before the first.
    pub version: u64,
    /// Where traffic is taken.
    pub listen: SocketAddr,
    /// The router's process.
    pub pid: u32,
    /// The groups in the table.
    pub groups: Vec<GroupStatus>,
    /// The instances in the table, and those that left it with requests still in flight.
    pub instances: Vec<InstanceStatus>,
}

impl Status {
    /// Refuses what no router says: whoever reads it trusts these bounds.
    ///
    /// # Errors
    /// The first mistake, in words.
    pub fn check(&self) -> Result<(), String> {
        let most = crate::table::MAX_ENTRIES;
        if self.groups.len() > most || self.instances.len() > most {
            return Err(format!("a status has at most {most} groups and instances"));
        }
        if self.groups.iter().any(|group| group.latency.counts.len() > Latency::BUCKETS) {
            return Err(format!("a histogram has at most {} buckets", Latency::BUCKETS));
        }
        if self.instances.iter().any(|instance| instance.last_check.len() > MAX_CHECK_BYTES) {
            return Err(format!("an answer of a check has at most {MAX_CHECK_BYTES} B"));
        }
        Ok(())
    }
}

/// The longest answer of a check that is told of.
const MAX_CHECK_BYTES: usize = 4096;

/// The figures of one group since it came into the table of this router process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// The group.
    pub id: GroupId,
    /// Requests answered, by its instances or, where they failed, for them.
    pub requests: u64,
    /// Answers by class: 1xx, 2xx, 3xx, 4xx, 5xx.
    pub statuses: [u64; 5],
    /// Answers that an instance began and did not finish.
    pub broken: u64,
    /// The time from the request's head to the answer's head.
    pub latency: Latency,
    /// Requests in flight now.
    pub in_flight: u64,
}

/// A histogram of times in microseconds. Buckets are four to the doubling, so that a time read from
/// one is at most a quarter too long (the layout of `HdrHistogram` with two significant bits).
/// Bucket `i` < 4 holds `i` µs; after those, bucket `4 * e + m` ends below `(5 + m) << (e - 1)` µs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latency {
    /// How many fell into each bucket; empty buckets at the end are left out.
    pub counts: Vec<u64>,
}

/// One instance as the router sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// The instance.
    pub id: InstanceId,
    /// Its group.
    pub group: GroupId,
    /// Its health.
    pub health: Health,
    /// For how many milliseconds it has been in that health.
    pub since_ms: u64,
    /// The last check's answer, such as `GET / → 500 Internal Server Error: out of disk`, empty
    /// before the first.
    pub last_check: String,
    /// Requests in flight, an upgraded connection counting as one.
    pub in_flight: u64,
    /// Whether it has left the table and waits for its last request to end.
    pub draining: bool,
}

/// What the checks say of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not passed a check yet; takes no traffic.
    Starting,
    /// In a group with weight when this router process started from its last table, and not checked
    /// since. Takes traffic, so that a router that comes back carries traffic at once; the first
    /// check decides.
    Presumed,
    /// Passing; takes traffic.
    Healthy,
    /// Failed too many checks in a row; takes no traffic until it passes one.
    Unhealthy,
    /// Did not pass within the start-up timeout; checked further, and healthy once it passes.
    Failed,
}

impl Health {
    /// Whether an instance in this health takes traffic.
    #[must_use]
    pub fn takes_traffic(self) -> bool {
        matches!(self, Self::Healthy | Self::Presumed)
    }
}

impl Latency {
    /// How many buckets there are: enough for 2^32 µs, over an hour; what is longer falls in the last.
    pub(crate) const BUCKETS: usize = 31 * 4;

    /// The bucket of a time.
    pub(crate) fn bucket(time: Duration) -> usize {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        if micros < 4 {
            return micros as usize;
        }
        let exponent = micros.ilog2() - 1;
        (exponent * 4 + (micros >> (exponent - 1)) - 4) as usize
    }

    /// The first time, in microseconds, that is too long for a bucket.
    fn end(bucket: usize) -> u64 {
        if bucket < 4 {
            return bucket as u64 + 1;
        }
        (bucket as u64 % 4 + 5) << (bucket / 4 - 1)
    }

    /// How many times fell below each end, in microseconds, and not below the one before.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().enumerate().map(|(bucket, count)| (Self::end(bucket), *count))
    }

    /// Adds what another recorded.
    pub fn add(&mut self, other: &Self) {
        let longer = self.counts.len().max(other.counts.len());
        self.counts.resize(longer, 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| {
            *count = count.saturating_add(*more);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_each_time_lies_before_its_buckets_end() {
        let times = (0..5000).chain((13..32).flat_map(|bit| [(1 << bit) - 1, 1 << bit]));
        let mut last = 0;
        for micros in times {
            let bucket = Latency::bucket(Duration::from_micros(micros));
            assert!(bucket >= last && bucket < Latency::BUCKETS, "{micros}");
            assert!(micros < Latency::end(bucket), "{micros} in {bucket}");
            assert!(Latency::end(bucket) <= micros + micros / 4 + 1, "{micros} in {bucket}");
            last = bucket;
        }
        assert!(Latency::bucket(Duration::from_secs(86_400)) < Latency::BUCKETS);
    }

    #[test]
    fn histograms_of_different_length_add_up_bucket_by_bucket() {
        let mut all = Latency { counts: vec![1, 2] };
        all.add(&Latency { counts: vec![0, 3, 7] });
        let ends = vec![(1, 1), (2, 5), (3, 7)];
        assert_eq!(all.buckets().collect::<Vec<_>>(), ends);
    }
}
