//! The runtime over a real Docker daemon. Needs root, busybox and dockerd.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod machine;
mod single;
mod swarm;
mod tls;
mod way;
