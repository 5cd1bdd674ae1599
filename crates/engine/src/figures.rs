//! What traffic counts of requests.

use kiln_names::GroupId;
use std::time::Duration;

/// What was counted of the requests to one group since the traffic knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// The group.
    pub group: GroupId,
    /// Who counted: figures of others are no continuation of these.
    pub by: u64,
    /// Requests that were answered, by its instances or for them.
    pub requests: u64,
    /// Those of them that were answered with 5xx, or not to their end.
    pub failed: u64,
    /// Times until the answer's head: how many lie below each end, in microseconds, and not below
    /// the one before; ascending.
    pub times: Vec<(u64, u64)>,
}

impl Figures {
    /// The time that the given share of all (0 to 1) did not exceed, as the end of its bucket;
    /// nothing when nothing was counted.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank needs no more than the 52 bits of a float"
    )]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let all: u64 = self.times.iter().map(|(_, count)| count).sum();
        let rank = ((all as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.times.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_micros(found.0))
    }

    /// How many certainly took as long as `limit` or longer: a bucket counts when it begins there.
    #[must_use]
    pub fn no_faster_than(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let begins = std::iter::once(0).chain(self.times.iter().map(|(end, _)| *end));
        let slow = self.times.iter().zip(begins).filter(|(_, begin)| *begin >= limit);
        slow.map(|((_, count), _)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_slow_ones_are_read_from_buckets() {
        let group = GroupId::from_random([1; 4]);
        let times = vec![(1_000, 90), (2_000, 0), (4_000, 10)];
        let figures = Figures { group, by: 0, requests: 100, failed: 0, times };
        assert_eq!(figures.quantile(0.5), Some(Duration::from_millis(1)));
        assert_eq!(figures.quantile(0.95), Some(Duration::from_millis(4)));
        assert_eq!(figures.no_faster_than(Duration::from_millis(2)), 10);
        assert_eq!(figures.no_faster_than(Duration::from_millis(3)), 0, "some may be faster");
        let none = Figures { times: Vec::new(), ..figures };
        assert_eq!(none.quantile(0.5), None);
    }
}
