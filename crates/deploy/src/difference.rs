//! How the release that a deployment goes to differs from the active one.

use kiln_engine::GroupSpec;
use kiln_names::Route;
use kiln_protocol::deployment::Difference;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A group and how many instances it has, or will have.
pub(crate) type Sized<'a> = (&'a GroupSpec, u32);

/// All differences: image, configuration, secrets, capacity, routes, what is outside, all else.
pub(crate) fn differences(old: &[Sized<'_>], new: &[Sized<'_>]) -> Vec<Difference> {
    [
        image(old, new),
        configuration(old, new),
        secrets(old, new),
        capacity(old, new),
        routes(old, new),
        external(old, new),
        settings(old, new),
    ]
    .concat()
}

fn image(old: &[Sized<'_>], new: &[Sized<'_>]) -> Vec<Difference> {
    let of = |groups: &[Sized<'_>]| groups.first().map(|(spec, _)| spec.image.to_string());
    compare("image", &keyed("image", of(old)), &keyed("image", of(new)))
}

fn configuration(old: &[Sized<'_>], new: &[Sized<'_>]) -> Vec<Difference> {
    let of = |groups: &[Sized<'_>]| -> BTreeMap<String, String> {
        let data = groups.first().map(|(spec, _)| &spec.user_data);
        let mut keys = data.map(|data| texts(&data.properties)).unwrap_or_default();
        let launch = data.map(|data| data.launch.join("\n")).filter(|text| !text.is_empty());
        keys.extend(keyed("launch-data", launch));
        keys
    };
    compare("configuration", &of(old), &of(new))
}

/// By name and version: all that is known of a secret here.
fn secrets(old: &[Sized<'_>], new: &[Sized<'_>]) -> Vec<Difference> {
    let of = |groups: &[Sized<'_>]| -> BTreeMap<String, String> {
        let secrets = groups.first().into_iter().flat_map(|(spec, _)| &spec.secrets);
        secrets.map(|(name, version)| (name.to_string(), version.to_string())).collect()
    };
    compare("secrets", &of(old), &of(new))
}

fn capacity(old: &[Sized<'_>], new: &[Sized<'_>]) -> Vec<Difference> {
    let of = |groups: &[Sized<'_>]| -> BTreeMap<String, String> {
        let line = |(spec, size): &Sized<'_>| {
            let (cpu, memory) = (spec.params.cpu, spec.params.memory);
            let pids = spec.params.pids;
            let text = format!("{size} × {cpu} cpu, {memory}, {pids} pids");
            (spec.process.to_string(), text)
        };
        groups.iter().map(line).collect()
    };
    compare("capacity", &of(old), &of(new))
}

fn routes(old: &[Sized<'_>], new: &[Sized<'_>]) -> Vec<Difference> {
    let of = |groups: &[Sized<'_>]| -> BTreeMap<String, String> {
        let routes = groups.iter().flat_map(|(spec, _)| {
            let process = spec.process.to_string();
            spec.params.routes.iter().map(move |route: &Route| (route.to_string(), process.clone()))
        });
        routes.collect()
    };
    compare("routes", &of(old), &of(new))
}

fn external(old: &[Sized<'_>], new: &[Sized<'_>]) -> Vec<Difference> {
    let of = |groups: &[Sized<'_>]| -> BTreeMap<String, String> {
        let external = groups.iter().filter_map(|(spec, _)| {
            Some((spec.process.to_string(), spec.params.external.as_ref()?.to_string()))
        });
        external.collect()
    };
    compare("external", &of(old), &of(new))
}

/// Whatever else the configuration says of a process that both have, key by key.
fn settings(old: &[Sized<'_>], new: &[Sized<'_>]) -> Vec<Difference> {
    let of = |groups: &[Sized<'_>], others: &[Sized<'_>]| -> BTreeMap<String, String> {
        let both = groups
            .iter()
            .filter(|(spec, _)| others.iter().any(|(other, _)| other.process == spec.process));
        let mut keys = BTreeMap::new();
        for (spec, _) in both {
            let Ok(Value::Object(mut params)) = serde_json::to_value(&spec.params) else {
                continue;
            };
            params.retain(|key, _| !TOLD.contains(&key.as_str()));
            flatten(spec.process.as_str(), &Value::Object(params), &mut keys);
        }
        keys
    };
    compare("settings", &of(old, new), &of(new, old))
}

/// What differences of their own tell.
const TOLD: [&str; 6] = ["desired", "milliCpu", "memory", "pids", "routes", "external"];

fn flatten(path: &str, value: &Value, keys: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                flatten(&format!("{path}.{key}"), value, keys);
            }
        }
        Value::String(text) => drop(keys.insert(path.to_owned(), text.clone())),
        other => drop(keys.insert(path.to_owned(), other.to_string())),
    }
}

fn texts(properties: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    properties.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn keyed(key: &str, value: Option<String>) -> BTreeMap<String, String> {
    value.into_iter().map(|value| (key.to_owned(), value)).collect()
}

fn compare(
    kind: &str,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differ
        .map(|name| Difference {
            kind: kind.to_owned(),
            name: name.clone(),
            old: old.get(name).cloned(),
            new: new.get(name).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn settings_are_told_key_by_key() {
        let mut keys = BTreeMap::new();
        let value = serde_json::json!({"healthCheck": {"path": "/", "unhealthyThreshold": 3}});
        flatten("web", &value, &mut keys);
        let expected =
            map(&[("web.healthCheck.path", "/"), ("web.healthCheck.unhealthyThreshold", "3")]);
        assert_eq!(keys, expected);
    }

    #[test]
    fn keys_are_added_removed_and_changed() {
        let old = map(&[("gone", "1"), ("kept", "1"), ("changed", "1")]);
        let new = map(&[("kept", "1"), ("changed", "2"), ("added", "1")]);
        let found = compare("configuration", &old, &new);
        let short: Vec<_> =
            found.iter().map(|d| (d.name.as_str(), d.old.as_deref(), d.new.as_deref())).collect();
        let expected = [
            ("added", None, Some("1")),
            ("changed", Some("1"), Some("2")),
            ("gone", Some("1"), None),
        ];
        assert_eq!(short, expected);
    }
}
