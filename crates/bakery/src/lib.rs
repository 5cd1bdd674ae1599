//! Recipes into images.
//!
//! ```text
//! recipe + files ─ plan ─▶ steps ─ layers ─▶ one layer each ─ finish ─▶ image, named APP:VERSION
//!                                  │
//!                                  ├─ key known: the layer that is there
//!                                  ├─ copy: made by the image store, nothing mounted
//!                                  └─ packages, install, run: a container over the layers so far
//! ```
//!
//! A step's key is the digest of the layers below it, its kind and everything it reads; the same key
//! is the same layer. Packages are keyed by what the package manager resolved them to, which is kept
//! until a person asks to resolve again or the base changes.
//!
//! # Guarantees
//! * The same inputs give the same image digest, on any machine and day: what a step leaves behind
//!   that differs is [scrubbed](REMOVED), and times are set to one.
//! * A failed or abandoned bake names nothing. The layers of its finished steps stay cached.
//! * Services do not start while packages are installed, and steps see no file of this machine.

mod bakery;
mod base;
mod chain;
mod context;
mod dates;
mod debootstrap;
mod disk_time;
mod error;
mod event;
mod finish;
mod guard;
mod import;
mod layers;
mod naming;
mod order;
mod oven;
mod packages;
mod plan;
mod runnable;
mod scrub;
mod sources;
mod tail;
mod unit;
mod units;
mod within;
mod workspace;

pub use bakery::{Bakery, Busy};
pub use base::BaseError;
pub use context::ContextError;
pub use error::{BakeError, StepFailure};
pub use event::BakeEvent;
pub use import::{ArchiveError, NotImported};
pub use oven::Settings;
pub use runnable::{Runnable, RunnableError, UserError, has_init, runnable};
pub use scrub::{EMPTIED, REMOVED};
pub use units::UnitError;
