//! The three files of a configuration.

use crate::twice;
use kiln_names::{AppName, EnvName, ProcessName};
use kiln_protocol::configuration::{
    ConfigurationFile, DeploymentParams, LaunchData, MAX_INSTANCES, MAX_MEMORY, MIN_MEMORY,
    Properties,
};

/// Text of any kind as each of the three.
pub fn configuration(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    for file in ConfigurationFile::ALL {
        twice(|| file.check(text));
    }
    if let Some(properties) = twice(|| Properties::parse(text)) {
        let printed = serde_json::to_string(properties.as_json()).unwrap();
        assert_eq!(Properties::parse(&printed).unwrap(), properties);
        assert_eq!(properties.variables().len(), properties.as_json().len());
    }
    if let Some(launch) = twice(|| LaunchData::parse(text)) {
        let printed = serde_json::to_string(launch.commands()).unwrap();
        assert_eq!(LaunchData::parse(&printed).unwrap(), launch);
    }
    if let Some(params) = twice(|| DeploymentParams::parse(text)) {
        resolved(&params);
    }
}

/// Whatever was left out or given: what holds is in order.
fn resolved(params: &DeploymentParams) {
    let (app, env) = (AppName::parse("hello-").unwrap(), EnvName::parse("prod").unwrap());
    for process in ["web", "worker"].map(|name| ProcessName::parse(name).unwrap()) {
        for port in [true, false] {
            let held = params.resolve(&app, &env, &process, port);
            assert!(held.min <= held.desired && held.desired <= held.max, "{held:?}");
            assert!(held.max <= MAX_INSTANCES);
            assert!((MIN_MEMORY..=MAX_MEMORY).contains(&held.memory));
            assert!(port || held.routes.is_empty());
        }
    }
}
