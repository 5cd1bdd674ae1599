//! Secrets on the wire: everything but their values, which go one way and alone in their bodies.

use crate::Timestamp;
use kiln_names::{AppName, EnvName, GroupName, SecretName, SecretVersion};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A secret that the next release has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    /// Its name, and that of its file in an instance.
    pub name: SecretName,
    /// Its newest version.
    pub version: SecretVersion,
    /// Since when it has that value.
    pub since: Timestamp,
    /// Who set it.
    pub by: String,
}

/// What became of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretSet {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The secret.
    pub name: SecretName,
    /// The version that the value is.
    pub version: SecretVersion,
    /// Whether it was that before.
    pub unchanged: bool,
}

/// What became of a secret that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretRemoved {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The secret.
    pub name: SecretName,
    /// The version that it had last.
    pub version: SecretVersion,
    /// The groups that keep a version of it until they are gone.
    pub holders: Vec<GroupName>,
}
