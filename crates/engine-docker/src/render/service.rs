//! An instance as a service of a Swarm: one replica, never started again.
//!
//! A service of several replicas could not be told which of them to stop, nor could one begin before
//! another goes.

use super::container::{log_options, ulimits};
use super::{Made, Mode, SECRETS_DIR, number};
use crate::placement::Placement;
use bollard::models::{
    EndpointPortConfig, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum,
    EndpointSpec, EndpointSpecModeEnum, HealthConfig, Limit, Mount, MountTmpfsOptions, MountType,
    NetworkAttachmentConfig, ResourceObject, ServiceSpec, ServiceSpecMode,
    ServiceSpecModeReplicated, ServiceSpecUpdateConfig, ServiceSpecUpdateConfigFailureActionEnum,
    ServiceSpecUpdateConfigOrderEnum, TaskSpec, TaskSpecContainerSpec, TaskSpecContainerSpecFile,
    TaskSpecContainerSpecPrivileges, TaskSpecContainerSpecSecrets, TaskSpecLogDriver,
    TaskSpecPlacement, TaskSpecPlacementPreferences, TaskSpecPlacementSpread, TaskSpecResources,
    TaskSpecRestartPolicy, TaskSpecRestartPolicyConditionEnum,
};
use kiln_names::SecretName;
use kiln_protocol::configuration::{InsideCheck, Network};
use std::time::Duration;

/// No node is called so. A service that may only run there is stopped, and its task with its exit
/// code and log stays, where one of no replicas loses them within a quarter of a second.
const NOWHERE: &str = "node.id==stopped-by-kiln";

/// A secret as the Swarm keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The file that it becomes.
    pub(crate) file: SecretName,
    /// The Swarm's id of it.
    pub(crate) id: String,
    /// The Swarm's name of it.
    pub(crate) name: String,
}

/// What asks for a service. `network` is the environment's.
pub(crate) fn render(made: Made, network: &str, secrets: &[Kept]) -> ServiceSpec {
    let shared = made.network == Network::Host;
    let target = if shared { "host" } else { network };
    let ports = if shared { None } else { ports(&made) };
    ServiceSpec {
        name: Some(made.name.clone()),
        labels: Some(made.labels.clone()),
        mode: Some(ServiceSpecMode {
            replicated: Some(ServiceSpecModeReplicated { replicas: Some(1) }),
            ..ServiceSpecMode::default()
        }),
        endpoint_spec: Some(EndpointSpec { mode: Some(EndpointSpecModeEnum::DNSRR), ports }),
        task_template: Some(TaskSpec {
            resources: Some(resources(&made)),
            restart_policy: Some(TaskSpecRestartPolicy {
                condition: Some(TaskSpecRestartPolicyConditionEnum::NONE),
                ..TaskSpecRestartPolicy::default()
            }),
            networks: Some(vec![NetworkAttachmentConfig {
                target: Some(target.to_owned()),
                ..NetworkAttachmentConfig::default()
            }]),
            log_driver: Some(TaskSpecLogDriver {
                name: Some("json-file".to_owned()),
                options: Some(log_options()),
            }),
            placement: Some(placement(&made.placement)),
            container_spec: Some(container(made, secrets)),
            ..TaskSpec::default()
        }),
        ..ServiceSpec::default()
    }
}

/// The same service, stopped.
pub(crate) fn stopped(mut spec: ServiceSpec) -> ServiceSpec {
    let template = spec.task_template.get_or_insert_default();
    template.placement = Some(TaskSpecPlacement {
        constraints: Some(vec![NOWHERE.to_owned()]),
        ..TaskSpecPlacement::default()
    });
    spec.update_config = Some(ServiceSpecUpdateConfig {
        parallelism: Some(0),
        order: Some(ServiceSpecUpdateConfigOrderEnum::STOP_FIRST),
        failure_action: Some(ServiceSpecUpdateConfigFailureActionEnum::PAUSE),
        ..ServiceSpecUpdateConfig::default()
    });
    spec
}

/// Whether a service, or a task of one, is what [`stopped`] makes.
pub(crate) fn is_stopped(template: Option<&TaskSpec>) -> bool {
    let constraints = template.and_then(|t| t.placement.as_ref()?.constraints.as_ref());
    constraints.is_some_and(|all| all.iter().any(|one| one == NOWHERE))
}

fn ports(made: &Made) -> Option<Vec<EndpointPortConfig>> {
    Some(vec![EndpointPortConfig {
        protocol: Some(EndpointPortConfigProtocolEnum::TCP),
        target_port: Some(made.port?.get().into()),
        published_port: Some(made.published.into()),
        publish_mode: Some(EndpointPortConfigPublishModeEnum::HOST),
        ..EndpointPortConfig::default()
    }])
}

fn placement(placement: &Placement) -> TaskSpecPlacement {
    let preference = |descriptor: &String| TaskSpecPlacementPreferences {
        spread: Some(TaskSpecPlacementSpread { spread_descriptor: Some(descriptor.clone()) }),
    };
    TaskSpecPlacement {
        constraints: Some(placement.constraints.clone()),
        preferences: Some(placement.spread.iter().map(preference).collect()),
        ..TaskSpecPlacement::default()
    }
}

/// The memory that it may use is set aside for it, so that the scheduler knows what room there is.
/// Processors go to who is busy, and may be promised twice unless that is not wanted.
fn resources(made: &Made) -> TaskSpecResources {
    TaskSpecResources {
        limits: Some(Limit {
            nano_cpus: Some(made.nano_cpus),
            memory_bytes: Some(made.memory),
            pids: Some(made.pids),
        }),
        reservations: Some(ResourceObject {
            memory_bytes: Some(made.memory),
            nano_cpus: made.placement.reserve_cpu.then_some(made.nano_cpus),
            ..ResourceObject::default()
        }),
        swap_bytes: Some(0),
        ..TaskSpecResources::default()
    }
}

fn container(made: Made, secrets: &[Kept]) -> TaskSpecContainerSpec {
    TaskSpecContainerSpec {
        user: Some(made.user()),
        mounts: Some(mounts(&made)),
        secrets: Some(secrets.iter().map(|kept| secret(kept, &made)).collect()),
        image: Some(made.image),
        labels: Some(made.labels),
        command: Some(made.command),
        hostname: Some(made.hostname),
        env: Some(made.env),
        dir: Some(made.cwd),
        read_only: Some(true),
        privileges: Some(TaskSpecContainerSpecPrivileges {
            no_new_privileges: Some(true),
            ..TaskSpecContainerSpecPrivileges::default()
        }),
        health_check: made.inside.as_ref().map(health),
        stop_signal: Some(made.stop_signal),
        stop_grace_period: Some(
            u64::try_from(made.stop_timeout.as_nanos()).map_or(i64::MAX, number),
        ),
        // The first process of a container ignores a signal that it has no handler for.
        init: Some(true),
        capability_add: Some(made.capabilities.iter().map(|name| format!("CAP_{name}")).collect()),
        capability_drop: Some(vec!["ALL".to_owned()]),
        ulimits: Some(ulimits()),
        ..TaskSpecContainerSpec::default()
    }
}

/// Docker makes the check on whatever node the task is, and ends a container that fails it.
fn health((check, startup): &(InsideCheck, Duration)) -> HealthConfig {
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let mut test = kiln_keeper::command(check);
    test.insert(0, "CMD".to_owned());
    HealthConfig {
        test: Some(test),
        interval: Some(nanos(check.interval.get())),
        timeout: Some(nanos(check.timeout.get())),
        retries: Some(i64::from(check.unhealthy_threshold)),
        start_period: Some(nanos(*startup)),
        ..HealthConfig::default()
    }
}

/// A Swarm gives places in memory no owner, so that all of them are everybody's inside. A volume that is
/// such a place could have one, but Docker makes two for each, and forgets the other.
fn mounts(made: &Made) -> Vec<Mount> {
    let mount = |(place, mode): (&String, &Mode)| Mount {
        target: Some(place.clone()),
        typ: Some(MountType::TMPFS),
        tmpfs_options: Some(MountTmpfsOptions {
            size_bytes: Some(made.memory),
            mode: Some(if *mode == Mode::Own && made.uid == 0 { 0o755 } else { 0o1777 }),
            options: Some(vec![vec!["exec".to_owned()]]),
        }),
        ..Mount::default()
    };
    made.writable.iter().map(mount).collect()
}

fn secret(kept: &Kept, made: &Made) -> TaskSpecContainerSpecSecrets {
    TaskSpecContainerSpecSecrets {
        file: Some(TaskSpecContainerSpecFile {
            name: Some(format!("{SECRETS_DIR}/{}", kept.file)),
            uid: Some(made.uid.to_string()),
            gid: Some(made.gid.to_string()),
            mode: Some(0o400),
        }),
        secret_id: Some(kept.id.clone()),
        secret_name: Some(kept.name.clone()),
    }
}
