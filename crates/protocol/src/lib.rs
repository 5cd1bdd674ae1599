//! Request and response types of the API, its paths and its problems; and the validation of recipes
//! and configuration, so that it works offline.

pub mod bake;
pub mod capacity;
pub mod catalog;
pub mod configuration;
pub mod deployment;
pub mod document;
pub mod drift;
pub mod image;
pub mod paths;
pub mod problem;
pub mod recipe;
pub mod revision;
pub mod router;
pub mod run;
pub mod secret;
pub mod status;
pub mod suggest;
pub mod volume;
pub mod wire;

mod exit;
mod timestamp;

pub use exit::Exit;
pub use problem::{Code, PROBLEM_JSON, Problem};
pub use timestamp::Timestamp;
