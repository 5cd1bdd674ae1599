//! Chance that can be had again: every choice of a history follows from its seed.

/// Set to a seed that a failure has shown, that one history happens again.
pub(crate) const SEED: &str = "KILN_TESTS_SEED";
/// How many histories there are, in the place of the default.
pub(crate) const HISTORIES: &str = "KILN_TESTS_HISTORIES";
/// For how many seconds histories go on, whatever their number, with seeds of their own.
pub(crate) const SECONDS: &str = "KILN_TESTS_SECONDS";

/// A source of numbers (splitmix64, by Sebastiano Vigna).
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Whether one case in so many has come.
    pub(crate) fn one_in(&mut self, cases: u64) -> bool {
        self.below(cases) == 0
    }

    /// One of these; none of none.
    pub(crate) fn one_of<'a, T>(&mut self, these: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(these.len()).unwrap();
        let at = if count == 0 { 0 } else { self.below(count) };
        these.get(usize::try_from(at).unwrap())
    }
}

/// A number that whoever runs the tests sets.
#[expect(clippy::disallowed_methods, reason = "tests have no settings but the environment")]
pub(crate) fn given(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number")))
}

/// A seed that nobody had before.
#[expect(clippy::disallowed_methods, reason = "any number does that is another one each time")]
pub(crate) fn fresh() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs() * 1_000_000
}
