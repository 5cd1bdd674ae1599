//! Configuration: three files that say how an image runs in one environment, checked without any I/O.
//!
//! Each file is checked alone when it is written ([`ConfigurationFile::check`]); what needs the image
//! is checked when a deployment is prepared ([`Configuration::check`]).

mod analysis;
mod check;
mod external;
mod file;
mod hooks;
mod http;
mod inside;
mod launch;
mod limits;
mod params;
mod process_params;
mod prometheus;
mod properties;
mod read;
mod resolve;
mod scale;
mod schedule;
mod volumes;

pub use analysis::{Analysis, NotEnoughData};
pub use external::External;
pub use file::{ConfigurationFile, InvalidConfiguration};
pub use hooks::{Hook, HookPoint, HookWork, Hooks};
pub use http::{HttpCall, HttpMethod, HttpUrl};
pub use inside::{InsideCheck, Look};
pub use launch::LaunchData;
pub use limits::*;
pub use params::{CanaryStep, DeploymentParams, DeploymentSettings, Pauses, Strategy};
pub use process_params::{
    CheckKind, CheckPath, HealthCheck, MilliCpu, Network, ProcessParams, StartupCheck,
};
pub use prometheus::{Placeholder, Prometheus, Query};
pub use properties::{Properties, variable_name, variables};
pub use scale::{Scale, ScaleBy};
pub use schedule::{Scheduled, WeekTime, in_force};
pub use volumes::Volume;

/// The three files of one commit, each valid by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// `application-properties.json`.
    pub properties: Properties,
    /// `launch-data.json`.
    pub launch: LaunchData,
    /// `deployment-params.json`.
    pub params: DeploymentParams,
}

impl Configuration {
    /// Reads and checks the texts of the three files.
    ///
    /// # Errors
    /// The first mistake, with its file.
    pub fn parse(
        properties: &str,
        launch: &str,
        params: &str,
    ) -> Result<Self, InvalidConfiguration> {
        use ConfigurationFile as File;
        Ok(Self {
            properties: Properties::parse(properties).map_err(|m| File::Properties.invalid(m))?,
            launch: LaunchData::parse(launch).map_err(|m| File::Launch.invalid(m))?,
            params: DeploymentParams::parse(params).map_err(|m| File::Params.invalid(m))?,
        })
    }
}

#[cfg(test)]
mod tests;
