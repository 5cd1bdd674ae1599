//! Deployments on a simulated engine, with everything that can happen to them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod red_black;
mod world;
