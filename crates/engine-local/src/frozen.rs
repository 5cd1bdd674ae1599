//! From a group's spec to the spec of one instance, as the shim reads it.

use crate::inner::Inner;
use crate::life::Birth;
use crate::machine::hostname;
use kiln_config::InstanceFacts;
use kiln_container::{InstanceSpec, Limits, NetworkMode, Output, Rlimit, Root, Stop, User};
use kiln_engine::GroupSpec;
use kiln_image::Image;
use kiln_init::{InitSpec, PROGRAM};
use kiln_protocol::configuration::Network;
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

/// Makes the instance's directory with its frozen spec in it.
pub(crate) fn write(inner: &Inner, birth: &Birth, dir: &Path) -> Result<(), String> {
    let chain = |error: &dyn std::error::Error| crate::exits::chain(error);
    let image = inner.images.image(&birth.spec.image).map_err(|error| chain(&error))?;
    let lower = inner.images.lower_dirs(&birth.spec.image).map_err(|error| chain(&error))?;
    let spec = spec(inner, birth, &image, lower);
    std::fs::create_dir_all(dir).map_err(|error| chain(&error))?;
    spec.write(dir).map_err(|error| chain(&error))
}

fn spec(inner: &Inner, birth: &Birth, image: &Image, mut lower: Vec<PathBuf>) -> InstanceSpec {
    // The store names the top layer first, as overlayfs does; a spec names the base first.
    lower.reverse();
    let group = &birth.spec;
    let has_init = image.config.entrypoint.first().is_some_and(|program| program == PROGRAM);
    InstanceSpec {
        v: InstanceSpec::VERSION,
        install: inner.machine.install,
        instance: birth.id,
        root: Root { lower, writable: None },
        command: if has_init { vec![PROGRAM.to_owned()] } else { group.run.command.clone() },
        env: environment(birth, &image.config.env),
        cwd: PathBuf::from("/"),
        user: User { uid: group.run.uid, gid: group.run.gid },
        capabilities: group.run.capabilities.iter().map(|c| c.as_str().to_owned()).collect(),
        writable: group.run.writable.iter().map(|path| PathBuf::from(path.as_str())).collect(),
        hostname: hostname(&group.name, group.id, birth.slot),
        network: network(inner, birth),
        limits: limits(group),
        rlimits: Rlimit::defaults(),
        stop: Stop {
            signal: group.run.stop.signal.as_str().to_owned(),
            timeout: group.run.stop.timeout,
        },
        init: has_init.then(|| init(group)),
        output: Output::Log,
    }
}

/// The image's own variables, then the configuration's and Kiln's, which nothing overrides.
fn environment(birth: &Birth, image: &[String]) -> BTreeMap<String, String> {
    let group = &birth.spec;
    let mut env: BTreeMap<String, String> = image
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    env.extend(kiln_config::environment(&group.user_data.properties, &facts(birth)));
    env
}

fn facts(birth: &Birth) -> InstanceFacts<'_> {
    let group = &birth.spec;
    InstanceFacts {
        app: &group.app,
        env: &group.env,
        process: &group.process,
        group: &group.name,
        instance: birth.id,
        release: group.release,
        image: group.image,
        port: NonZeroU16::new(birth.address.port()),
    }
}

fn network(inner: &Inner, birth: &Birth) -> NetworkMode {
    match birth.spec.params.network {
        Network::Host => NetworkMode::Host,
        Network::Isolated => {
            let attachment = inner.machine.addresses.attachment(&birth.spec.env, birth.address);
            attachment.map_or(NetworkMode::Loopback, NetworkMode::Isolated)
        }
    }
}

fn limits(group: &GroupSpec) -> Limits {
    Limits {
        memory: Some(group.params.memory),
        cpu_millis: Some(group.params.cpu.0),
        pids: Some(group.params.pids),
    }
}

fn init(group: &GroupSpec) -> InitSpec {
    InitSpec {
        properties: group.user_data.properties.clone(),
        launch: group.user_data.launch.clone(),
        command: group.run.command.clone(),
        ..InitSpec::default()
    }
}
