//! One method for each question of the API, by noun.

mod backup;
mod bakes;
mod catalog;
mod configuration;
mod deployments;
mod images;
mod routers;
mod running;
mod runs;
mod secrets;
mod volumes;

pub use backup::Archive;
pub use running::LogQuery;
