//! What callers may rely on about groups.

use super::{Bench, CALL, Outcome, ensure, refused, said};
use crate::{Call, Depth, ErrorKind};
use kiln_names::{AppName, GroupId};

pub(super) async fn begins_empty(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.spec();
    bench.engine().ensure_group(CALL, &spec).await.map_err(said("ensure the group"))?;
    let empty = |g: &crate::ObservedGroup| g.desired == 0 && g.instances.is_empty();
    bench.until(spec.id, "a group of size 0", |group| group.is_some_and(empty)).await
}

pub(super) async fn ensured_twice(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(2).await?;
    bench.engine().ensure_group(CALL, &spec).await.map_err(said("ensure the group again"))?;
    let kept = |g: &crate::ObservedGroup| g.desired == 2 && g.healthy() == 2;
    bench.until(spec.id, "still two instances", |group| group.is_some_and(kept)).await
}

pub(super) async fn resized(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    for size in [3_u32, 3, 1, 0, 2] {
        let engine = bench.engine();
        engine.resize_group(CALL, spec.id, size.into()).await.map_err(said("resize the group"))?;
        let whole = |g: &crate::ObservedGroup| {
            g.desired == size && g.instances.len() == size as usize && g.healthy() == size as usize
        };
        let what = format!("{size} healthy instances and no other");
        bench.until(spec.id, &what, |group| group.is_some_and(whole)).await?;
    }
    Ok(())
}

pub(super) async fn shrinks_from_the_top(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(3).await?;
    let engine = bench.engine();
    engine.resize_group(CALL, spec.id, 2_u32.into()).await.map_err(said("resize the group"))?;
    let rest = |g: &crate::ObservedGroup| {
        let mut slots: Vec<u32> = g.instances.iter().map(|i| i.slot).collect();
        slots.sort_unstable();
        slots == [0, 1]
    };
    bench.until(spec.id, "slots 0 and 1 remain", |group| group.is_some_and(rest)).await
}

pub(super) async fn removed_twice(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    let engine = bench.engine();
    engine.remove_group(CALL, spec.id).await.map_err(said("remove the group"))?;
    engine.remove_group(CALL, spec.id).await.map_err(said("remove it while it leaves"))?;
    bench.until(spec.id, "the group is gone", |group| group.is_none()).await?;
    engine.remove_group(CALL, spec.id).await.map_err(said("remove it once it is gone"))
}

pub(super) async fn unknown_removed(bench: &mut Bench<'_>) -> Outcome {
    let unknown = GroupId::from_random([0xc0, 0xff, 0xff, 0xff]);
    bench.engine().remove_group(CALL, unknown).await.map_err(said("remove an unknown group"))
}

pub(super) async fn unknown_resized(bench: &mut Bench<'_>) -> Outcome {
    let unknown = GroupId::from_random([0xc0, 0xff, 0xff, 0xff]);
    refused(bench.engine().resize_group(CALL, unknown, 1_u32.into()).await, ErrorKind::NotFound)
}

pub(super) async fn stale_epoch(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    let (older, engine) = (Call { epoch: CALL.epoch - 1 }, bench.engine());
    refused(engine.resize_group(older, spec.id, 2_u32.into()).await, ErrorKind::Stale)?;
    refused(engine.remove_group(older, spec.id).await, ErrorKind::Stale)?;
    let other = bench.spec();
    refused(engine.ensure_group(older, &other).await, ErrorKind::Stale)?;
    let seen = engine.observe(None).await.map_err(said("observe"))?;
    ensure(seen.group(spec.id).is_some_and(|g| g.desired == 1), || format!("changed: {seen:?}"))
}

pub(super) async fn replaced(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(2).await?;
    let engine = bench.engine();
    let seen = engine.observe(None).await.map_err(said("observe"))?;
    let old = seen.group(spec.id).and_then(|g| g.instances.first()).map(|i| i.id);
    let old = old.ok_or("the group has no instance")?;
    engine.replace_instance(CALL, old).await.map_err(said("replace the instance"))?;
    let done = |g: &crate::ObservedGroup| {
        g.instances.len() == 2 && g.healthy() == 2 && g.instances.iter().all(|i| i.id != old)
    };
    bench.until(spec.id, "another instance in its place", |g| g.is_some_and(done)).await
}

pub(super) async fn scoped(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    let engine = bench.engine();
    let own = engine.observe(Some((&spec.app, &spec.env))).await.map_err(said("observe"))?;
    ensure(own.group(spec.id).is_some(), || "its own group is missing".to_owned())?;
    let other = AppName::parse("other").expect("letters");
    let none = engine.observe(Some((&other, &spec.env))).await.map_err(said("observe"))?;
    ensure(none.groups.is_empty(), || format!("groups of others are shown: {none:?}"))
}

pub(super) async fn announced(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(1).await?;
    let mut changes = bench.engine().changes();
    changes.mark_unchanged();
    let engine = bench.engine();
    engine.resize_group(CALL, spec.id, 2_u32.into()).await.map_err(said("resize the group"))?;
    let heard = tokio::time::timeout(bench.subject.patience(), changes.changed()).await;
    ensure(matches!(heard, Ok(Ok(()))), || "no change was announced".to_owned())
}

pub(super) async fn outlive_restart(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(2).await?;
    let before = bench.engine().observe(None).await.map_err(said("observe"))?;
    bench.subject.restart().await;
    let whole = |g: &crate::ObservedGroup| g.desired == 2 && g.healthy() == 2;
    bench.until(spec.id, "both instances after the restart", |g| g.is_some_and(whole)).await?;
    let after = bench.engine().observe(None).await.map_err(said("observe"))?;
    let ids = |seen: &crate::Observation| -> Vec<_> {
        seen.group(spec.id).into_iter().flat_map(|g| &g.instances).map(|i| i.id).collect()
    };
    ensure(ids(&before) == ids(&after), || "instances were started again".to_owned())?;
    bench.engine().ensure_group(CALL, &spec).await.map_err(said("ensure the group again"))
}

/// At rest, while it grows, and after.
pub(super) async fn does_not_drift(bench: &mut Bench<'_>) -> Outcome {
    let spec = bench.healthy(2).await?;
    let engine = bench.engine();
    for size in [2, 3, 1] {
        engine.resize_group(CALL, spec.id, size.into()).await.map_err(said("resize the group"))?;
        let drift = engine.drift(Depth::Shallow).await.map_err(said("look for drift"))?;
        ensure(drift.is_empty(), || format!("at size {size} it drifts: {drift:#?}"))?;
    }
    let drift = engine.drift(Depth::Deep).await.map_err(said("look deeply for drift"))?;
    ensure(drift.is_empty(), || format!("it drifts: {drift:#?}"))
}
