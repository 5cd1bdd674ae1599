//! The JSON documents of OCI images, with every map sorted: the same image is the same bytes.
//!
//! Not `oci-spec`'s types: their labels are in a `HashMap`, whose order changes from run to run.

use crate::config::ImageConfig;
use kiln_names::Digest;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// What Docker called the same before there was OCI.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_CONFIGURATION: &str = "application/vnd.docker.container.image.v1+json";

/// What marks a directory as an OCI layout.
pub(crate) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Points to content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// All images of a layout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u8,
    pub(crate) media_type: String,
    pub(crate) manifests: Vec<Descriptor>,
}

impl Default for Index {
    fn default() -> Self {
        Self { schema_version: 2, media_type: INDEX.into(), manifests: Vec::new() }
    }
}

/// An image: its configuration and its layers, the lowest first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u8,
    /// OCI lets it be left out; Kiln writes it.
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

impl Manifest {
    /// Its media type.
    pub(crate) fn kind(&self) -> &str {
        if self.media_type.is_empty() { MANIFEST } else { &self.media_type }
    }
}

/// The configuration blob of an image.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub(crate) architecture: String,
    pub(crate) os: String,
    #[serde(skip_serializing)]
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) variant: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) config: Settings,
    pub(crate) rootfs: RootFs,
}

/// The layers of an image by the digests of their plain archives.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) diff_ids: Vec<Digest>,
}

/// [`ImageConfig`] as OCI spells it. Docker writes `null` for what is empty.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Settings {
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    user: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    exposed_ports: BTreeMap<String, Nothing>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    entrypoint: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    cmd: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    volumes: BTreeMap<String, Nothing>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    working_dir: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    stop_signal: String,
}

/// `null` is as good as nothing.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// `{}`: OCI writes sets as maps to nothing.
#[derive(Debug, Serialize, Deserialize)]
struct Nothing {}

impl Configuration {
    pub(crate) fn new(config: ImageConfig, layers: &[Digest]) -> Self {
        let ports = config.exposed_ports.iter().map(|port| (format!("{port}/tcp"), Nothing {}));
        let settings = Settings {
            user: config.user,
            exposed_ports: ports.collect(),
            env: config.env,
            entrypoint: config.entrypoint,
            cmd: config.cmd,
            volumes: config.volumes.into_iter().map(|path| (path, Nothing {})).collect(),
            working_dir: config.working_dir,
            labels: config.labels,
            stop_signal: config.stop_signal,
        };
        Self {
            architecture: config.architecture,
            os: "linux".into(),
            variant: String::new(),
            config: settings,
            rootfs: RootFs { kind: "layers".into(), diff_ids: layers.to_vec() },
        }
    }

    /// The settings alone; ports of other protocols than TCP are left out.
    pub(crate) fn into_config(self) -> ImageConfig {
        let settings = self.config;
        let port = |text: &String| text.strip_suffix("/tcp").unwrap_or(text).parse().ok();
        ImageConfig {
            architecture: self.architecture,
            user: settings.user,
            exposed_ports: settings.exposed_ports.keys().filter_map(port).collect(),
            env: settings.env,
            entrypoint: settings.entrypoint,
            cmd: settings.cmd,
            volumes: settings.volumes.into_keys().collect(),
            working_dir: settings.working_dir,
            labels: settings.labels,
            stop_signal: settings.stop_signal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_reads_back_and_is_written_in_one_way() {
        let config = ImageConfig {
            architecture: "amd64".into(),
            user: "65532:65532".into(),
            exposed_ports: [8080, 443].into(),
            env: vec!["B=1".into(), "A=2".into()],
            cmd: vec!["/bin/true".into()],
            labels: [("b".into(), "2".into()), ("a".into(), "1".into())].into(),
            ..ImageConfig::default()
        };
        let layer = Digest::of(b"");
        let json = serde_json::to_string(&Configuration::new(config.clone(), &[layer])).unwrap();
        let expected = concat!(
            r#"{"architecture":"amd64","os":"linux","config":{"User":"65532:65532","#,
            r#""ExposedPorts":{"443/tcp":{},"8080/tcp":{}},"Env":["B=1","A=2"],"#,
            r#""Cmd":["/bin/true"],"Labels":{"a":"1","b":"2"}},"rootfs":{"type":"layers","diff_ids":["#,
            r#""sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}"#,
        );
        assert_eq!(json, expected);
        let read: Configuration = serde_json::from_str(&json).unwrap();
        assert_eq!(read.rootfs.diff_ids, [layer]);
        assert_eq!(read.into_config(), config);
    }

    #[test]
    fn configurations_of_other_tools_are_read_and_their_extras_left_alone() {
        let json = r#"{"created":"2020-01-01T00:00:00Z","architecture":"arm64","os":"linux",
            "config":{"ExposedPorts":{"53/udp":{},"80/tcp":{}},"Volumes":{"/x":{}},"Cmd":null,
            "Labels":null},"rootfs":{"type":"layers","diff_ids":[]},"history":[]}"#;
        let config = serde_json::from_str::<Configuration>(json).unwrap().into_config();
        assert_eq!(config.exposed_ports, [80].into());
        assert_eq!(config.volumes, ["/x".to_owned()].into());
        let json = r#"{"architecture":"arm64","os":"linux","config":null,
            "rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = serde_json::from_str::<Configuration>(json).unwrap().into_config();
        assert!(config.cmd.is_empty());
    }
}
