//! What must hold for any input at all: nothing panics, nothing reaches out, what is taken reads
//! back as it was taken, and what is refused is refused in few words and leaves nothing.
//!
//! Each function is the body of a fuzz target in `fuzz/`, and panics when its property does not
//! hold. The tests of this crate run the seeds of the targets through them, so that they compile
//! and hold without a fuzzer.

#![expect(clippy::unwrap_used, reason = "a property that does not hold panics")]

mod archive;
mod configuration;
mod control;
mod names;
mod place;
mod recipe;
mod unpack;

pub use archive::archive;
pub use configuration::configuration;
pub use control::control;
pub use names::names;
pub use recipe::recipe;
pub use unpack::unpack;

use std::error::Error;
use std::fmt::Debug;

/// A target: its name, which is that of its directory of seeds, and its property.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("archive", archive),
    ("configuration", configuration),
    ("control", control),
    ("names", names),
    ("recipe", recipe),
    ("unpack", unpack),
];

/// An error is read by people: whatever the input, it fits a screen or two.
const WORDS: usize = 4096;

fn in_few_words(error: &(dyn Error + 'static)) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let length = error.to_string().len();
        assert!(length <= WORDS, "an error of {length} bytes");
        cause = error.source();
    }
}

/// Takes the input twice: the answer is the same.
fn twice<T: PartialEq + Debug, E: Error + 'static>(
    mut take: impl FnMut() -> Result<T, E>,
) -> Option<T> {
    match (take(), take()) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one, two);
            Some(one)
        }
        (Err(one), Err(two)) => {
            assert_eq!(one.to_string(), two.to_string());
            in_few_words(&one);
            None
        }
        (one, two) => panic!("taken once: {one:?} {two:?}"),
    }
}
