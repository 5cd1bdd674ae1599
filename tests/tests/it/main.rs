//! The real binary, end to end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there and then")]

mod layering;
