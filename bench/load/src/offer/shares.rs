//! Which kind's turn it is.

use crate::Kind;

/// Kinds with their shares, spread evenly and always in the same order.
#[derive(Debug)]
pub(super) struct Shares {
    kinds: Vec<(Kind, u32)>,
    /// How much each kind is owed, in parts of a request of which the sum of the shares makes one.
    owed: Vec<i64>,
}

impl Shares {
    pub(super) fn new(kinds: Vec<(Kind, u32)>) -> Self {
        let owed = vec![0; kinds.len()];
        Self { kinds, owed }
    }

    /// The kind that is owed the most.
    pub(super) fn next(&mut self) -> Kind {
        for ((_, share), owed) in self.kinds.iter().zip(&mut self.owed) {
            *owed += i64::from(*share);
        }
        let sum: i64 = self.kinds.iter().map(|(_, share)| i64::from(*share)).sum();
        let most = (0..self.owed.len()).max_by_key(|n| self.owed[*n]).unwrap_or_default();
        self.owed[most] -= sum;
        self.kinds[most].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_gets_its_share_and_none_has_to_wait_for_long() {
        let kinds = vec![(Kind::KeepAlive, 7), (Kind::NewConnection, 2), (Kind::Upload, 1)];
        let mut shares = Shares::new(kinds);
        let turns: Vec<Kind> = (0..1000).map(|_| shares.next()).collect();
        let count = |kind| turns.iter().filter(|turn| **turn == kind).count();
        assert!(count(Kind::Upload).abs_diff(100) <= 1, "{}", count(Kind::Upload));
        assert!(count(Kind::NewConnection).abs_diff(200) <= 1, "{}", count(Kind::NewConnection));
        assert!(turns.windows(20).all(|some| some.contains(&Kind::Upload)));
    }
}
