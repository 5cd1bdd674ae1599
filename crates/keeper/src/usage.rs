//! What instances use, sampled now and then: a kernel that keeps the peak has nothing missed.

use crate::Sample;
use crate::engine::store;
use crate::inner::Inner;
use kiln_engine::{EngineError, Exit, GroupSpec, MemoryPeak, Usage};
use kiln_names::{AppName, ByteSize, EnvName, GroupId, ProcessName, ReleaseId};
use kiln_store::StoreError;
use kiln_store::peaks::{self, PeakRow};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the use of memory is read.
const SAMPLE: Duration = Duration::from_secs(5);
/// How long who asks waits for fresh figures; a Docker Engine counts once a second, and is asked again
/// soon anyway.
const FRESH: Duration = Duration::from_millis(50);
/// A peak that is this old is written again, so that what runs stays among what was measured.
const REFRESH_MS: u64 = 3_600_000;
/// Processor time is told over at least this long: over less it says nothing.
const CPU_SPAN: Duration = Duration::from_millis(500);

/// What was last written of each group, so that a peak that stays is not written again.
type Written = HashMap<GroupId, PeakRow>;

/// Samples for as long as the server lives.
pub(crate) async fn sample(inner: Arc<Inner>) {
    let mut written = Written::new();
    loop {
        look(&inner, |_| true).await;
        if let Err(error) = write(&inner, &mut written).await {
            tracing::warn!(%error, "failed to record what instances use");
        }
        tokio::time::sleep(SAMPLE).await;
    }
}

/// What instances of an application in an environment used at most: what is recorded, and what has
/// been reached since.
pub(crate) async fn peaks(
    inner: &Arc<Inner>,
    app: &AppName,
    env: &EnvName,
) -> Result<Vec<MemoryPeak>, EngineError> {
    let fresh = look(inner, |spec| spec.app == *app && spec.env == *env);
    drop(tokio::time::timeout(FRESH, fresh).await);
    let recorded = peaks::of(&mut *inner.db.read().await.map_err(store)?, app, env).await;
    let mut all: BTreeMap<(ProcessName, ReleaseId), MemoryPeak> = BTreeMap::new();
    let now = measured(inner).into_values().filter(|row| row.app == *app && row.env == *env);
    for row in recorded.map_err(store)?.into_iter().chain(now) {
        let PeakRow { process, release, peak, too_small, last_ms, .. } = row;
        let key = (process.clone(), release);
        let nothing = MemoryPeak { process, release, peak, too_small, last_ms };
        let known = all.entry(key).or_insert(nothing);
        known.peak = known.peak.max(peak);
        known.too_small = known.too_small.max(too_small);
        known.last_ms = known.last_ms.max(last_ms);
    }
    Ok(all.into_values().collect())
}

/// What an instance that ended used at most, where that was counted.
pub(crate) fn at_exit(spec: &GroupSpec, exit: &Exit, now_ms: u64) -> Option<PeakRow> {
    let peak = exit.memory_peak?;
    Some(row(spec, peak, exit.out_of_memory, now_ms))
}

/// Reads the use of the running instances of some groups.
async fn look(inner: &Arc<Inner>, wanted: impl Fn(&GroupSpec) -> bool) {
    let running = inner.model().running(wanted);
    let samples = inner.runtime.usage(running).await;
    let (mut model, now) = (inner.model(), Instant::now());
    for Sample { id, usage, cpu } in samples {
        let Some((_, instance)) = model.live(id) else { continue };
        let before = instance.usage.and_then(|usage| usage.cpu_millis);
        let cpu_millis = match (instance.cpu_seen, cpu) {
            (Some((at, _)), _) if now - at < CPU_SPAN => before,
            (seen, Some(cpu)) => {
                instance.cpu_seen = Some((now, cpu));
                seen.and_then(|(at, then)| rate(cpu.saturating_sub(then), now - at))
            }
            (_, None) => None,
        };
        instance.usage = Some(Usage { cpu_millis, ..usage });
    }
}

/// Thousandths of a processor.
fn rate(used: Duration, over: Duration) -> Option<u64> {
    u64::try_from((used.as_nanos() * 1000).checked_div(over.as_nanos())?).ok()
}

/// The highest of what the instances of each group used, as last read.
fn measured(inner: &Inner) -> HashMap<GroupId, PeakRow> {
    let model = inner.model();
    let now_ms = inner.now_ms();
    let highest = |group: &crate::model::Group| {
        let usages = group.instances.iter().filter_map(|instance| instance.usage);
        let killed = usages.clone().any(|usage| usage.out_of_memory > 0);
        let peak = usages.map(|usage| usage.memory_peak).max()?;
        Some((group.spec.id, row(&group.spec, peak, killed, now_ms)))
    };
    model.groups.values().filter_map(highest).collect()
}

fn row(spec: &GroupSpec, peak: ByteSize, out_of_memory: bool, last_ms: u64) -> PeakRow {
    PeakRow {
        app: spec.app.clone(),
        env: spec.env.clone(),
        process: spec.process.clone(),
        release: spec.release,
        peak,
        too_small: out_of_memory.then_some(spec.params.memory),
        last_ms,
    }
}

/// Writes what has risen since it was last written.
async fn write(inner: &Inner, written: &mut Written) -> Result<(), StoreError> {
    let measured = measured(inner);
    written.retain(|group, _| measured.contains_key(group));
    let risen: Vec<_> =
        measured.into_iter().filter(|(group, row)| news(written.get(group), row)).collect();
    if risen.is_empty() {
        return Ok(());
    }
    let mut db = inner.db.write().await?;
    for (_, row) in &risen {
        peaks::raise(&mut db, row).await?;
    }
    db.commit().await?;
    written.extend(risen);
    Ok(())
}

/// A hundredth more is no news: a service that warms up would be written at every look.
fn news(written: Option<&PeakRow>, row: &PeakRow) -> bool {
    written.is_none_or(|written| {
        row.peak.0 > written.peak.0 + written.peak.0 / 100
            || row.too_small > written.too_small
            || row.last_ms >= written.last_ms + REFRESH_MS
    })
}
