//! One method for each question of the API, by noun.

mod bakes;
mod catalog;
mod configuration;
mod deployments;
mod images;
mod running;
mod runs;
mod secrets;

pub use running::LogQuery;
