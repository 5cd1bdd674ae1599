//! Request and response types of the API, and the validation of recipes and configuration.

pub mod configuration;
pub mod document;
pub mod recipe;
pub mod suggest;
