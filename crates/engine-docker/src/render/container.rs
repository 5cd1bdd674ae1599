//! An instance as a container of one engine.

use super::{Made, Mode, SECRETS_DIR};
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigLogConfig,
    Mount, MountType, NetworkingConfig, PortBinding, PortMap, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use kiln_protocol::configuration::Network;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

/// How a container is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// At this address of the environment's network.
    Own(IpAddr),
    /// At the port of the engine's machine that was chosen.
    Published,
}

/// What asks for a container. `network` is the environment's; `secrets` is where the engine finds files
/// of its secrets.
pub(crate) fn render(
    made: Made,
    network: &str,
    door: Door,
    secrets: Option<&Path>,
) -> ContainerCreateBody {
    let shared = made.network == Network::Host;
    let endpoint = |ip: IpAddr| EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(ip.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    };
    let endpoints = match door {
        Door::Own(ip) if !shared => Some((network.to_owned(), endpoint(ip))),
        _ => None,
    };
    let ports = (door == Door::Published && !shared).then(|| ports(&made)).flatten();
    ContainerCreateBody {
        exposed_ports: ports.as_ref().map(|ports| ports.keys().cloned().collect()),
        networking_config: endpoints
            .map(|endpoint| NetworkingConfig { endpoints_config: Some(HashMap::from([endpoint])) }),
        host_config: Some(HostConfig {
            network_mode: Some(if shared { "host".to_owned() } else { network.to_owned() }),
            port_bindings: ports,
            mounts: secrets.map(|secrets| vec![shown(secrets)]),
            ..walls(&made)
        }),
        user: Some(made.user()),
        hostname: Some(made.hostname),
        env: Some(made.env),
        image: Some(made.image),
        entrypoint: Some(made.command),
        cmd: Some(Vec::new()),
        working_dir: Some(made.cwd),
        labels: Some(made.labels),
        stop_signal: Some(made.stop_signal),
        stop_timeout: Some(seconds(made.stop_timeout)),
        ..ContainerCreateBody::default()
    }
}

/// Docker counts whole seconds, and 0 would kill at once.
pub(crate) fn seconds(time: std::time::Duration) -> i64 {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i64::try_from(whole.max(1)).unwrap_or(i64::MAX)
}

fn shown(secrets: &Path) -> Mount {
    Mount {
        target: Some(SECRETS_DIR.to_owned()),
        source: Some(secrets.to_string_lossy().into_owned()),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        ..Mount::default()
    }
}

fn ports(made: &Made) -> Option<PortMap> {
    let binding = PortBinding {
        host_ip: Some("0.0.0.0".to_owned()),
        host_port: Some(made.published.to_string()),
    };
    Some(HashMap::from([(format!("{}/tcp", made.port?), Some(vec![binding]))]))
}

/// Limits, and what keeps it from others.
fn walls(made: &Made) -> HostConfig {
    HostConfig {
        memory: Some(made.memory),
        // The same: nothing of it may be swapped out.
        memory_swap: Some(made.memory),
        nano_cpus: Some(made.nano_cpus),
        pids_limit: Some(made.pids),
        readonly_rootfs: Some(true),
        tmpfs: Some(tmpfs(made)),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(made.capabilities.clone()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        ulimits: Some(ulimits()),
        // The first process of a container ignores a signal that it has no handler for.
        init: Some(true),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(log_options()),
        }),
        ..HostConfig::default()
    }
}

fn tmpfs(made: &Made) -> HashMap<String, String> {
    let options = |mode: Mode| {
        // Older runc gives a place the mode that the image's directory has, whatever is asked for: its
        // owner can write all the same.
        let owner = format!("mode={},uid={},gid={}", mode.octal(), made.uid, made.gid);
        // Memory is counted in the limit anyway; the size makes a full disk of it before it becomes
        // an instance without memory.
        format!("rw,exec,nosuid,nodev,{owner},size={}", made.memory)
    };
    made.writable.iter().map(|(place, mode)| (place.clone(), options(*mode))).collect()
}

/// No core dumps, which would have nowhere to go. How many files may be open is left to the engine: more
/// than its own limit would keep every container from starting, and it does not tell that limit.
pub(super) fn ulimits() -> Vec<ResourcesUlimits> {
    let core = ResourcesUlimits { name: Some("core".to_owned()), soft: Some(0), hard: Some(0) };
    vec![core]
}

/// A log takes 30 MiB at most.
pub(super) fn log_options() -> HashMap<String, String> {
    let options = BTreeMap::from([("max-size", "10m"), ("max-file", "3")]);
    options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
