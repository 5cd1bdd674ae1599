//! What there is, what is promised, what is used, what still fits.

use crate::kit::Kit;
use crate::place::{KnownGroup, Place};
use crate::room::Room;
use crate::{Error, Problem, Target};
use kiln_engine::{Engine, InstanceState, Observation, ObservedInstance, Resources};
use kiln_names::{ByteSize, EnvName, ProcessName};
use kiln_protocol::capacity::{Amount, Capacity, Portion};
use kiln_protocol::status::GroupState;
use kiln_store::catalog;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One answer for each engine, with the environments that it runs.
pub(crate) async fn all(kit: &Kit) -> Result<Vec<Capacity>, Error> {
    let mut engines: Vec<(Arc<dyn Engine>, Vec<EnvName>)> = Vec::new();
    for row in catalog::environments(&mut *kit.db.read().await?).await? {
        let engine = kit.ports.engines.of(&row.name).await?.engine;
        match engines.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &engine)) {
            Some((_, envs)) => envs.push(row.name),
            None => engines.push((engine, vec![row.name])),
        }
    }
    let mut all = Vec::with_capacity(engines.len());
    for (engine, envs) in engines {
        all.push(of(kit, &*engine, envs).await?);
    }
    Ok(all)
}

async fn of(kit: &Kit, engine: &dyn Engine, envs: Vec<EnvName>) -> Result<Capacity, Error> {
    let mut parts = Vec::new();
    for target in crate::view::targets(kit).await?.into_iter().filter(|t| envs.contains(&t.env)) {
        let place = Place::read_all(&mut *kit.db.read().await?, &target).await?;
        // Asked first: it looks at what instances use now.
        let peaks = engine.peaks(&target.app, &target.env).await.map_err(Problem::from)?;
        let seen = engine.observe(Some((&target.app, &target.env))).await.map_err(Problem::from)?;
        let peak = |process: &ProcessName| {
            peaks.iter().filter(|it| it.process == *process).map(|it| it.peak).max()
        };
        parts.extend(portions(&target, &place.groups, &seen, peak));
    }
    let capacity = engine.capacity().await.map_err(Problem::from)?;
    let room = Room::of(&capacity);
    for part in &mut parts {
        part.fits = room.instances(part.limit);
    }
    Ok(sum_up(envs, &capacity, parts))
}

/// One row for each process.
fn portions(
    target: &Target,
    groups: &[KnownGroup],
    seen: &Observation,
    peak: impl Fn(&ProcessName) -> Option<ByteSize>,
) -> Vec<Portion> {
    let mut rows: BTreeMap<ProcessName, Portion> = BTreeMap::new();
    for group in groups {
        let process = &group.spec.process;
        let row = rows.entry(process.clone()).or_insert_with(|| empty(target, process));
        add(row, group, seen);
        row.peak = peak(process);
    }
    rows.into_values().collect()
}

fn empty(target: &Target, process: &ProcessName) -> Portion {
    Portion {
        app: target.app.clone(),
        env: target.env.clone(),
        process: process.clone(),
        instances: 0,
        limit: ByteSize(0),
        promised: ByteSize(0),
        spare: ByteSize(0),
        at_height: ByteSize(0),
        used: ByteSize(0),
        peak: None,
        cpu_millis: 0,
        cpu_promised_millis: 0,
        cpu_at_height_millis: 0,
        cpu_used_millis: 0,
        fits: 0,
    }
}

/// Groups come oldest first, so that the newest one's limit stands.
fn add(row: &mut Portion, group: &KnownGroup, seen: &Observation) {
    let limits = &group.spec.params;
    let observed = seen.group(group.spec.id);
    let size = u64::from(observed.map_or(group.size, |observed| observed.desired));
    let (memory, cpu) = (size * limits.memory.0, size * u64::from(limits.cpu.0));
    (row.limit, row.cpu_millis) = (limits.memory, u64::from(limits.cpu.0));
    row.promised.0 += memory;
    row.cpu_promised_millis += cpu;
    row.at_height.0 += memory;
    row.cpu_at_height_millis += cpu;
    if group.state == GroupState::Active {
        // While it is swapped there are two of it.
        row.at_height.0 += memory;
        row.cpu_at_height_millis += cpu;
    }
    if group.state == GroupState::Warm {
        row.spare.0 += memory;
    }
    let running = |it: &&ObservedInstance| it.state != InstanceState::Exited;
    let instances = observed.into_iter().flat_map(|observed| &observed.instances).filter(running);
    for instance in instances {
        row.instances += 1;
        row.used.0 += instance.usage.map_or(0, |usage| usage.memory.0);
        row.cpu_used_millis += instance.usage.and_then(|usage| usage.cpu_millis).unwrap_or(0);
    }
}

fn sum_up(envs: Vec<EnvName>, capacity: &kiln_engine::Capacity, parts: Vec<Portion>) -> Capacity {
    let Resources { cpu_millis, memory } = capacity.total;
    let left = capacity.left;
    let (swap, cpu_swap, highest) = highest_swap(&parts);
    let promised = memory.0.saturating_sub(left.memory.0);
    let cpu_promised: u64 = parts.iter().map(|part| part.cpu_promised_millis).sum();
    Capacity {
        environments: envs,
        memory: Amount {
            total: memory.0,
            promised,
            spare: parts.iter().map(|part| part.spare.0).sum(),
            at_height: promised + swap,
            used: parts.iter().map(|part| part.used.0).sum(),
            left: left.memory.0,
        },
        cpu_millis: Amount {
            total: cpu_millis,
            promised: cpu_promised,
            spare: 0,
            at_height: cpu_promised + cpu_swap,
            used: parts.iter().map(|part| part.cpu_used_millis).sum(),
            left: left.cpu_millis,
        },
        machine_used: capacity.memory_used,
        highest,
        parts,
    }
}

/// The application that takes the most more while it is swapped, with its memory and processors.
fn highest_swap(parts: &[Portion]) -> (u64, u64, Option<String>) {
    let mut swaps: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for part in parts {
        let swap = swaps.entry((part.app.to_string(), part.env.to_string())).or_default();
        swap.0 += part.at_height.0 - part.promised.0;
        swap.1 += part.cpu_at_height_millis - part.cpu_promised_millis;
    }
    let highest = swaps.into_iter().filter(|(_, swap)| swap.0 > 0).max_by_key(|(_, swap)| *swap);
    let Some(((app, env), (memory, cpu))) = highest else { return (0, 0, None) };
    (memory, cpu, Some(format!("{app} in {env}")))
}
