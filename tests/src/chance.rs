//! Chance that can be had again: every number follows from a seed, and the seed is shown.

use crate::note;
use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Set to a seed that a test has shown, the same numbers come again.
const SEED: &str = "KILN_TESTS_SEED";

/// A source of numbers (splitmix64, by Sebastiano Vigna).
#[derive(Debug)]
pub struct Chance(Cell<u64>);

impl Chance {
    /// One with the seed from `KILN_TESTS_SEED`, or else a new one; shows which.
    ///
    /// # Panics
    /// When the variable holds no number.
    #[must_use]
    pub fn announced() -> Self {
        let seed = given().unwrap_or_else(fresh);
        note(&format!("seed {seed}: {SEED}={seed} makes the same choices again"));
        Self(Cell::new(seed))
    }

    /// A time below `limit`, to the microsecond.
    ///
    /// # Panics
    /// When `limit` is nothing.
    pub fn time_below(&self, limit: Duration) -> Duration {
        let micros = u64::try_from(limit.as_micros()).expect("tests are shorter");
        Duration::from_micros(self.next() % micros)
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn one_of<'a, T>(&self, these: &'a [T]) -> &'a T {
        let index = usize::try_from(self.next() % these.len() as u64).expect("below a length");
        &these[index]
    }

    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no settings but the environment")]
fn given() -> Option<u64> {
    let text = std::env::var(SEED).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{SEED} is {text:?}, which is no number")))
}

#[expect(clippy::disallowed_methods, reason = "any number does that is another one each time")]
fn fresh() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ since.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let [one, other] = [(); 2].map(|()| Chance(Cell::new(7)));
        let limit = Duration::from_millis(300);
        for _ in 0..100 {
            let time = one.time_below(limit);
            assert!(time < limit);
            assert_eq!(time, other.time_below(limit));
        }
        assert_ne!(one.next(), Chance(Cell::new(8)).next());
    }
}
