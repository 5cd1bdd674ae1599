//! Volumes.

use crate::{Client, ClientError};
use http::Method;
use kiln_names::{AppName, EnvName, ProcessName, VolumeName};
use kiln_protocol::paths::{self, fill};
use kiln_protocol::volume::Volume;

/// Every method fails as [`ClientError`] says.
impl Client {
    /// What instances of an application in an environment have kept.
    pub async fn volumes(&self, app: &AppName, env: &EnvName) -> Result<Vec<Volume>, ClientError> {
        self.ask(Method::GET, &fill(paths::VOLUMES, &[app.as_str(), env.as_str()])).await
    }

    /// Removes one that no instance has.
    pub async fn remove_volume(
        &self,
        (app, env): (&AppName, &EnvName),
        process: &ProcessName,
        name: &VolumeName,
        slot: u32,
    ) -> Result<(), ClientError> {
        let slot = slot.to_string();
        let names = [app.as_str(), env.as_str(), process.as_str(), name.as_str(), &slot];
        self.order(Method::DELETE, &fill(paths::VOLUME, &names)).await
    }
}
