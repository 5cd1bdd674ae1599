//! The spec that `kiln-init` reads.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The program that every image of Kiln's own starts with.
pub const PROGRAM: &str = "/usr/sbin/kiln-init";
/// The first argument with which it looks at a heartbeat file instead of starting anything; a path and
/// an age in milliseconds follow.
pub const HEARTBEAT: &str = "--heartbeat";
/// Where the settings of an instance are found from inside.
pub const RUN_DIR: &str = "/run/kiln";
/// Where an instance finds its spec, mounted read-only.
pub const SPEC_PATH: &str = "/run/kiln/spec";
/// The variable that carries the spec's text where no file can be mounted.
pub const SPEC_VARIABLE: &str = "KILN_SPEC";
/// The only version of the spec so far.
pub const VERSION: u32 = 1;

/// All that `kiln-init` needs to start a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitSpec {
    /// The form of this spec: [`VERSION`].
    pub v: u32,
    /// The application's properties, flat; written to `application.properties` and `.json`.
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// Variables added to the environment of the launch commands and of the command.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Shell commands that run in order before the command.
    #[serde(default)]
    pub launch: Vec<String>,
    /// How long all launch commands may take together, in milliseconds.
    #[serde(default = "default_launch_timeout_ms")]
    pub launch_timeout_ms: u64,
    /// What to become in the end. Empty: what `kiln-init` was given as arguments.
    #[serde(default)]
    pub command: Vec<String>,
}

impl Default for InitSpec {
    fn default() -> Self {
        Self {
            v: VERSION,
            properties: Map::new(),
            env: BTreeMap::new(),
            launch: Vec::new(),
            launch_timeout_ms: default_launch_timeout_ms(),
            command: Vec::new(),
        }
    }
}

impl InitSpec {
    /// Reads a spec's JSON text.
    ///
    /// # Errors
    /// Text that is not a spec, and specs of another version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let spec: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match spec.v {
            VERSION => Ok(spec),
            other => Err(format!("the spec has version {other}, this program reads {VERSION}")),
        }
    }
}

const fn default_launch_timeout_ms() -> u64 {
    60_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_reads_back_what_it_wrote() {
        let mut spec = InitSpec { command: vec!["/bin/true".into()], ..InitSpec::default() };
        spec.properties.insert("a.b".into(), 3.into());
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(InitSpec::parse(&text), Ok(spec));
    }

    #[test]
    fn a_spec_of_another_version_or_with_unknown_keys_is_refused() {
        for bad in [r#"{"v":2}"#, r#"{"v":1,"commando":[]}"#, "{}", "nonsense"] {
            assert!(InitSpec::parse(bad).is_err(), "{bad}");
        }
    }
}
