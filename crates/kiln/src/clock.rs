//! Where time and randomness come from.

use rand::Rng;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is given")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Random bytes for ids, tokens and keys, from the operating system's generator by way of `rand`.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// The same for as many bytes as there are.
pub(crate) fn fill(bytes: &mut [u8]) {
    rand::rng().fill_bytes(bytes);
}
