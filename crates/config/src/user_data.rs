//! User data: what the configuration and Kiln itself tell an instance.

use kiln_init::InitSpec;
use kiln_names::{AppName, Digest, EnvName, GroupName, InstanceId, ProcessName, ReleaseId};
use kiln_protocol::configuration::variables;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::num::NonZeroU16;

/// What Kiln knows of one instance.
#[derive(Debug, Clone, Copy)]
pub struct InstanceFacts<'a> {
    /// The application.
    pub app: &'a AppName,
    /// The environment.
    pub env: &'a EnvName,
    /// The process.
    pub process: &'a ProcessName,
    /// The group that it belongs to.
    pub group: &'a GroupName,
    /// Its own id.
    pub instance: InstanceId,
    /// The release that it runs.
    pub release: ReleaseId,
    /// The image of that release.
    pub image: Digest,
    /// The port that it is to listen on.
    pub port: Option<NonZeroU16>,
}

/// The environment of an instance: the properties as variables, `PORT`, and `KILN_…` for what Kiln
/// knows. Properties have been checked to leave those names alone; if any did not, Kiln's win.
#[must_use]
pub fn environment(
    properties: &Map<String, Value>,
    facts: &InstanceFacts<'_>,
) -> BTreeMap<String, String> {
    let own = [
        ("KILN_APP", facts.app.to_string()),
        ("KILN_ENV", facts.env.to_string()),
        ("KILN_PROCESS", facts.process.to_string()),
        ("KILN_GROUP", facts.group.to_string()),
        ("KILN_INSTANCE", facts.instance.to_string()),
        ("KILN_RELEASE", facts.release.to_string()),
        ("KILN_IMAGE", facts.image.to_string()),
    ];
    let port = facts.port.map(|port| ("PORT", port.to_string()));
    let mut all = variables(properties);
    all.extend(own.into_iter().chain(port).map(|(name, value)| (name.to_owned(), value)));
    all
}

/// All that `kiln-init` needs to start `command` as this instance.
#[must_use]
pub fn init_spec(
    properties: &Map<String, Value>,
    launch: &[String],
    command: &[String],
    facts: &InstanceFacts<'_>,
) -> InitSpec {
    InitSpec {
        properties: properties.clone(),
        env: environment(properties, facts),
        launch: launch.to_vec(),
        command: command.to_vec(),
        ..InitSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_names::GroupNumber;

    #[test]
    fn an_instance_is_told_its_properties_and_who_it_is() {
        let app = AppName::parse("hello").unwrap();
        let env = EnvName::parse("prod").unwrap();
        let process = ProcessName::parse("web").unwrap();
        let group = GroupName::new(&app, &env, &process, GroupNumber(3));
        let facts = InstanceFacts {
            app: &app,
            env: &env,
            process: &process,
            group: &group,
            instance: InstanceId::from_random([1; 6]),
            release: ReleaseId::of(b"r"),
            image: Digest::of(b"i"),
            port: NonZeroU16::new(8080),
        };
        let properties = Map::from_iter([("db.url".into(), "x".into()), ("port".into(), 1.into())]);
        let spec = init_spec(&properties, &["true".into()], &["/bin/app".into()], &facts);
        let told = |name: &str| spec.env.get(name).map(String::as_str);
        assert_eq!((told("DB_URL"), told("PORT")), (Some("x"), Some("8080")));
        assert_eq!(told("KILN_GROUP"), Some("hello-prod-web-v003"));
        assert_eq!(told("KILN_INSTANCE"), Some("010101010101"));
        assert_eq!((spec.launch.len(), spec.command.len()), (1, 1));
        assert!(
            !environment(&properties, &InstanceFacts { port: None, ..facts })["PORT"]
                .contains("8080")
        );
    }
}
