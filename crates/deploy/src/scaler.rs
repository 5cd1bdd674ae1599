//! Lets the number of instances follow the load or the clock, where the configuration asks for it.
//!
//! A change of size is a deployment like one that a person begins: it is planned, recorded, shown,
//! and waits for nothing that a person holds. What cannot be measured changes nothing.

use crate::orchestrator::Faint;
use crate::scaling::{Needs, bounds, by_the_clock, needed, reason};
use crate::{Ask, Error, Orchestrator, Request, Target, Why};
use kiln_engine::{Figures, GroupSpec, Observation, ObservedGroup, TrafficObservation};
use kiln_names::GroupId;
use kiln_protocol::configuration::{Scale, ScaleBy};
use kiln_protocol::status::GroupState;
use kiln_store::groups;
use kiln_store::groups::GroupRow;
use std::collections::HashMap;
use std::time::Duration;

/// How often is looked at the load.
const LOOK: Duration = Duration::from_secs(5);
/// How long an engine may take to answer; others are waiting for their turn.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a size that could not be had is not tried again.
const FAILED_MS: u64 = 300_000;
/// Who changes sizes, for the record.
const WHO: &str = "kiln";

/// What is known of the groups whose size follows the load.
#[derive(Debug, Default)]
struct Scaler {
    groups: HashMap<GroupId, Known>,
}

#[derive(Debug, Default)]
struct Known {
    needs: Needs,
    /// When requests were counted last, by whom, and how many.
    counted: Option<(u64, u64, u64)>,
    /// The size that was asked for, and when.
    tried: Option<(u64, u32)>,
}

/// What was seen of one application in one environment.
struct Seen {
    groups: Observation,
    traffic: TrafficObservation,
    figures: Vec<Figures>,
}

/// Goes on for as long as there is an orchestrator.
pub(crate) async fn run(orchestrator: Faint) {
    let mut scaler = Scaler::default();
    while let Some(orchestrator) = orchestrator.get() {
        if let Err(error) = scaler.round(&orchestrator).await {
            tracing::warn!(%error, "cannot look at the load");
        }
        let kit = orchestrator.shared_kit();
        drop(orchestrator);
        kit.clock().sleep(LOOK).await;
        if kit.ports.fuse.blown() {
            return;
        }
    }
}

impl Scaler {
    async fn round(&mut self, orchestrator: &Orchestrator) -> Result<(), Error> {
        let kit = orchestrator.kit();
        let mut db = kit.db.read().await?;
        let mut all = Vec::new();
        for (app, env) in groups::clusters(&mut db).await? {
            let rows = groups::here(&mut db, &app, &env).await?;
            let scaled: Vec<_> = rows.into_iter().filter_map(scaled).collect();
            if !scaled.is_empty() {
                all.push((Target { app, env }, scaled));
            }
        }
        drop(db);
        let ids = |(_, scaled): &(Target, Vec<Scaled>)| -> Vec<GroupId> {
            scaled.iter().map(|(row, ..)| row.id).collect()
        };
        let there: Vec<GroupId> = all.iter().flat_map(ids).collect();
        self.groups.retain(|id, _| there.contains(id));
        for (target, scaled) in &all {
            // One whose engine does not answer has its turn later.
            let by_requests = |(_, spec): &Scaled| {
                spec.params.scale.is_some_and(|scale| scale.by == ScaleBy::Requests)
            };
            let by_requests = scaled.iter().any(by_requests);
            let seen = tokio::select! {
                biased;
                seen = look(orchestrator, target, by_requests) => seen,
                () = kit.clock().sleep(PATIENCE) => None,
            };
            let Some(seen) = seen else { continue };
            for group in scaled {
                self.follow(orchestrator, group, &seen).await;
            }
        }
        Ok(())
    }

    async fn follow(&mut self, orchestrator: &Orchestrator, (row, spec): &Scaled, seen: &Seen) {
        let now_ms = orchestrator.kit().now_ms();
        let known = self.groups.entry(row.id).or_default();
        let (size, why) = known.wanted((row, spec), seen, now_ms);
        if known.tried.is_some_and(|(_, tried)| tried == row.size) {
            known.tried = None;
        }
        let failed = known.tried.is_some_and(|(at_ms, _)| now_ms.saturating_sub(at_ms) < FAILED_MS);
        if size == row.size || failed {
            return;
        }
        let ask = Ask::Resize { process: Some(spec.process.clone()), size };
        let message = format!("{} to {size}: {why}", spec.process);
        let why = Why { who: WHO.to_owned(), message };
        let target = Target { app: spec.app.clone(), env: spec.env.clone() };
        match orchestrator.begin(Request { target, ask, why }).await {
            Ok(_) => known.tried = Some((now_ms, size)),
            // It has its turn when nothing else is in progress.
            Err(error) => tracing::debug!(group = %spec.name, %error, "does not change a size"),
        }
    }
}

/// A group whose size follows the load or the clock.
type Scaled = (GroupRow, GroupSpec);

fn scaled(row: GroupRow) -> Option<Scaled> {
    if row.state != GroupState::Active.as_str() {
        return None;
    }
    let spec: GroupSpec = serde_json::from_str(&row.spec).ok()?;
    let followed = spec.params.scale.is_some() || !spec.params.schedule.is_empty();
    followed.then_some((row, spec))
}

async fn look(
    orchestrator: &Orchestrator,
    Target { app, env }: &Target,
    by_requests: bool,
) -> Option<Seen> {
    let provider = orchestrator.kit().ports.engines.of(env).await.ok()?;
    Some(Seen {
        groups: provider.engine.observe(Some((app, env))).await.ok()?,
        traffic: provider.traffic.observe(app, env).await.ok()?,
        figures: match by_requests {
            true => provider.traffic.figures(app, env).await.ok()?,
            false => Vec::new(),
        },
    })
}

impl Known {
    /// How many instances there should be, and why. What cannot be measured stays within the bounds.
    fn wanted(
        &mut self,
        (row, spec): (&GroupRow, &GroupSpec),
        seen: &Seen,
        now_ms: u64,
    ) -> (u32, String) {
        let (min, max) = bounds(&spec.params, now_ms);
        let within = row.size.clamp(min, max);
        let bounded = || (within, by_the_clock(&spec.params, now_ms));
        let (Some(scale), Some(observed)) = (&spec.params.scale, seen.groups.group(row.id)) else {
            return bounded();
        };
        let each = self.measure(scale, (spec, observed), seen, now_ms);
        // What has just changed is not measured.
        let whole = observed.healthy() == row.size as usize && row.size > 0;
        let Some(each) = each.filter(|_| whole && within == row.size) else { return bounded() };
        let needed = needed(scale, each, row.size, (min, max));
        (self.needs.note(scale, now_ms, needed, row.size), reason(scale, each))
    }

    /// What each instance has of what is followed; nothing where that cannot be told.
    fn measure(
        &mut self,
        scale: &Scale,
        (spec, observed): (&GroupSpec, &ObservedGroup),
        seen: &Seen,
        now_ms: u64,
    ) -> Option<f64> {
        let instances = number(observed.healthy() as u64);
        let all = match scale.by {
            ScaleBy::Cpu => {
                let used = observed.instances.iter().map(|i| i.usage.as_ref()?.cpu_millis);
                let used: u64 = used.sum::<Option<u64>>()?;
                number(used) * 100.0 / f64::from(spec.params.cpu.0)
            }
            ScaleBy::InFlight => {
                let known = seen.traffic.groups.iter().find(|known| known.group == spec.id)?;
                number(known.in_flight?)
            }
            ScaleBy::Requests => {
                let counted = seen.figures.iter().find(|figures| figures.group == spec.id)?;
                let now = (now_ms, counted.by, counted.requests);
                let (then_ms, by, then) = self.counted.replace(now)?;
                let more = counted.requests.checked_sub(then).filter(|_| by == counted.by)?;
                number(more) * 1000.0 / number(now_ms.saturating_sub(then_ms).max(1))
            }
        };
        (instances > 0.0).then(|| all / instances)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a load needs no more than 52 bits")]
const fn number(count: u64) -> f64 {
    count as f64
}
