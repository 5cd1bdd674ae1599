//! Configuration: files and their commits.

use crate::{Client, ClientError};
use http::Method;
use kiln_names::{AppName, EnvName};
use kiln_protocol::paths::{self, fill, query};
use kiln_protocol::revision::{Commit, Comparison, Configured, NewFile, Revision};

/// Every method fails as [`ClientError`] says.
impl Client {
    /// The files at a commit, which may be a prefix of one; the newest unless told.
    pub async fn config(
        &self,
        app: &AppName,
        env: &EnvName,
        at: Option<&str>,
    ) -> Result<Revision, ClientError> {
        let path = fill(paths::CONFIG, &[app.as_str(), env.as_str()]);
        let query = query(&[("at", at.map(str::to_owned))]);
        self.ask(Method::GET, &format!("{path}{query}")).await
    }

    /// The commits, the newest first.
    pub async fn config_log(
        &self,
        app: &AppName,
        env: &EnvName,
        limit: u32,
    ) -> Result<Vec<Commit>, ClientError> {
        let path = fill(paths::CONFIG_LOG, &[app.as_str(), env.as_str()]);
        let query = query(&[("limit", Some(limit.to_string()))]);
        self.ask(Method::GET, &format!("{path}{query}")).await
    }

    /// How two commits differ; the newest from the one before it unless told.
    pub async fn config_diff(
        &self,
        app: &AppName,
        env: &EnvName,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<Comparison, ClientError> {
        let path = fill(paths::CONFIG_DIFF, &[app.as_str(), env.as_str()]);
        let query = query(&[("from", from.map(str::to_owned)), ("to", to.map(str::to_owned))]);
        self.ask(Method::GET, &format!("{path}{query}")).await
    }

    /// The applications and environments that have configuration.
    pub async fn configured(&self) -> Result<Vec<Configured>, ClientError> {
        self.ask(Method::GET, paths::CONFIGURED).await
    }

    /// Replaces one whole file.
    pub async fn put_config(
        &self,
        app: &AppName,
        env: &EnvName,
        file: &str,
        new: &NewFile,
    ) -> Result<Commit, ClientError> {
        let path = fill(paths::CONFIG_FILE, &[app.as_str(), env.as_str(), file]);
        self.tell(Method::PUT, &path, new).await
    }
}
