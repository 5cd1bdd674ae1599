//! Applications and environments.

use crate::{Client, ClientError};
use http::Method;
use kiln_names::{AppName, EnvName};
use kiln_protocol::catalog::{App, Environment, Finding, NewApp, NewEnvironment};
use kiln_protocol::paths::{self, fill};
use serde_json::Value;

/// Every method fails as [`ClientError`] says.
impl Client {
    /// Creates an application.
    pub async fn create_app(&self, app: &NewApp) -> Result<App, ClientError> {
        self.tell(Method::POST, paths::APPS, app).await
    }

    /// All applications, by name.
    pub async fn apps(&self) -> Result<Vec<App>, ClientError> {
        self.ask(Method::GET, paths::APPS).await
    }

    /// One application.
    pub async fn app(&self, app: &AppName) -> Result<App, ClientError> {
        self.ask(Method::GET, &fill(paths::APP, &[app.as_str()])).await
    }

    /// Deletes an application that is deployed nowhere.
    pub async fn delete_app(&self, app: &AppName) -> Result<(), ClientError> {
        self.order(Method::DELETE, &fill(paths::APP, &[app.as_str()])).await
    }

    /// Records a property of an application.
    pub async fn set_app_property(
        &self,
        app: &AppName,
        key: &str,
        value: &Value,
    ) -> Result<App, ClientError> {
        self.tell(Method::PUT, &fill(paths::APP_METADATA, &[app.as_str(), key]), value).await
    }

    /// A property of an application.
    pub async fn app_property(&self, app: &AppName, key: &str) -> Result<Value, ClientError> {
        self.ask(Method::GET, &fill(paths::APP_METADATA, &[app.as_str(), key])).await
    }

    /// Forgets a property of an application.
    pub async fn unset_app_property(&self, app: &AppName, key: &str) -> Result<App, ClientError> {
        self.ask(Method::DELETE, &fill(paths::APP_METADATA, &[app.as_str(), key])).await
    }

    /// Creates an environment.
    pub async fn create_env(&self, env: &NewEnvironment) -> Result<Environment, ClientError> {
        self.tell(Method::POST, paths::ENVS, env).await
    }

    /// All environments, by name.
    pub async fn envs(&self) -> Result<Vec<Environment>, ClientError> {
        self.ask(Method::GET, paths::ENVS).await
    }

    /// One environment.
    pub async fn env(&self, env: &EnvName) -> Result<Environment, ClientError> {
        self.ask(Method::GET, &fill(paths::ENV, &[env.as_str()])).await
    }

    /// What an environment's engine needs, and how it is.
    pub async fn check_env(&self, env: &EnvName) -> Result<Vec<Finding>, ClientError> {
        self.ask(Method::GET, &fill(paths::ENV_CHECK, &[env.as_str()])).await
    }

    /// Deletes an environment that nothing is deployed to.
    pub async fn delete_env(&self, env: &EnvName) -> Result<(), ClientError> {
        self.order(Method::DELETE, &fill(paths::ENV, &[env.as_str()])).await
    }

    /// Records a property of an environment.
    pub async fn set_env_property(
        &self,
        env: &EnvName,
        key: &str,
        value: &Value,
    ) -> Result<Environment, ClientError> {
        self.tell(Method::PUT, &fill(paths::ENV_METADATA, &[env.as_str(), key]), value).await
    }
}
