//! The database: one SQLite file, one writer, many readers; repositories as functions.
//!
//! Every repository is a module of plain functions over a [`Write`] or a [`Read`]. Whoever needs
//! several changes to happen together makes them in one [`Write`] and commits it once.
//!
//! A database that was lost or damaged is told from a whole one by [`examine`], and made again by
//! [`rebuild`] from what can still be read of it and from its [`spare`].
//!
//! # Guarantees
//! What [`Write::commit`] acknowledged survives a crash and a power loss: the journal is a
//! write-ahead log, synced at every commit. (SQLite's `synchronous=FULL`.)

pub mod activations;
pub mod audit;
pub mod bakes;
pub mod catalog;
mod column;
mod condition;
mod copying;
mod database;
pub mod deployments;
mod error;
pub mod groups;
pub mod history;
pub mod images;
pub mod journal;
pub mod local;
pub mod lock;
mod migrations;
pub mod peaks;
pub mod releases;
pub mod retirements;
pub mod route_claims;
pub mod routers;
mod salvage;
pub mod secrets;
pub mod spare;
mod turns;

pub use condition::{Condition, examine};
pub use database::{Database, Read, Schema, Write};
pub use error::StoreError;
pub use salvage::{Origin, Salvaged, rebuild};
/// What functions that only read take: a [`Read`] or a [`Write`].
pub use sqlx::SqliteConnection as Connection;
pub use turns::{Turn, Turns};
