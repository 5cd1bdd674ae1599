//! What a Swarm says of services, tasks and nodes. Pure.

use crate::labels::Owner;
use crate::render::service::is_stopped;
use crate::seen::{Ended, Seen};
use bollard::models::{Node, NodeState, Service, Task, TaskState};
use kiln_names::InstanceId;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// What is known of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What people call it.
    pub(crate) name: String,
    /// Whether the Swarm has lost it.
    pub(crate) down: bool,
    /// Where it is reached; nothing usable on a Swarm of one node that is only for itself.
    pub(crate) ip: Option<IpAddr>,
}

/// The nodes by their ids.
pub(crate) type Places = HashMap<String, Place>;

/// Reads the nodes.
pub(crate) fn places(nodes: Vec<Node>) -> Places {
    let place = |node: Node| {
        let status = node.status.unwrap_or_default();
        let name = node.description.and_then(|description| description.hostname);
        let place = Place {
            name: name.unwrap_or_default(),
            down: status.state == Some(NodeState::DOWN),
            ip: status.addr.and_then(|addr| usable(&addr)),
        };
        Some((node.id?, place))
    };
    nodes.into_iter().filter_map(place).collect()
}

/// An address that others can reach.
pub(crate) fn usable(addr: &str) -> Option<IpAddr> {
    let ip: IpAddr = addr.parse().ok()?;
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

/// Whether a service is the one of that instance.
pub(crate) fn is_of(owner: &Owner, found: &Service, id: InstanceId) -> bool {
    let labels = found.spec.as_ref().and_then(|spec| spec.labels.as_ref());
    owner.instance(labels) == Some(id)
}

/// Whether a task is about to run.
pub(crate) fn starts(task: &Task) -> bool {
    task.status.as_ref().and_then(|status| status.state) == Some(TaskState::STARTING)
}

/// The states of all. A task that only stands for a stopped service says nothing. `running` are those
/// whose container an engine has seen started, before its node told the Swarm.
pub(crate) fn all(
    owner: &Owner,
    services: &[Service],
    tasks: &[Task],
    places: &Places,
    running: &HashSet<InstanceId>,
) -> HashMap<InstanceId, Seen> {
    let mut all = HashMap::new();
    let mut ids = HashMap::new();
    for service in services {
        let Some(spec) = &service.spec else { continue };
        let Some(id) = owner.instance(spec.labels.as_ref()) else { continue };
        let seen = match is_stopped(spec.task_template.as_ref()) {
            true => Seen::Ended(Ended::default()),
            false => Seen::Pending(None),
        };
        all.insert(id, seen);
        ids.insert(id, service.id.as_ref());
    }
    for task in tasks.iter().filter(|task| !is_stopped(task.spec.as_ref())) {
        let container = task.spec.as_ref().and_then(|spec| spec.container_spec.as_ref());
        let labels = container.and_then(|container| container.labels.as_ref());
        let Some(id) = owner.instance(labels) else { continue };
        // One of a service that was removed says nothing of another in its place.
        if ids.get(&id) == Some(&task.service_id.as_ref()) {
            all.insert(id, of_task(task, places, running.contains(&id)));
        }
    }
    all
}

fn of_task(task: &Task, places: &Places, running: bool) -> Seen {
    use TaskState as State;
    let place = task.node_id.as_ref().and_then(|id| places.get(id));
    let status = task.status.clone().unwrap_or_default();
    let error = status.err.filter(|error| !error.is_empty());
    let error = error.map(|error| crate::trouble::shortened(&error));
    let shuts_down = matches!(task.desired_state, Some(State::SHUTDOWN | State::REMOVE));
    let lost = place.filter(|place| place.down && shuts_down);
    let ended = |error| {
        let container = status.container_status.clone().unwrap_or_default();
        // A task that never had a process has no exit code, whatever it says.
        let id = container.container_id.filter(|id| !id.is_empty());
        let code = id.as_ref().and(container.exit_code);
        let code = code.filter(|code| *code >= 0);
        Seen::Ended(Ended { code, error, container: id })
    };
    match status.state {
        Some(State::COMPLETE | State::SHUTDOWN) => ended(None),
        Some(State::FAILED) => ended(of_failure(error, place)),
        Some(State::REJECTED | State::ORPHANED | State::REMOVE) => {
            ended(Some(error.unwrap_or_else(|| "the Swarm gave it up".to_owned())))
        }
        _ if lost.is_some() => {
            let name = lost.map_or("", |place| &place.name);
            ended(Some(format!("its node {name} is down")))
        }
        Some(state) if state == State::RUNNING || (state == State::STARTING && running) => {
            Seen::Running(place.and_then(|place| place.ip).map(|ip| (ip, 0).into()))
        }
        // It is waited for only if it may still come.
        Some(State::NEW | State::PENDING | State::ALLOCATED) if shuts_down => ended(error),
        _ => Seen::Pending(error),
    }
}

/// An exit code says it all; everything else is told with the node.
fn of_failure(error: Option<String>, place: Option<&Place>) -> Option<String> {
    let error = error.filter(|error| !error.starts_with("task: non-zero exit"))?;
    Some(match place {
        Some(place) if !place.name.is_empty() => format!("on node {}: {error}", place.name),
        _ => error,
    })
}

#[cfg(test)]
mod tests;
