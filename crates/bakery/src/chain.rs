//! Keys of the bake cache: equal keys, equal layers.

use kiln_names::Digest;
use serde::Serialize;

/// Part of every key. Raised when a step comes to leave another layer for the same inputs, as when
/// the scrub list changes.
const FORMAT: u32 = 1;

/// All layers so far, in one digest.
///
/// It is made of what the layers hold, not of how they were made: a step that is done again and
/// leaves the same layer leaves everything above it cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain(Digest);

impl Chain {
    /// No layer at all.
    pub(crate) fn empty() -> Self {
        Self(Digest::of(b""))
    }

    /// These layers, the lowest first.
    pub(crate) fn of(layers: &[Digest]) -> Self {
        layers.iter().fold(Self::empty(), |chain, diff_id| chain.then(diff_id))
    }

    /// One more layer on top.
    pub(crate) fn then(self, diff_id: &Digest) -> Self {
        Self(Digest::of(format!("{}\n{diff_id}", self.0).as_bytes()))
    }

    /// The key of what `step` makes of these layers with `inputs`, which hold all that it reads.
    pub(crate) fn key(self, step: &str, inputs: &impl Serialize) -> Digest {
        let key = serde_json::to_vec(&(FORMAT, self.0, step, inputs));
        Digest::of(&key.expect("inputs are plain data with text keys"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_changes_with_each_thing_it_is_made_of() {
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let keys = [
            Chain::of(&[one, two]).key("run", &["a"]),
            Chain::of(&[two, one]).key("run", &["a"]),
            Chain::of(&[one]).key("run", &["a"]),
            Chain::empty().key("run", &["a"]),
            Chain::of(&[one, two]).key("copy", &["a"]),
            Chain::of(&[one, two]).key("run", &["b"]),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], Chain::of(&[one]).then(&two).key("run", &["a"]));
    }
}
