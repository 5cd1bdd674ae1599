//! What is not as an engine's records say.

use kiln_names::{AppName, EnvName};

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// At what is quickly told.
    Shallow,
    /// Also at the content of every file of the images that run.
    Deep,
}

/// One difference between what should be and what is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// The application; none for what belongs to no one of them.
    pub app: Option<AppName>,
    /// The environment.
    pub env: Option<EnvName>,
    /// What it is about, such as `instance 0a0b0c0d0e0f of hello-prod-web-v003`.
    pub subject: String,
    /// What of that differs, such as `its limit of memory`.
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
    /// What to type, or to do.
    pub mend: String,
}
