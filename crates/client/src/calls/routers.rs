//! Routers: those that have joined, and what they ask themselves.

use crate::{Client, ClientError};
use http::Method;
use kiln_names::RouterName;
use kiln_protocol::paths::{self, fill};
use kiln_protocol::router::{Router, RouterReport, TableNumber};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Every method fails as [`ClientError`] says.
impl Client {
    /// This machine's router, and those that have joined, by name.
    pub async fn routers(&self) -> Result<Vec<Router>, ClientError> {
        self.ask(Method::GET, paths::ROUTERS).await
    }

    /// Counts a router out.
    pub async fn remove_router(&self, name: &RouterName) -> Result<(), ClientError> {
        self.order(Method::DELETE, &fill(paths::ROUTER, &[name.as_str()])).await
    }

    /// A router's table, once there is a later one than it has; nothing after `wait`.
    pub async fn router_table<T: DeserializeOwned>(
        &self,
        name: &RouterName,
        has: TableNumber,
        wait: Duration,
    ) -> Result<Option<T>, ClientError> {
        let path = fill(paths::ROUTER_TABLE, &[name.as_str()]);
        let TableNumber { epoch, version } = has;
        let wait = wait.as_millis();
        let path = format!("{path}?epoch={epoch}&version={version}&wait_ms={wait}");
        self.ask(Method::GET, &path).await
    }

    /// Says how a router does.
    pub async fn report_router<S: Serialize + Sync>(
        &self,
        name: &RouterName,
        report: &RouterReport<S>,
    ) -> Result<(), ClientError> {
        let path = fill(paths::ROUTER_STATUS, &[name.as_str()]);
        self.tell(Method::PUT, &path, report).await
    }
}
