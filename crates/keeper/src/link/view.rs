//! What several routers say of the same instances, as one.
//!
//! An instance takes requests everywhere or is not ready: until every router has passed it once, the
//! one that has not decides. After that the best of them decides: a router that cannot reach an
//! instance carries its requests to others by itself, and that is no reason to replace what others
//! reach.

use kiln_names::{GroupId, InstanceId, RouterName};
use kiln_router::{GroupStatus, Health, InstanceStatus, Status};
use std::collections::{HashMap, HashSet};

/// A router elsewhere, and what it says.
type Other<'a> = (&'a RouterName, HashMap<InstanceId, &'a InstanceStatus>);

/// One status of all: the lowest table, all requests in flight, and of each instance one health.
/// `passed` holds those that all have passed, and is kept from one time to the next.
pub(super) fn together(
    own: &Status,
    others: &[(&RouterName, &Status)],
    shared: &HashSet<GroupId>,
    passed: &mut HashSet<InstanceId>,
) -> Status {
    let mut all = own.clone();
    for (_, other) in others {
        (all.epoch, all.version) = (all.epoch, all.version).min((other.epoch, other.version));
    }
    let others: Vec<Other<'_>> = others.iter().map(|(name, said)| (*name, by_id(said))).collect();
    for instance in &mut all.instances {
        let said = || others.iter().filter_map(|(_, said)| said.get(&instance.id));
        instance.in_flight =
            said().fold(instance.in_flight, |all, said| all.saturating_add(said.in_flight));
        if !instance.draining && shared.contains(&instance.group) {
            judge(instance, &others, passed);
        }
    }
    all.instances.extend(left(own, &others));
    let known: HashSet<InstanceId> = own.instances.iter().map(|instance| instance.id).collect();
    passed.retain(|id| known.contains(id));
    all
}

/// Adds what another router counted of a group.
pub(super) fn count(groups: &mut [GroupStatus], more: &GroupStatus) {
    let Some(group) = groups.iter_mut().find(|group| group.id == more.id) else { return };
    let add = |count: &mut u64, more: u64| *count = count.saturating_add(more);
    add(&mut group.requests, more.requests);
    add(&mut group.broken, more.broken);
    add(&mut group.in_flight, more.in_flight);
    group.statuses.iter_mut().zip(more.statuses).for_each(|(count, more)| add(count, more));
    group.latency.add(&more.latency);
}

fn by_id(status: &Status) -> HashMap<InstanceId, &InstanceStatus> {
    status.instances.iter().map(|instance| (instance.id, instance)).collect()
}

/// What this machine's router is done with, and another still has requests for.
fn left(own: &Status, others: &[Other<'_>]) -> Vec<InstanceStatus> {
    let known = by_id(own);
    let mut left: HashMap<InstanceId, InstanceStatus> = HashMap::new();
    let busy = others.iter().flat_map(|(_, said)| said.values());
    for said in busy.filter(|said| said.in_flight > 0 && !known.contains_key(&said.id)) {
        let sum = left.entry(said.id).or_insert_with(|| InstanceStatus {
            in_flight: 0,
            draining: true,
            ..(**said).clone()
        });
        sum.in_flight = sum.in_flight.saturating_add(said.in_flight);
    }
    left.into_values().collect()
}

fn judge(instance: &mut InstanceStatus, others: &[Other<'_>], passed: &mut HashSet<InstanceId>) {
    let id = instance.id;
    let health = |other: &Other<'_>| other.1.get(&id).map(|said| said.health);
    let takes = |other: &&Other<'_>| health(other).is_some_and(Health::takes_traffic);
    let refuses = others.iter().find(|other| !takes(other));
    // Unhealthy is said only of one that passed before.
    let once = others.iter().any(|other| health(other) == Some(Health::Unhealthy));
    let proven = once || passed.contains(&id);
    match (instance.health.takes_traffic(), refuses) {
        (true, None) if instance.health == Health::Healthy => {
            passed.insert(id);
        }
        (true, Some((name, said))) if !proven => {
            let said = said.get(&id);
            let failed = said.is_some_and(|said| said.health == Health::Failed);
            instance.health = if failed { Health::Failed } else { Health::Starting };
            let check = said.map_or("", |said| said.last_check.as_str());
            instance.last_check = format!("by router {name}: {check}");
        }
        (false, _) if proven && others.iter().any(|other| takes(&other)) => {
            instance.health = Health::Healthy;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
