//! The program and what it wires, with real processes. Needs root and busybox.

mod conformance;
mod machine;
