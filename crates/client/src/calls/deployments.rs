//! Deployments: asking for them, following them.

use crate::{Client, ClientError, Events};
use http::Method;
use kiln_names::{AppName, DeploymentId, EnvName, InstanceId};
use kiln_protocol::deployment::{
    DeployRequest, Deployment, DeploymentEvent, DeploymentSummary, Lock, Plan, Reason,
    ResizeRequest, RollbackRequest,
};
use kiln_protocol::paths::{self, fill, query};
use serde::Serialize;

/// Every method fails as [`ClientError`] says.
impl Client {
    /// What a deployment would do.
    pub async fn plan(
        &self,
        app: &AppName,
        env: &EnvName,
        request: &DeployRequest,
    ) -> Result<Plan, ClientError> {
        self.tell(Method::POST, &fill(paths::PLAN, &[app.as_str(), env.as_str()]), request).await
    }

    /// What going back to an earlier release would do.
    pub async fn plan_rollback(
        &self,
        app: &AppName,
        env: &EnvName,
        request: &RollbackRequest,
    ) -> Result<Plan, ClientError> {
        let path = fill(paths::ROLLBACK_PLAN, &[app.as_str(), env.as_str()]);
        self.tell(Method::POST, &path, request).await
    }

    /// Begins a deployment.
    pub async fn deploy(
        &self,
        app: &AppName,
        env: &EnvName,
        request: &DeployRequest,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::DEPLOY, app, env, request).await
    }

    /// Begins to go back to an earlier release.
    pub async fn rollback(
        &self,
        app: &AppName,
        env: &EnvName,
        request: &RollbackRequest,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::ROLLBACK, app, env, request).await
    }

    /// Begins to deploy the active image with the newest configuration.
    pub async fn redeploy(
        &self,
        app: &AppName,
        env: &EnvName,
        reason: &Reason,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::REDEPLOY, app, env, reason).await
    }

    /// Begins to take back what the current deployment did.
    pub async fn undo(
        &self,
        app: &AppName,
        env: &EnvName,
        reason: &Reason,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::UNDO, app, env, reason).await
    }

    /// Stops the current deployment, which touches nothing more.
    pub async fn abort(
        &self,
        app: &AppName,
        env: &EnvName,
        reason: &Reason,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::ABORT, app, env, reason).await
    }

    /// Goes on from the action that failed.
    pub async fn retry(
        &self,
        app: &AppName,
        env: &EnvName,
        reason: &Reason,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::RETRY, app, env, reason).await
    }

    /// Stops the current deployment after the action in flight.
    pub async fn pause(
        &self,
        app: &AppName,
        env: &EnvName,
        reason: &Reason,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::PAUSE, app, env, reason).await
    }

    /// Goes on after a pause.
    pub async fn resume(
        &self,
        app: &AppName,
        env: &EnvName,
        reason: &Reason,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::RESUME, app, env, reason).await
    }

    /// Who holds the lock over everything.
    pub async fn lock_holder(&self) -> Result<Lock, ClientError> {
        self.ask(Method::GET, paths::LOCK).await
    }

    /// Takes the lock: no deployment begins until somebody gives it back.
    pub async fn lock(&self, reason: &Reason) -> Result<Lock, ClientError> {
        self.tell(Method::PUT, paths::LOCK, reason).await
    }

    /// Gives the lock back, whoever took it.
    pub async fn unlock(&self) -> Result<Lock, ClientError> {
        self.ask(Method::DELETE, paths::LOCK).await
    }

    /// Begins to remove all groups and free the routes.
    pub async fn stop(
        &self,
        app: &AppName,
        env: &EnvName,
        reason: &Reason,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::STOP, app, env, reason).await
    }

    /// Begins to change how many instances there are.
    pub async fn resize(
        &self,
        app: &AppName,
        env: &EnvName,
        request: &ResizeRequest,
    ) -> Result<Deployment, ClientError> {
        self.change(paths::RESIZE, app, env, request).await
    }

    /// Begins to replace one instance by an identical one.
    pub async fn replace(
        &self,
        instance: InstanceId,
        reason: &Reason,
    ) -> Result<Deployment, ClientError> {
        let path = fill(paths::REPLACE, &[&instance.to_string()]);
        self.tell(Method::POST, &path, reason).await
    }

    /// One deployment.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Deployment, ClientError> {
        self.ask(Method::GET, &fill(paths::DEPLOYMENT, &[&id.to_string()])).await
    }

    /// Deployments, the newest first; only those that began before the given one.
    pub async fn deployments(
        &self,
        app: Option<&AppName>,
        env: Option<&EnvName>,
        before: Option<DeploymentId>,
        limit: u32,
    ) -> Result<Vec<DeploymentSummary>, ClientError> {
        let query = query(&[
            ("app", app.map(ToString::to_string)),
            ("env", env.map(ToString::to_string)),
            ("before", before.map(|id| id.to_string())),
            ("limit", Some(limit.to_string())),
        ]);
        self.ask(Method::GET, &format!("{}{query}", paths::DEPLOYMENTS)).await
    }

    /// How a deployment goes, from the event after `after` on.
    pub async fn watch(
        &self,
        id: DeploymentId,
        after: Option<u64>,
    ) -> Result<Events<DeploymentEvent>, ClientError> {
        let path = fill(paths::DEPLOYMENT_EVENTS, &[&id.to_string()]);
        let query = query(&[("after", after.map(|seq| seq.to_string()))]);
        self.follow(&format!("{path}{query}")).await
    }

    async fn change<Q: Serialize + Sync>(
        &self,
        path: &str,
        app: &AppName,
        env: &EnvName,
        request: &Q,
    ) -> Result<Deployment, ClientError> {
        self.tell(Method::POST, &fill(path, &[app.as_str(), env.as_str()]), request).await
    }
}
