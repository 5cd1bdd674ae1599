//! A real router on loopback, with real instances behind it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there and then")]

mod backend;
mod client;
mod handover;
mod harness;

mod drain;
mod health;
mod hygiene;
mod retry;
mod reuse;
mod routes;
mod switch;
mod table;
mod tunnel;
