//! The program and what it wires, with real processes. Needs root and busybox.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod health;
mod keeping;
mod life;
mod logs;
mod machine;
mod secrets;
