//! Runs.

use crate::{Client, ClientError, Events};
use http::Method;
use kiln_names::InstanceId;
use kiln_protocol::paths::{self, fill};
use kiln_protocol::run::{NewRun, RunEvent};

/// Every method fails as [`ClientError`] says.
impl Client {
    /// Runs an image. Dropping the events, or losing the connection, stops the run.
    pub async fn run(&self, run: &NewRun) -> Result<Events<RunEvent>, ClientError> {
        self.begin(paths::RUNS, run).await
    }

    /// Sends a run its stop signal; asked a second time, kills it.
    pub async fn stop_run(&self, run: InstanceId) -> Result<(), ClientError> {
        self.order(Method::POST, &fill(paths::RUN_STOP, &[&run.to_string()])).await
    }
}
