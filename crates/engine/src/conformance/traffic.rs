//! What callers may rely on about traffic.

use super::{Bench, CALL, Outcome, ensure, refused, said};
use crate::{
    Call, ClusterTraffic, ErrorKind, GroupSpec, Share, TrafficObservation, TrafficState,
    TrafficVersion,
};
use kiln_names::GroupId;
use std::time::{Duration, Instant};

pub(super) async fn begins_empty(bench: &mut Bench<'_>) -> Outcome {
    let seen = observe(bench).await?;
    let empty = seen.version == TrafficVersion(0) && seen.state.clusters.is_empty();
    ensure(empty, || format!("traffic begins as {seen:?}"))
}

pub(super) async fn applied(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    let state = state(&spec, &[(spec.id, 100)]);
    let version = apply(bench, &state, TrafficVersion(0)).await?;
    let seen = observe(bench).await?;
    ensure(seen.version == version && seen.state == state, || format!("in force is {seen:?}"))
}

pub(super) async fn applied_twice(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    let state = state(&spec, &[(spec.id, 100)]);
    let first = apply(bench, &state, TrafficVersion(0)).await?;
    let again = apply(bench, &state, TrafficVersion(0)).await?;
    ensure(first == again, || format!("the second time made {again:?} of {first:?}"))
}

pub(super) async fn stale_version(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    let version = apply(bench, &state(&spec, &[(spec.id, 100)]), TrafficVersion(0)).await?;
    let traffic = bench.subject.traffic();
    let other = state(&spec, &[(spec.id, 50)]);
    refused(traffic.apply(CALL, &other, TrafficVersion(0)).await, ErrorKind::Stale)?;
    let seen = observe(bench).await?;
    ensure(seen.version == version, || format!("it changed to {seen:?}"))
}

pub(super) async fn stale_epoch(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    let version = apply(bench, &state(&spec, &[(spec.id, 100)]), TrafficVersion(0)).await?;
    let (older, traffic) = (Call { epoch: CALL.epoch - 1 }, bench.subject.traffic());
    let other = state(&spec, &[(spec.id, 50)]);
    refused(traffic.apply(older, &other, version).await, ErrorKind::Stale)
}

pub(super) async fn unknown_group(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.spec();
    let unknown = GroupId::from_random([0xc0, 0xff, 0xff, 0xff]);
    let state = state(&spec, &[(unknown, 100)]);
    let traffic = bench.subject.traffic();
    refused(traffic.apply(CALL, &state, TrafficVersion(0)).await, ErrorKind::NotFound)
}

pub(super) async fn checked_without_weight(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(2).await?;
    apply(bench, &state(&spec, &[(spec.id, 0)]), TrafficVersion(0)).await?;
    until_healthy(bench, spec.id, 2).await
}

pub(super) async fn moves_at_once(bench: &mut Bench<'_>) -> Outcome {
    let old = bench.healthy(1).await?;
    let new = bench.healthy(1).await?;
    let before = state(&old, &[(old.id, 100), (new.id, 0)]);
    let after = state(&old, &[(old.id, 0), (new.id, 100)]);
    let version = apply(bench, &before, TrafficVersion(0)).await?;
    until_healthy(bench, new.id, 1).await?;
    let version = apply(bench, &after, version).await?;
    let seen = observe(bench).await?;
    ensure(seen.version == version && seen.state == after, || format!("in force is {seen:?}"))
}

pub(super) async fn outlives_restart(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    let state = state(&spec, &[(spec.id, 100)]);
    apply(bench, &state, TrafficVersion(0)).await?;
    bench.subject.restart().await;
    let seen = observe(bench).await?;
    ensure(seen.state == state, || format!("after the restart {seen:?} is in force"))?;
    until_healthy(bench, spec.id, 1).await
}

fn state(spec: &GroupSpec, shares: &[(GroupId, u32)]) -> TrafficState {
    let shares = shares.iter().map(|(group, weight)| Share { group: *group, weight: *weight });
    let cluster = ClusterTraffic {
        process: spec.process.clone(),
        routes: spec.params.routes.clone(),
        shares: shares.collect(),
        external: None,
    };
    TrafficState { app: spec.app.clone(), env: spec.env.clone(), clusters: vec![cluster] }
}

async fn apply(
    bench: &Bench<'_>,
    state: &TrafficState,
    expected: TrafficVersion,
) -> Result<TrafficVersion, String> {
    let traffic = bench.subject.traffic();
    traffic.apply(CALL, state, expected).await.map_err(said("apply the traffic"))
}

async fn observe(bench: &Bench<'_>) -> Result<TrafficObservation, String> {
    let traffic = bench.subject.traffic();
    traffic.observe(&bench.app(), &bench.env()).await.map_err(said("observe the traffic"))
}

async fn until_healthy(bench: &Bench<'_>, group: GroupId, healthy: u32) -> Outcome {
    let began = Instant::now();
    loop {
        let seen = observe(bench).await?;
        if seen.groups.iter().any(|g| g.group == group && g.healthy == healthy) {
            return Ok(());
        }
        let patience = bench.subject.patience();
        ensure(began.elapsed() < patience, || format!("not healthy for the traffic: {seen:?}"))?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
