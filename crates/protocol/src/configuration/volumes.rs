//! `volumes`: what a process keeps beyond the life of an instance.

use super::{DeploymentSettings, Strategy};
use crate::document::{Mistake, Reader};
use crate::recipe::{AbsolutePath, is_services_own};
use kiln_names::VolumeName;
use serde::{Deserialize, Serialize};

const VOLUME: &[&str] = &["name", "path"];
/// The most volumes of a process.
const MAX_VOLUMES: usize = 8;

/// A directory that outlives its instance: whoever takes the instance's place finds it again. Each slot
/// of a process has its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name, among those of the process.
    pub name: VolumeName,
    /// Where instances find it.
    pub path: AbsolutePath,
}

pub(super) fn volumes(list: &Reader<'_>) -> Result<Vec<Volume>, Mistake> {
    let mut seen: Vec<Volume> = Vec::new();
    list.each("volumes", MAX_VOLUMES, |item| {
        let fields = item.fields(VOLUME)?;
        let (name, path) = (fields.require("name")?, fields.require("path")?);
        let volume = Volume { name: name.parse()?, path: path.parse()? };
        if !is_services_own(&volume.path) {
            return Err(path.refuse(format!("{} is not the service's to write to", volume.path)));
        }
        if seen.iter().any(|known| known.name == volume.name) {
            return Err(name.refuse(format!("{} stands twice", volume.name)));
        }
        if let Some(known) = seen.iter().find(|known| overlap(&known.path, &volume.path)) {
            let words = format!("{} and {} lie in one another", known.path, volume.path);
            return Err(path.refuse(words));
        }
        seen.push(volume.clone());
        Ok(volume)
    })
}

fn overlap(one: &AbsolutePath, other: &AbsolutePath) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(one.as_str(), other.as_str()) || within(other.as_str(), one.as_str())
}

/// Two instances never write to one volume: only strategies that take the old one away first can hand
/// it over.
pub(super) fn check_strategy(
    settings: &DeploymentSettings,
    volumes: &Reader<'_>,
) -> Result<(), Mistake> {
    match settings.strategy {
        Strategy::OneByOne | Strategy::Highlander => Ok(()),
        _ => Err(volumes.refuse(
            "the old and the new release would write to one volume side by side: set \
             \"strategy\": {\"type\": \"one-by-one\"}",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::DeploymentParams;

    fn read(volumes: &str, strategy: &str) -> Result<Vec<Volume>, String> {
        let text = format!(
            r#"{{"strategy": {{"type": "{strategy}"}}, "processes": {{"db": {{"volumes": {volumes}}}}}}}"#
        );
        let params = DeploymentParams::parse(&text).map_err(|mistake| mistake.to_string())?;
        let (app, env) = ("store".parse().unwrap(), "prod".parse().unwrap());
        Ok(params.resolve(&app, &env, &"db".parse().unwrap(), true).volumes)
    }

    #[test]
    fn volumes_go_with_strategies_that_hand_them_over() {
        let one = r#"[{"name": "data", "path": "/var/lib/redis"}]"#;
        assert_eq!(read(one, "one-by-one").unwrap()[0].path.as_str(), "/var/lib/redis");
        assert_eq!(read(one, "highlander").unwrap().len(), 1);
        assert!(read(one, "red-black").unwrap_err().contains("one-by-one"));
        assert!(read(one, "rolling").unwrap_err().contains("one-by-one"));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, told) in [
            (r#"[{"name": "data"}]"#, "path"),
            (r#"[{"name": "Data", "path": "/x/y"}]"#, "volume name"),
            (r#"[{"name": "data", "path": "x"}]"#, "absolute path"),
            (r#"[{"name": "data", "path": "/proc/x"}]"#, "not the service's"),
            (r#"[{"name": "d", "path": "/x/y"}, {"name": "d", "path": "/x/z"}]"#, "stands twice"),
            (r#"[{"name": "a", "path": "/x/y"}, {"name": "b", "path": "/x/y/z"}]"#, "one another"),
            (r#"[{"name": "a", "path": "/x/y", "size": 1}]"#, "size"),
        ] {
            let mistake = read(text, "one-by-one").unwrap_err();
            assert!(mistake.contains(told), "{text}: {mistake}");
        }
        let top = DeploymentParams::parse(r#"{"volumes": []}"#).unwrap_err().to_string();
        assert!(top.contains("belong to one process"), "{top}");
    }
}
