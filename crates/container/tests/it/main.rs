//! Real containers on the machine that runs the tests. They need root and `busybox-static`, and
//! check after themselves that nothing is left.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod adopt;
mod containment;
mod isolation;
mod lab;
mod lifecycle;
mod limits;
mod network;
mod secrets;
mod steps;
mod visits;
