//! Applications and environments on the wire.

use crate::Timestamp;
use kiln_names::{AppName, EnvName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// An application to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApp {
    /// Its name.
    pub name: AppName,
    /// Who answers for it, as an e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// An application of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// What people recorded about it; `contact` and `blocked` have a meaning.
    pub metadata: Map<String, Value>,
    /// When it was created.
    pub created: Timestamp,
}

/// An environment to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnvironment {
    /// Its name.
    pub name: EnvName,
    /// What runs its groups; `local` unless told.
    #[serde(default = "local")]
    pub engine: String,
    /// The engine's settings; `local` has none.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
}

fn local() -> String {
    "local".to_owned()
}

/// An environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    /// Its name.
    pub name: EnvName,
    /// What runs its groups.
    pub engine: String,
    /// The engine's settings.
    pub settings: Map<String, Value>,
    /// What people recorded about it.
    pub metadata: Map<String, Value>,
    /// When it was created.
    pub created: Timestamp,
}

/// One thing that the engine of an environment needs, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What was looked at, such as `API`.
    pub what: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do, where something is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// How a thing is that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should know.
    Note,
    /// Nothing will run like that.
    Bad,
}
