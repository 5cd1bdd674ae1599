//! Arguments that several commands take.

use kiln_names::{AppName, EnvName};
use serde_json::Value;

/// Which application, where.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// The application
    pub app: AppName,
    /// The environment
    pub env: EnvName,
}

/// Reads a JSON value; says how to write a plain text when that is what was probably meant.
pub(crate) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| {
        let quoted = serde_json::Value::from(text);
        format!("{error}; a text is written '{quoted}'")
    })
}
