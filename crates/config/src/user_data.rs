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
    /// The application; none for a run of an image that is of none.
    pub app: Option<&'a AppName>,
    /// The environment; none for a run outside of any.
    pub env: Option<&'a EnvName>,
    /// The process.
    pub process: &'a ProcessName,
    /// The group that it belongs to; none for a run.
    pub group: Option<&'a GroupName>,
    /// Its own id.
    pub instance: InstanceId,
    /// The release that it runs; none for a run.
    pub release: Option<ReleaseId>,
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
        ("KILN_APP", facts.app.map(ToString::to_string)),
        ("KILN_ENV", facts.env.map(ToString::to_string)),
        ("KILN_PROCESS", Some(facts.process.to_string())),
        ("KILN_GROUP", facts.group.map(ToString::to_string)),
        ("KILN_INSTANCE", Some(facts.instance.to_string())),
        ("KILN_RELEASE", facts.release.map(|release| release.to_string())),
        ("KILN_IMAGE", Some(facts.image.to_string())),
        ("PORT", facts.port.map(|port| port.to_string())),
    ];
    let mut all = variables(properties);
    all.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
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
            app: Some(&app),
            env: Some(&env),
            process: &process,
            group: Some(&group),
            instance: InstanceId::from_random([1; 6]),
            release: Some(ReleaseId::of(b"r")),
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
