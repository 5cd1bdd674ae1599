//! The simulated engine passes the conformance suite, and does what its faults say.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod conformance;
mod faults;
mod specs;
