//! From what a group or a run is made of to the spec of one instance, as the shim reads it.

use crate::addresses::Segment;
use crate::inner::Inner;
use crate::labels::Labels;
use crate::volumes;
use kiln_config::InstanceFacts;
use kiln_container::{InstanceSpec, Limits, NetworkMode, Output, Rlimit, Root, Stop, User, Volume};
use kiln_engine::{GroupSpec, RunSpec, UserData};
use kiln_image::Image;
use kiln_init::PROGRAM;
use kiln_keeper::{Birth, chain, init, over_image};
use kiln_names::{Digest, InstanceId, SecretVersions};
use kiln_protocol::configuration::Network;
use kiln_protocol::recipe::{AbsolutePath, ImageProcess};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

/// Makes the instance's directory with its frozen spec and its labels in it.
pub(crate) fn write(
    inner: &Inner,
    birth: &Birth,
    labels: &Labels,
    dir: &Path,
) -> Result<(), String> {
    let group = &birth.spec;
    let segment = Segment::from(&group.env);
    let network = network(inner, &segment, group.params.network, birth.address);
    let spec = freeze(inner, &of_group(inner, birth, network))?;
    let chain = |error: std::io::Error| chain(&error);
    std::fs::create_dir_all(dir).map_err(chain)?;
    labels.write(dir).map_err(chain)?;
    volumes::ensure(&spec.volumes, spec.user).map_err(chain)?;
    put(&spec, dir)
}

/// The same for a run that has that id and address.
pub(crate) fn write_run(
    inner: &Inner,
    (id, run): (InstanceId, &RunSpec),
    (segment, address): (&Segment, SocketAddr),
    dir: &Path,
) -> Result<(), String> {
    let network = network(inner, segment, run.network, address);
    freeze(inner, &of_run(id, run, address, network)).and_then(|spec| put(&spec, dir))
}

/// What would be frozen for an instance with these layers, the top one first, in this network.
pub(crate) fn expected(
    inner: &Inner,
    birth: &Birth,
    image: &Image,
    lower: Vec<PathBuf>,
    network: NetworkMode,
) -> InstanceSpec {
    spec(inner, &of_group(inner, birth, network), image, lower)
}

fn put(spec: &InstanceSpec, dir: &Path) -> Result<(), String> {
    let chain = |error: std::io::Error| chain(&error);
    std::fs::create_dir_all(dir).map_err(chain)?;
    spec.write(dir).map_err(chain)
}

/// What differs between instances.
struct Contents<'a> {
    id: InstanceId,
    image: &'a Digest,
    run: &'a ImageProcess,
    user_data: &'a UserData,
    /// Variables over those of the image.
    env: BTreeMap<String, String>,
    hostname: String,
    network: NetworkMode,
    limits: Limits,
    secrets: SecretVersions,
    volumes: Vec<Volume>,
    output: Output,
}

fn freeze(inner: &Inner, contents: &Contents<'_>) -> Result<InstanceSpec, String> {
    let chain = |error: kiln_image::Error| chain(&error);
    let image = inner.images.image(contents.image).map_err(chain)?;
    let lower = inner.images.lower_dirs(contents.image).map_err(chain)?;
    Ok(spec(inner, contents, &image, lower))
}

fn spec(
    inner: &Inner,
    contents: &Contents<'_>,
    image: &Image,
    mut lower: Vec<PathBuf>,
) -> InstanceSpec {
    // The store names the top layer first, as overlayfs does; a spec names the base first.
    lower.reverse();
    let run = contents.run;
    let has_init = image.config.entrypoint.first().is_some_and(|program| program == PROGRAM);
    InstanceSpec {
        v: InstanceSpec::VERSION,
        install: inner.machine.install,
        instance: contents.id,
        root: Root { lower, writable: None },
        command: if has_init { vec![PROGRAM.to_owned()] } else { run.command.clone() },
        env: over_image(&image.config.env, contents.env.clone()),
        cwd: PathBuf::from(run.working_dir.as_ref().map_or("/", AbsolutePath::as_str)),
        user: User { uid: run.uid, gid: run.gid },
        capabilities: run.capabilities.iter().map(|c| c.as_str().to_owned()).collect(),
        volumes: contents.volumes.clone(),
        writable: run.writable.iter().map(|path| PathBuf::from(path.as_str())).collect(),
        hostname: contents.hostname.clone(),
        network: contents.network.clone(),
        limits: contents.limits,
        rlimits: Rlimit::defaults(),
        stop: Stop { signal: run.stop.signal.as_str().to_owned(), timeout: run.stop.timeout },
        init: has_init.then(|| init(run, contents.user_data)),
        secrets: contents.secrets.clone(),
        output: contents.output,
    }
}

fn network(inner: &Inner, segment: &Segment, mode: Network, address: SocketAddr) -> NetworkMode {
    match mode {
        Network::Host => NetworkMode::Host,
        Network::Isolated => {
            let attachment = inner.machine.addresses.attachment(segment, address);
            attachment.map_or(NetworkMode::Loopback, NetworkMode::Isolated)
        }
    }
}

fn of_group<'a>(inner: &Inner, birth: &'a Birth, network: NetworkMode) -> Contents<'a> {
    let group: &GroupSpec = &birth.spec;
    Contents {
        id: birth.id,
        image: &group.image,
        run: &group.run,
        user_data: &group.user_data,
        env: birth.variables(NonZeroU16::new(birth.address.port())),
        hostname: birth.hostname(),
        network,
        limits: Limits {
            memory: Some(group.params.memory),
            cpu_millis: Some(group.params.cpu.0),
            pids: Some(group.params.pids),
        },
        secrets: group.secrets.clone(),
        volumes: inner.machine.volumes.of(group, birth.slot),
        output: Output::Log,
    }
}

fn of_run(
    id: InstanceId,
    run: &RunSpec,
    address: SocketAddr,
    network: NetworkMode,
) -> Contents<'_> {
    let facts = InstanceFacts {
        app: run.app.as_ref(),
        env: run.env.as_ref(),
        process: &run.process,
        group: None,
        instance: id,
        release: None,
        image: run.image,
        port: NonZeroU16::new(address.port()),
    };
    let mut env = kiln_config::environment(&run.user_data.properties, &facts);
    env.extend(run.variables.clone());
    Contents {
        id,
        image: &run.image,
        run: &run.run,
        user_data: &run.user_data,
        env,
        hostname: format!("run-{id}"),
        network,
        limits: Limits {
            memory: Some(run.memory),
            cpu_millis: Some(run.cpu.0),
            pids: Some(run.pids),
        },
        volumes: Vec::new(),
        secrets: run.secrets.clone(),
        output: Output::Caller,
    }
}
