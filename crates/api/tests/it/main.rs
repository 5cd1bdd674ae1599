//! The API in one process with the crates beneath it, over a real socket; only what would start
//! containers is simulated.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bakes;
mod catalog;
mod configuration;
mod deployments;
mod git;
mod ports;
mod raw;
mod refusals;
mod registry;
mod rig;
mod secrets;
mod tcp;
mod watching;
