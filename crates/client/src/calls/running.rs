//! What runs: health, status, instances, their logs.

use crate::{Client, ClientError, Events};
use http::Method;
use kiln_names::{AppName, EnvName, GroupName, InstanceId};
use kiln_protocol::capacity::Capacity;
use kiln_protocol::drift::Drift;
use kiln_protocol::paths::{self, fill, query};
use kiln_protocol::status::{Health, Instance, LogLine, Status};

/// Every method fails as [`ClientError`] says.
impl Client {
    /// That Kiln works.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.ask(Method::GET, paths::HEALTH).await
    }

    /// What runs of everything, of one application, or of it in one environment.
    pub async fn status(
        &self,
        app: Option<&AppName>,
        env: Option<&EnvName>,
    ) -> Result<Vec<Status>, ClientError> {
        let query =
            query(&[("app", app.map(ToString::to_string)), ("env", env.map(ToString::to_string))]);
        self.ask(Method::GET, &format!("{}{query}", paths::STATUS)).await
    }

    /// The instances of an application in an environment.
    pub async fn instances(
        &self,
        app: &AppName,
        env: &EnvName,
    ) -> Result<Vec<Instance>, ClientError> {
        self.ask(Method::GET, &fill(paths::INSTANCES, &[app.as_str(), env.as_str()])).await
    }

    /// The same, and those that ended, as many as are remembered.
    pub async fn instances_and_ended(
        &self,
        app: &AppName,
        env: &EnvName,
    ) -> Result<Vec<Instance>, ClientError> {
        let path = fill(paths::INSTANCES, &[app.as_str(), env.as_str()]);
        self.ask(Method::GET, &format!("{path}?ended=true")).await
    }

    /// What is not as it should be: of everything, of one application, or of it in one environment;
    /// `deep` compares the content of every file of the images that run.
    pub async fn drift(
        &self,
        app: Option<&AppName>,
        env: Option<&EnvName>,
        deep: bool,
    ) -> Result<Vec<Drift>, ClientError> {
        let query = query(&[
            ("app", app.map(ToString::to_string)),
            ("env", env.map(ToString::to_string)),
            ("deep", deep.then(|| "true".to_owned())),
        ]);
        self.ask(Method::GET, &format!("{}{query}", paths::DRIFT)).await
    }

    /// What there is to promise, what is promised and used, and what still fits.
    pub async fn capacity(&self) -> Result<Vec<Capacity>, ClientError> {
        self.ask(Method::GET, paths::CAPACITY).await
    }

    /// Log lines: the last `tail` of each instance, and with `follow` those to come.
    pub async fn logs(
        &self,
        app: &AppName,
        env: &EnvName,
        query: &LogQuery,
    ) -> Result<Events<LogLine>, ClientError> {
        let path = fill(paths::LOGS, &[app.as_str(), env.as_str()]);
        self.follow(&format!("{path}{}", query.to_query())).await
    }
}

/// Which log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Only this group's.
    pub group: Option<GroupName>,
    /// Only this instance's.
    pub instance: Option<InstanceId>,
    /// How many of each instance's last lines to begin with.
    pub tail: u32,
    /// Whether to go on with lines as they come.
    pub follow: bool,
}

impl LogQuery {
    fn to_query(&self) -> String {
        query(&[
            ("group", self.group.as_ref().map(ToString::to_string)),
            ("instance", self.instance.map(|id| id.to_string())),
            ("tail", Some(self.tail.to_string())),
            ("follow", self.follow.then(|| "true".to_owned())),
        ])
    }
}
