//! What is not as it should be, on the wire.

use kiln_names::{AppName, EnvName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One difference between what the database says and what is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
