//! Deployments on a simulated engine, with everything that can happen to them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod analysis;
mod failures;
mod golden;
mod harness;
mod histories;
mod history;
mod hooks;
mod journal;
mod locks;
mod many;
mod numbers;
mod plans;
mod preparing;
mod progress;
mod red_black;
mod retirement;
mod rollback;
mod scaling;
mod secrets;
mod smaller;
mod verbs;
mod world;
