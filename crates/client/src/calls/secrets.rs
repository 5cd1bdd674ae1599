//! Secrets: everything but reading a value.

use crate::{Client, ClientError};
use http::Method;
use kiln_names::{AppName, EnvName, SecretName, SecretValue};
use kiln_protocol::paths::{self, fill};
use kiln_protocol::secret::{Secret, SecretRemoved, SecretSet};

/// Every method fails as [`ClientError`] says.
impl Client {
    /// The secrets that the next release has, by name.
    pub async fn secrets(&self, app: &AppName, env: &EnvName) -> Result<Vec<Secret>, ClientError> {
        self.ask(Method::GET, &fill(paths::SECRETS, &[app.as_str(), env.as_str()])).await
    }

    /// Gives a secret a value.
    pub async fn set_secret(
        &self,
        app: &AppName,
        env: &EnvName,
        name: &SecretName,
        value: SecretValue,
    ) -> Result<SecretSet, ClientError> {
        let path = fill(paths::SECRET, &[app.as_str(), env.as_str(), name.as_str()]);
        self.hand(&path, bytes::Bytes::from_owner(value)).await
    }

    /// Removes a secret from all releases to come.
    pub async fn remove_secret(
        &self,
        app: &AppName,
        env: &EnvName,
        name: &SecretName,
    ) -> Result<SecretRemoved, ClientError> {
        let path = fill(paths::SECRET, &[app.as_str(), env.as_str(), name.as_str()]);
        self.ask(Method::DELETE, &path).await
    }
}
